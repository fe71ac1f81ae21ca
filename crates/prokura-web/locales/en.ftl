# What the pages say. Every key is in every language; a test compares them.

## Everywhere

skip = Skip to content
languages = Languages
support-code = Support code:
continue = Continue
back = Back
save = Save
search = Search
optional = (optional)
pages = Pages
previous = Previous page
next = Next page
page-of = Page { $page } of { $last }
nothing-found = Nothing found for “{ $query }”.
back-to-client = Back to { $client }
go-to-login = Log in
start-over = Start over
myself = Myself
yourself = yourself
myself-more = private, for no company
acting-for = Acting for
you = you

day = { $month } { $day }, { $year }
moment = { $month } { $day }, { $year }, { $time } UTC
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December

## Fields

email = E-mail address
email-hint = We send a message there to make sure it is yours.
password = Password
present-password = Present password
new-password = New password
password-hint = Long is better than complicated. A few words in a row are fine, and so is a password manager.
given-name = First name
family-name = Last name
company-name = Company
company-name-hint = The company you buy for, if there is one.
phone = Telephone
code = Code
code-hint = The 6 digits your authenticator app shows now, or one of your recovery codes.
role = Role

## What is wrong with a field

problem-missing = Please fill this in.
problem-too-long = This is too long. Please shorten it.
problem-not-an-email = Please enter an e-mail address, such as name@example.com.
problem-wrong-login = E-mail address and password do not match. Please check both and try again.
problem-wrong-password = That is not your present password. Please try again.
problem-password-too-short = { $count ->
    [one] Please use at least { $count } character.
   *[other] Please use at least { $count } characters.
}
problem-password-too-common = This password is easy to guess. Please choose another one.
problem-password-too-personal = Please choose a password without your name, your e-mail address or the name of the shop.
problem-password-unchanged = This is your present password. Please choose another one.
problem-passkey-refused = That did not work with the passkey. Please try once more, or log in with your password.
problem-wrong-code = That code is not right, or not valid any more. Please enter the one shown now.
problem-unknown-device-code = We do not know this code. Please compare it with your device; after a few minutes the device shows a new one.
problem-too-many-attempts = { $count ->
    [one] That was tried too often. Please wait a minute.
   *[other] That was tried too often. Please wait { $count } minutes.
}
problem-company-not-allowed = You may not act for this company any more. Please choose another one.
problem-nothing-chosen = Please choose one.
problem-role-not-allowed = You may not give this role. Please choose another one.
problem-already-there = This person is a member already.
problem-too-many-invitations = Many invitations are still waiting for an answer. Withdraw some of them first.
problem-not-accepted = This cannot be used here. Please enter something else.

## Logging in

log-in = Log in
log-in-lead = to continue to { $client }
or-with = or with
new-here = New here?
create-account = Create an account
enter-password = Enter your password
logging-in-as = You log in as
change-who = Change
change-who-more = the e-mail address
forgot-password = Forgot your password?
log-in-again-lead = What comes next matters, so please show once more that it is you.
use-passkey = Log in with a passkey
change-email = Change e-mail address
change-email-lead = We send a link to the new address. Until you follow it, you log in with
change-email-send = Send the link
new-email = New e-mail address
second-factor-title = Confirm that it is you
second-factor-aside = No access to your app? Enter one of the recovery codes you kept.

## Companies

choose-company = Who are you buying for?
choose-company-lead = Products, prices and orders follow your choice. You can change it later.
company-legend = Company
chosen-last = last time
chosen-now = now
no-companies = No company has made you its buyer yet.
search-companies = { $count ->
    [one] Search { $count } company
   *[other] Search { $count } companies
}

## Consent

consent-title = Allow access?
consent-lead = { $client } would like to access your account.
consent-who = Account
consent-company = Company
consent-host = Leads to
consent-scopes = { $client } will be able to:
consent-aside = Allow this only if you trust { $client }. You can end its access at any time, in your account under “Sessions”.
allow = Allow
deny = Do not allow
scope-openid = recognize you when you come back
scope-profile = see your name
scope-email = see your e-mail address
scope-address = see your addresses
scope-phone = see your telephone number
scope-offline-access = stay logged in while you are away
scope-legal-entity = see which company you act for, and your role there
scope-other = use “{ $name }”

## Devices

device-title = Connect a device
device-lead = Your device shows a code. Enter it here to log the device in.
device-code = Code on the device
device-code-hint = Capitals or not, with or without the dash: both are fine.
device-consent-title = Log this device in?
device-warning = Go on only if you hold the device in your hands and it shows exactly this code. Nobody from support will ever ask you for it.
device-allowed-title = The device is logged in
device-allowed-text = You can close this page and go on with your device.
device-denied-title = The device is not logged in
device-denied-text = Nothing was shared. You can close this page.

## Logging out

log-out = Log out
log-out-title = Log out?
log-out-client = { $client } asks to log you out here and in every shop you used this login for.
log-out-lead = You will be logged out here and in every shop you used this login for.
stay = Stay logged in
logged-out-title = You are logged out
logged-out-text = Thank you for your visit.
logged-out-aside = On a shared computer, please close the browser too.

## Joining, and coming back in

create-account-title = Create an account
have-account = Have an account already?
mail-sent-title = Check your mail
sign-up-sent-text = We have sent a message to { $username }. Open the link in it to go on.
reset-sent-text = If { $username } belongs to an account, a message with a link for a new password is on its way.
mail-sent-aside = Nothing there after a few minutes? Please look into your spam folder, or check the address for typing errors.
forgotten-title = Forgot your password?
forgotten-lead = Enter your e-mail address, and we send you a link for a new password.
send-mail = Send the link
back-to-login = Back to the login
reset-title = Choose a new password
reset-lead = Afterward you are logged out everywhere else.
set-password = Set the password
invitation-title = Invitation
invitation-company = You are invited to buy for { $company }.
invitation-by = { $person } has invited you.
invitation-lead = Choose a password, and you are ready to go.
invitation-accept-as = You are logged in as { $person }.
invitation-accept = Accept the invitation
invitation-log-in = { $username } has an account here. Log in with it to accept.
invitation-other = This invitation is for { $username }, and you are logged in as { $person }. Log out here, and open the link of the mail again.
joined-title = Welcome aboard
joined-text = Your account is ready. Log in with it to buy for { $company }.
password-set-title = Your password is set
password-set-text = You can log in with it now.
email-verified-title = Your e-mail address is confirmed
email-verified-text = Thank you. You can log in now.
confirm-account-title = Confirm your account
confirm-account-text = One click, and your account is ready.
confirm-account = Confirm the account
confirm-email-title = Confirm your e-mail address
confirm-email-text = From then on you log in with this address.
confirm-email = Confirm the address

## Errors

error-support = If you need help, tell the support this code:
error-not-found-title = This page does not exist
error-not-found-text = Please check the address, or go back to where you came from.
error-bad-client-request-title = The shop made a mistake
error-bad-client-request-text = It sent you here with a request we cannot answer. Please go back to the shop and try again; if it happens again, let the shop know.
error-flow-over-title = This login is over
error-flow-over-text = It took too long, or it was finished already, maybe in another tab. Please begin again.
error-other-browser-title = Please go on where you began
error-other-browser-text = This login was begun in another browser, or your browser does not keep our cookies. Allow cookies for this site and begin again.
error-form-expired-title = This form is too old
error-form-expired-text = To protect you, nothing was done. Please go back, load the page again and repeat your last step.
error-link-over-title = This link does not work any more
error-link-over-text = Every link works only once and for a limited time. Please ask for a new one.
error-forbidden-title = You may not do this
error-forbidden-text = Your rights do not include it. If you need it, please ask an administrator of your company.
error-account-closed-title = Your account is on hold
error-account-closed-text = You cannot log in at present. Please ask your company’s administrator or the shop.
error-too-many-attempts-title = Too many attempts
error-too-many-attempts-text = To protect your account, please wait a few minutes before you try again.
error-unavailable-title = Something went wrong on our side
error-unavailable-text = It is not your fault, and nothing was changed. Please try again in a moment.

## Account

account = Account
profile = Profile
security = Password and security
sessions = Sessions
companies = Companies
members = People
activity = Activity
verified = confirmed
not-verified = not confirmed
change-password = Change the password
change-password-lead = Afterward you stay logged in here and are logged out everywhere else.
password-changed-on = Last changed on
sessions-lead = Everywhere you are logged in now. End what you do not recognize, and change your password.
device = { $browser } on { $system }
unknown-device = Unknown device
this-device = this device
session-seen = last used:
session-started = since
end-session = End
end-others = End all other sessions
companies-lead = The companies you may buy for. Your choice holds in this browser; other devices keep theirs.
companies-locked = This login acts for one company and no other.
switch-company = Act for this one
since = since
remove = Remove …
remove-for-good = Remove for good
added-on = added on
last-used-on = last used on
passkeys = Passkeys
passkeys-lead = Log in with your fingerprint, your face or the PIN of your device. A passkey cannot be guessed, and nobody can lure it out of you.
passkey-name = Name
passkey-name-hint = So that you recognize it later, for example “Work laptop”.
add-passkey = Add a passkey
add-passkey-lead = Your browser asks where to keep the passkey: on this device, on your phone or on a security key.
passkey-needs-script = Passkeys need JavaScript, which is switched off in your browser.
remove-passkey-sure = You will not be able to log in with it any more.
totp = Authenticator app
totp-lead = After the password, we ask for a code that an app on your phone shows.
totp-is-on = on
not-set-up = not set up
totp-set-up = Set up an authenticator app
totp-turn-on = Turn on
totp-turn-off = Turn off …
totp-turn-off-for-good = Turn off for good
totp-off-sure = Your password alone will be enough to log in.
totp-step-scan = Scan this code with your authenticator app.
totp-qr-label = QR code for your authenticator app; the key below it says the same
totp-type-in = Or type this key into the app:
totp-step-code = Enter the code the app shows now.
totp-code-hint = 6 digits; a new code comes every 30 seconds.
recovery-codes = Recovery codes
recovery-codes-left = { $count ->
    [0] You have no recovery codes left. Make new ones, so that a lost phone does not lock you out.
    [one] You have { $count } recovery code left, for the day your phone is lost.
   *[other] You have { $count } recovery codes left, for the day your phone is lost.
}
recovery-codes-renew = Make new recovery codes
recovery-codes-lead = Each of these codes lets you in once when your app is not at hand. Print them or put them into your password manager.
recovery-codes-once = They are not shown again. Codes you had before do not work any more.
recovery-codes-kept = I have kept them

## What was just done

notice-profile-saved = Your profile is saved.
notice-password-changed = Your password is changed. You are logged out everywhere else.
notice-email-asked = If the address can be used, a message with a link is on its way to it.
notice-session-ended = The session is over.
notice-others-ended = All other sessions are over.
notice-company-switched = You act for another company now.
notice-passkey-added = The passkey is added.
notice-passkey-removed = The passkey is removed.
notice-totp-on = From now on we ask for a code of your app.
notice-totp-off = We do not ask for a code any more.
notice-role-changed = The role is changed. It takes effect within seconds.
notice-member-removed = The access is ended. It takes effect within seconds.
notice-invitation-sent = The invitation is on its way.
notice-invitation-withdrawn = The invitation is withdrawn. Its link does not work any more.
notice-invitation-accepted = You accepted the invitation, and act for the company now.

## Company

members-lead = Everybody who may act for your company.
search-members = Search by name or e-mail address
invite = Invite a colleague
invite-lead = Your colleague gets a message with a link. Whoever has an account already keeps it.
send-invitation = Send the invitation
open-invitations = Open invitations
invitation-ends = good until
withdraw-invitation = Withdraw
no-role = No role
status-invited = invited
status-on-hold = on hold
role-of = Role of { $name }
end-access = End access …
end-access-sure = { $name } will be logged out of this company at once and may not act for it any more.
end-access-for-good = End access now
activity-lead = Who did what for your company, the newest first.
activity-empty = Nothing has happened yet.
older = Older entries
refused = refused

verb-customer-log-in = logged in
verb-customer-log-out = logged out
verb-customer-create = created an account
verb-customer-update = changed a profile
verb-customer-change-password = changed the password
verb-customer-change-email = changed the e-mail address
verb-customer-reset-password = set a new password
verb-assignment-create = gave access
verb-assignment-update = changed access
verb-assignment-delete = ended access
verb-legal-entity-create = created a company
verb-legal-entity-update = changed the company
verb-legal-entity-delete = deleted a company
verb-join-request-create = asked to join
verb-group-add-member = gave a role
verb-group-remove-member = took a role away
verb-session-end = ended a session
verb-assignment-change-role = changed a role
verb-invitation-create = invited somebody
verb-invitation-withdraw = withdrew an invitation
verb-invitation-accept = accepted an invitation
verb-customer-switch-company = acts for the company
verb-customer-redeem-code = logged in for the company
verb-customer-redeem-device-code = let a device in for the company
verb-customer-exchange-token = let an application act for the company
verb-session-choose-entity = chose the company
verb-family-reuse-detected = a copied token was refused

## The demo's mail folder

mail-folder-title = Mails
mail-folder-lead = This demo sends no mail. What it would have sent is here.
mail-folder-empty = No mail yet.
mail-to = To { $to }
