# Was die Seiten sagen. Jeder Schlüssel steht in jeder Sprache; ein Test vergleicht sie.

## Überall

skip = Zum Inhalt springen
languages = Sprachen
support-code = Support-Code:
continue = Weiter
back = Zurück
save = Speichern
search = Suchen
optional = (freiwillig)
pages = Seiten
previous = Vorige Seite
next = Nächste Seite
page-of = Seite { $page } von { $last }
nothing-found = Zu „{ $query }“ wurde nichts gefunden.
back-to-client = Zurück zu { $client }
go-to-login = Anmelden
start-over = Neu beginnen
myself = Für mich selbst
yourself = sich selbst
myself-more = privat, für keine Firma
acting-for = Sie handeln für
you = Sie

day = { $day }. { $month } { $year }
moment = { $day }. { $month } { $year }, { $time } Uhr (UTC)
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember

## Felder

email = E-Mail-Adresse
email-hint = Wir senden eine Nachricht dorthin, um sicherzugehen, dass die Adresse Ihnen gehört.
password = Passwort
present-password = Bisheriges Passwort
new-password = Neues Passwort
password-hint = Lang ist besser als kompliziert. Einige Wörter hintereinander sind gut, ein Passwort-Manager ebenso.
given-name = Vorname
family-name = Nachname
company-name = Firma
company-name-hint = Die Firma, für die Sie einkaufen, falls es eine gibt.
phone = Telefon
code = Code
code-hint = Die 6 Ziffern, die Ihre Authenticator-App gerade zeigt, oder einer Ihrer Wiederherstellungscodes.
role = Rolle

## Was an einem Feld nicht stimmt

problem-missing = Bitte füllen Sie dieses Feld aus.
problem-too-long = Das ist zu lang. Bitte kürzen Sie es.
problem-not-an-email = Bitte geben Sie eine E-Mail-Adresse ein, zum Beispiel name@example.com.
problem-wrong-login = E-Mail-Adresse und Passwort passen nicht zusammen. Bitte prüfen Sie beides und versuchen Sie es noch einmal.
problem-wrong-password = Das ist nicht Ihr bisheriges Passwort. Bitte versuchen Sie es noch einmal.
problem-password-too-short = { $count ->
    [one] Bitte verwenden Sie mindestens { $count } Zeichen.
   *[other] Bitte verwenden Sie mindestens { $count } Zeichen.
}
problem-password-too-common = Dieses Passwort ist leicht zu erraten. Bitte wählen Sie ein anderes.
problem-password-too-personal = Bitte wählen Sie ein Passwort ohne Ihren Namen, Ihre E-Mail-Adresse und den Namen des Shops.
problem-password-unchanged = Das ist Ihr bisheriges Passwort. Bitte wählen Sie ein anderes.
problem-passkey-refused = Das hat mit dem Passkey nicht geklappt. Bitte versuchen Sie es noch einmal oder melden Sie sich mit Ihrem Passwort an.
problem-wrong-code = Dieser Code stimmt nicht oder gilt nicht mehr. Bitte geben Sie den ein, der gerade angezeigt wird.
problem-unknown-device-code = Wir kennen diesen Code nicht. Bitte vergleichen Sie ihn mit Ihrem Gerät; nach einigen Minuten zeigt es einen neuen.
problem-too-many-attempts = { $count ->
    [one] Das waren zu viele Versuche. Bitte warten Sie eine Minute.
   *[other] Das waren zu viele Versuche. Bitte warten Sie { $count } Minuten.
}
problem-company-not-allowed = Für diese Firma dürfen Sie nicht mehr handeln. Bitte wählen Sie eine andere.
problem-nothing-chosen = Bitte wählen Sie etwas aus.
problem-role-not-allowed = Diese Rolle dürfen Sie nicht vergeben. Bitte wählen Sie eine andere.
problem-already-there = Diese Person gehört schon dazu.
problem-too-many-invitations = Viele Einladungen warten noch auf eine Antwort. Ziehen Sie zuerst einige davon zurück.
problem-not-accepted = Das kann hier nicht verwendet werden. Bitte geben Sie etwas anderes ein.

## Anmelden

log-in = Anmelden
log-in-lead = weiter zu { $client }
or-with = oder mit
new-here = Neu hier?
create-account = Konto anlegen
enter-password = Passwort eingeben
logging-in-as = Sie melden sich an als
change-who = Ändern
change-who-more = der E-Mail-Adresse
forgot-password = Passwort vergessen?
log-in-again-lead = Der nächste Schritt ist wichtig. Bitte zeigen Sie noch einmal, dass Sie es sind.
use-passkey = Mit Passkey anmelden
change-email = E-Mail-Adresse ändern
change-email-lead = Wir senden einen Link an die neue Adresse. Bis Sie ihm folgen, melden Sie sich an mit
change-email-send = Link senden
new-email = Neue E-Mail-Adresse
second-factor-title = Bestätigen Sie, dass Sie es sind
second-factor-aside = Kein Zugriff auf die App? Geben Sie einen der Wiederherstellungscodes ein, die Sie aufbewahrt haben.

## Firmen

choose-company = Für wen kaufen Sie ein?
choose-company-lead = Sortiment, Preise und Bestellungen richten sich nach Ihrer Wahl. Sie können sie später ändern.
company-legend = Firma
chosen-last = zuletzt
chosen-now = jetzt
no-companies = Noch hat keine Firma Sie zum Einkäufer gemacht.
search-companies = { $count ->
    [one] { $count } Firma durchsuchen
   *[other] { $count } Firmen durchsuchen
}

## Einwilligung

consent-title = Zugriff erlauben?
consent-lead = { $client } möchte auf Ihr Konto zugreifen.
consent-who = Konto
consent-company = Firma
consent-host = Führt zu
consent-scopes = { $client } kann dann:
consent-aside = Erlauben Sie das nur, wenn Sie { $client } vertrauen. Sie können den Zugriff jederzeit beenden, in Ihrem Konto unter „Sitzungen“.
allow = Erlauben
deny = Nicht erlauben
scope-openid = Sie wiedererkennen, wenn Sie zurückkommen
scope-profile = Ihren Namen sehen
scope-email = Ihre E-Mail-Adresse sehen
scope-address = Ihre Anschriften sehen
scope-phone = Ihre Telefonnummer sehen
scope-offline-access = angemeldet bleiben, während Sie nicht da sind
scope-legal-entity = sehen, für welche Firma Sie handeln und in welcher Rolle
scope-other = „{ $name }“ nutzen

## Geräte

device-title = Gerät verbinden
device-lead = Ihr Gerät zeigt einen Code. Geben Sie ihn hier ein, um das Gerät anzumelden.
device-code = Code auf dem Gerät
device-code-hint = Groß oder klein, mit oder ohne Bindestrich: Beides ist in Ordnung.
device-consent-title = Dieses Gerät anmelden?
device-warning = Fahren Sie nur fort, wenn Sie das Gerät vor sich haben und es genau diesen Code zeigt. Niemand vom Support wird Sie je danach fragen.
device-allowed-title = Das Gerät ist angemeldet
device-allowed-text = Sie können diese Seite schließen und am Gerät weitermachen.
device-denied-title = Das Gerät ist nicht angemeldet
device-denied-text = Es wurde nichts weitergegeben. Sie können diese Seite schließen.

## Abmelden

log-out = Abmelden
log-out-title = Abmelden?
log-out-client = { $client } bittet darum, Sie hier und in allen Shops abzumelden, in denen Sie diese Anmeldung genutzt haben.
log-out-lead = Sie werden hier und in allen Shops abgemeldet, in denen Sie diese Anmeldung genutzt haben.
stay = Angemeldet bleiben
logged-out-title = Sie sind abgemeldet
logged-out-text = Vielen Dank für Ihren Besuch.
logged-out-aside = An einem gemeinsam genutzten Computer schließen Sie bitte auch den Browser.

## Dazukommen und wieder hineinkommen

create-account-title = Konto anlegen
have-account = Haben Sie schon ein Konto?
mail-sent-title = Sehen Sie in Ihr Postfach
sign-up-sent-text = Wir haben eine Nachricht an { $username } gesendet. Öffnen Sie den Link darin, um fortzufahren.
reset-sent-text = Wenn zu { $username } ein Konto gehört, ist eine Nachricht mit einem Link für ein neues Passwort unterwegs.
mail-sent-aside = Nach einigen Minuten noch nichts da? Bitte sehen Sie im Spam-Ordner nach, oder prüfen Sie die Adresse auf Tippfehler.
forgotten-title = Passwort vergessen?
forgotten-lead = Geben Sie Ihre E-Mail-Adresse ein, und wir senden Ihnen einen Link für ein neues Passwort.
send-mail = Link senden
back-to-login = Zurück zur Anmeldung
reset-title = Neues Passwort wählen
reset-lead = Danach sind Sie überall sonst abgemeldet.
set-password = Passwort festlegen
invitation-title = Einladung
invitation-company = Sie sind eingeladen, für { $company } einzukaufen.
invitation-by = { $person } hat Sie eingeladen.
invitation-lead = Wählen Sie ein Passwort, und es kann losgehen.
invitation-accept-as = Sie sind als { $person } angemeldet.
invitation-accept = Einladung annehmen
invitation-log-in = { $username } hat hier ein Konto. Melden Sie sich damit an, um die Einladung anzunehmen.
invitation-other = Diese Einladung ist für { $username }, und Sie sind als { $person } angemeldet. Melden Sie sich hier ab und öffnen Sie den Link der Nachricht noch einmal.
joined-title = Willkommen an Bord
joined-text = Ihr Konto ist bereit. Melden Sie sich damit an, um für { $company } einzukaufen.
password-set-title = Ihr Passwort ist festgelegt
password-set-text = Sie können sich jetzt damit anmelden.
email-verified-title = Ihre E-Mail-Adresse ist bestätigt
email-verified-text = Vielen Dank. Sie können sich jetzt anmelden.
confirm-account-title = Konto bestätigen
confirm-account-text = Ein Klick, und Ihr Konto ist bereit.
confirm-account = Konto bestätigen
confirm-email-title = E-Mail-Adresse bestätigen
confirm-email-text = Von da an melden Sie sich mit dieser Adresse an.
confirm-email = Adresse bestätigen

## Fehler

error-support = Wenn Sie Hilfe brauchen, nennen Sie dem Support diesen Code:
error-not-found-title = Diese Seite gibt es nicht
error-not-found-text = Bitte prüfen Sie die Adresse, oder gehen Sie dorthin zurück, woher Sie kamen.
error-bad-client-request-title = Der Shop hat einen Fehler gemacht
error-bad-client-request-text = Er hat Sie mit einer Anfrage hierher geschickt, die wir nicht beantworten können. Bitte gehen Sie zum Shop zurück und versuchen Sie es noch einmal; wenn es wieder geschieht, sagen Sie bitte dem Shop Bescheid.
error-flow-over-title = Diese Anmeldung ist vorbei
error-flow-over-text = Sie hat zu lange gedauert oder war schon abgeschlossen, vielleicht in einem anderen Tab. Bitte beginnen Sie von vorn.
error-other-browser-title = Bitte machen Sie dort weiter, wo Sie begonnen haben
error-other-browser-text = Diese Anmeldung wurde in einem anderen Browser begonnen, oder Ihr Browser behält unsere Cookies nicht. Erlauben Sie Cookies für diese Website und beginnen Sie von vorn.
error-form-expired-title = Dieses Formular ist zu alt
error-form-expired-text = Zu Ihrem Schutz wurde nichts ausgeführt. Bitte gehen Sie zurück, laden Sie die Seite neu und wiederholen Sie Ihren letzten Schritt.
error-link-over-title = Dieser Link funktioniert nicht mehr
error-link-over-text = Jeder Link funktioniert nur einmal und nur für begrenzte Zeit. Bitte fordern Sie einen neuen an.
error-forbidden-title = Das dürfen Sie nicht
error-forbidden-text = Ihre Rechte reichen dafür nicht aus. Wenn Sie es brauchen, fragen Sie bitte einen Administrator Ihrer Firma.
error-account-closed-title = Ihr Konto ist gesperrt
error-account-closed-text = Sie können sich zurzeit nicht anmelden. Bitte wenden Sie sich an den Administrator Ihrer Firma oder an den Shop.
error-too-many-attempts-title = Zu viele Versuche
error-too-many-attempts-text = Zum Schutz Ihres Kontos warten Sie bitte einige Minuten, bevor Sie es noch einmal versuchen.
error-unavailable-title = Bei uns ist etwas schiefgegangen
error-unavailable-text = Es liegt nicht an Ihnen, und es wurde nichts geändert. Bitte versuchen Sie es gleich noch einmal.

## Konto

account = Konto
profile = Profil
security = Passwort und Sicherheit
sessions = Sitzungen
companies = Firmen
members = Personen
activity = Verlauf
verified = bestätigt
not-verified = nicht bestätigt
change-password = Passwort ändern
change-password-lead = Danach bleiben Sie hier angemeldet und sind überall sonst abgemeldet.
password-changed-on = Zuletzt geändert am
sessions-lead = Überall hier sind Sie gerade angemeldet. Beenden Sie, was Sie nicht kennen, und ändern Sie Ihr Passwort.
device = { $browser } unter { $system }
unknown-device = Unbekanntes Gerät
this-device = dieses Gerät
session-seen = zuletzt benutzt:
session-started = seit dem
end-session = Beenden
end-others = Alle anderen Sitzungen beenden
companies-lead = Die Firmen, für die Sie einkaufen dürfen. Ihre Wahl gilt in diesem Browser; andere Geräte behalten ihre.
companies-locked = Diese Anmeldung handelt für eine einzige Firma und keine andere.
switch-company = Für diese handeln
since = seit dem
remove = Entfernen …
remove-for-good = Endgültig entfernen
added-on = hinzugefügt am
last-used-on = zuletzt benutzt am
passkeys = Passkeys
passkeys-lead = Melden Sie sich mit Fingerabdruck, Gesicht oder der PIN Ihres Geräts an. Einen Passkey kann niemand erraten und niemand Ihnen entlocken.
passkey-name = Name
passkey-name-hint = Damit Sie ihn später wiedererkennen, zum Beispiel „Arbeitslaptop“.
add-passkey = Passkey hinzufügen
add-passkey-lead = Ihr Browser fragt, wo der Passkey aufbewahrt werden soll: auf diesem Gerät, auf Ihrem Telefon oder auf einem Sicherheitsschlüssel.
passkey-needs-script = Passkeys brauchen JavaScript, das in Ihrem Browser ausgeschaltet ist.
remove-passkey-sure = Sie können sich dann nicht mehr damit anmelden.
totp = Authenticator-App
totp-lead = Nach dem Passwort fragen wir nach einem Code, den eine App auf Ihrem Telefon zeigt.
totp-is-on = eingeschaltet
not-set-up = nicht eingerichtet
totp-set-up = Authenticator-App einrichten
totp-turn-on = Einschalten
totp-turn-off = Ausschalten …
totp-turn-off-for-good = Endgültig ausschalten
totp-off-sure = Zum Anmelden genügt dann allein Ihr Passwort.
totp-step-scan = Scannen Sie diesen Code mit Ihrer Authenticator-App.
totp-qr-label = QR-Code für Ihre Authenticator-App; der Schlüssel darunter besagt dasselbe
totp-type-in = Oder tippen Sie diesen Schlüssel in die App:
totp-step-code = Geben Sie den Code ein, den die App gerade zeigt.
totp-code-hint = 6 Ziffern; alle 30 Sekunden kommt ein neuer Code.
recovery-codes = Wiederherstellungscodes
recovery-codes-left = { $count ->
    [0] Sie haben keine Wiederherstellungscodes mehr. Erzeugen Sie neue, damit ein verlorenes Telefon Sie nicht aussperrt.
    [one] Sie haben noch { $count } Wiederherstellungscode für den Tag, an dem Ihr Telefon verloren geht.
   *[other] Sie haben noch { $count } Wiederherstellungscodes für den Tag, an dem Ihr Telefon verloren geht.
}
recovery-codes-renew = Neue Wiederherstellungscodes erzeugen
recovery-codes-lead = Mit jedem dieser Codes kommen Sie einmal hinein, wenn Ihre App nicht zur Hand ist. Drucken Sie sie aus, oder legen Sie sie in Ihren Passwort-Manager.
recovery-codes-once = Sie werden nicht noch einmal angezeigt. Frühere Codes gelten nicht mehr.
recovery-codes-kept = Ich habe sie aufbewahrt

## Was gerade geschehen ist

notice-profile-saved = Ihr Profil ist gespeichert.
notice-password-changed = Ihr Passwort ist geändert. Sie sind überall sonst abgemeldet.
notice-email-asked = Wenn die Adresse verwendet werden kann, ist eine Nachricht mit einem Link dorthin unterwegs.
notice-session-ended = Die Sitzung ist beendet.
notice-others-ended = Alle anderen Sitzungen sind beendet.
notice-company-switched = Sie handeln jetzt für eine andere Firma.
notice-passkey-added = Der Passkey ist hinzugefügt.
notice-passkey-removed = Der Passkey ist entfernt.
notice-totp-on = Ab jetzt fragen wir nach einem Code Ihrer App.
notice-totp-off = Wir fragen nicht mehr nach einem Code.
notice-role-changed = Die Rolle ist geändert. Das gilt in wenigen Sekunden.
notice-member-removed = Der Zugang ist beendet. Das gilt in wenigen Sekunden.
notice-invitation-sent = Die Einladung ist unterwegs.
notice-invitation-withdrawn = Die Einladung ist zurückgezogen. Ihr Link funktioniert nicht mehr.
notice-invitation-accepted = Sie haben die Einladung angenommen und handeln jetzt für die Firma.

## Firma

members-lead = Alle, die für Ihre Firma handeln dürfen.
search-members = Nach Name oder E-Mail-Adresse suchen
invite = Kollegin oder Kollegen einladen
invite-lead = Die eingeladene Person bekommt eine Nachricht mit einem Link. Wer schon ein Konto hat, behält es.
send-invitation = Einladung senden
open-invitations = Offene Einladungen
invitation-ends = gültig bis
withdraw-invitation = Zurückziehen
no-role = Keine Rolle
status-invited = eingeladen
status-on-hold = gesperrt
role-of = Rolle von { $name }
end-access = Zugang beenden …
end-access-sure = { $name } wird sofort von dieser Firma abgemeldet und darf nicht mehr für sie handeln.
end-access-for-good = Zugang jetzt beenden
activity-lead = Wer was für Ihre Firma getan hat, das Neueste zuerst.
activity-empty = Noch ist nichts geschehen.
older = Ältere Einträge
refused = abgelehnt

verb-customer-log-in = hat sich angemeldet
verb-customer-log-out = hat sich abgemeldet
verb-customer-create = hat ein Konto angelegt
verb-customer-update = hat ein Profil geändert
verb-customer-change-password = hat das Passwort geändert
verb-customer-change-email = hat die E-Mail-Adresse geändert
verb-customer-reset-password = hat ein neues Passwort festgelegt
verb-assignment-create = hat Zugang gegeben
verb-assignment-update = hat einen Zugang geändert
verb-assignment-delete = hat einen Zugang beendet
verb-legal-entity-create = hat eine Firma angelegt
verb-legal-entity-update = hat die Firma geändert
verb-legal-entity-delete = hat eine Firma gelöscht
verb-join-request-create = möchte dazukommen
verb-group-add-member = hat eine Rolle gegeben
verb-group-remove-member = hat eine Rolle entzogen
verb-session-end = hat eine Sitzung beendet
verb-assignment-change-role = hat eine Rolle geändert
verb-invitation-create = hat jemanden eingeladen
verb-invitation-withdraw = hat eine Einladung zurückgezogen
verb-invitation-accept = hat eine Einladung angenommen
verb-customer-switch-company = handelt für die Firma
verb-customer-redeem-code = hat sich für die Firma angemeldet
verb-customer-redeem-device-code = hat ein Gerät für die Firma angemeldet
verb-customer-exchange-token = hat eine Anwendung für die Firma handeln lassen
verb-session-choose-entity = hat die Firma gewählt
verb-family-reuse-detected = ein kopiertes Token wurde abgelehnt

## Der Postkorb der Demo

mail-folder-title = E-Mails
mail-folder-lead = Diese Demo verschickt keine E-Mails. Was sie verschickt hätte, steht hier.
mail-folder-empty = Noch keine E-Mails.
mail-to = An { $to }
