# Ce que disent les pages. Chaque clé existe dans chaque langue ; un test les compare.

## Partout

skip = Aller au contenu
languages = Langues
support-code = Code d’assistance :
continue = Continuer
back = Retour
save = Enregistrer
search = Rechercher
optional = (facultatif)
pages = Pages
previous = Page précédente
next = Page suivante
page-of = Page { $page } sur { $last }
nothing-found = Aucun résultat pour « { $query } ».
back-to-client = Retour à { $client }
go-to-login = Se connecter
start-over = Recommencer
myself = Moi-même
yourself = vous-même
myself-more = à titre privé, sans entreprise
acting-for = Vous agissez pour
you = vous

day = { $day } { $month } { $year }
moment = { $day } { $month } { $year } à { $time } (UTC)
month-1 = janvier
month-2 = février
month-3 = mars
month-4 = avril
month-5 = mai
month-6 = juin
month-7 = juillet
month-8 = août
month-9 = septembre
month-10 = octobre
month-11 = novembre
month-12 = décembre

## Champs

email = Adresse e-mail
email-hint = Nous y envoyons un message pour vérifier qu’elle vous appartient.
password = Mot de passe
present-password = Mot de passe actuel
new-password = Nouveau mot de passe
password-hint = Mieux vaut long que compliqué. Quelques mots à la suite conviennent, un gestionnaire de mots de passe aussi.
given-name = Prénom
family-name = Nom
company-name = Entreprise
company-name-hint = L’entreprise pour laquelle vous achetez, s’il y en a une.
phone = Téléphone
code = Code
code-hint = Les 6 chiffres affichés par votre application d’authentification, ou l’un de vos codes de secours.
role = Rôle

## Ce qui ne va pas dans un champ

problem-missing = Veuillez remplir ce champ.
problem-too-long = Ce texte est trop long. Veuillez le raccourcir.
problem-not-an-email = Veuillez saisir une adresse e-mail, par exemple nom@example.com.
problem-wrong-login = L’adresse e-mail et le mot de passe ne correspondent pas. Vérifiez-les et réessayez.
problem-wrong-password = Ce n’est pas votre mot de passe actuel. Veuillez réessayer.
problem-password-too-short = { $count ->
    [one] Utilisez au moins { $count } caractère.
   *[other] Utilisez au moins { $count } caractères.
}
problem-password-too-common = Ce mot de passe est facile à deviner. Veuillez en choisir un autre.
problem-password-too-personal = Choisissez un mot de passe sans votre nom, votre adresse e-mail ni le nom de la boutique.
problem-password-unchanged = C’est votre mot de passe actuel. Veuillez en choisir un autre.
problem-passkey-refused = La clé d’accès n’a pas fonctionné. Réessayez, ou connectez-vous avec votre mot de passe.
problem-wrong-code = Ce code est incorrect ou n’est plus valable. Saisissez celui qui s’affiche maintenant.
problem-unknown-device-code = Nous ne connaissons pas ce code. Comparez-le avec celui de votre appareil ; après quelques minutes, l’appareil en affiche un nouveau.
problem-too-many-attempts = { $count ->
    [one] Trop de tentatives. Veuillez patienter une minute.
   *[other] Trop de tentatives. Veuillez patienter { $count } minutes.
}
problem-company-not-allowed = Vous ne pouvez plus agir pour cette entreprise. Veuillez en choisir une autre.
problem-nothing-chosen = Veuillez faire un choix.
problem-role-not-allowed = Vous ne pouvez pas attribuer ce rôle. Veuillez en choisir un autre.
problem-already-there = Cette personne est déjà membre.
problem-too-many-invitations = Beaucoup d’invitations attendent encore une réponse. Retirez-en d’abord quelques-unes.
problem-not-accepted = Cette valeur ne peut pas être utilisée ici. Veuillez en saisir une autre.

## Connexion

log-in = Se connecter
log-in-lead = pour continuer vers { $client }
or-with = ou avec
new-here = Première visite ?
create-account = Créer un compte
enter-password = Saisissez votre mot de passe
logging-in-as = Vous vous connectez en tant que
change-who = Modifier
change-who-more = l’adresse e-mail
forgot-password = Mot de passe oublié ?
log-in-again-lead = L’étape suivante est importante : veuillez confirmer une nouvelle fois que c’est bien vous.
use-passkey = Se connecter avec une clé d’accès
change-email = Changer d’adresse e-mail
change-email-lead = Nous envoyons un lien à la nouvelle adresse. Tant que vous ne le suivez pas, vous vous connectez avec
change-email-send = Envoyer le lien
new-email = Nouvelle adresse e-mail
second-factor-title = Confirmez votre identité
second-factor-aside = Votre application n’est pas à portée de main ? Saisissez l’un des codes de secours que vous avez conservés.

## Entreprises

choose-company = Pour qui achetez-vous ?
choose-company-lead = Les produits, les prix et les commandes suivent votre choix. Vous pourrez en changer plus tard.
company-legend = Entreprise
chosen-last = la dernière fois
chosen-now = actuellement
no-companies = Aucune entreprise ne vous a encore désigné comme acheteur.
search-companies = { $count ->
    [one] Rechercher parmi { $count } entreprise
   *[other] Rechercher parmi { $count } entreprises
}

## Consentement

consent-title = Autoriser l’accès ?
consent-lead = { $client } souhaite accéder à votre compte.
consent-who = Compte
consent-company = Entreprise
consent-host = Mène à
consent-scopes = { $client } pourra :
consent-aside = N’autorisez que si vous faites confiance à { $client }. Vous pouvez mettre fin à cet accès à tout moment, dans votre compte, sous « Sessions ».
allow = Autoriser
deny = Refuser
scope-openid = vous reconnaître à votre retour
scope-profile = voir votre nom
scope-email = voir votre adresse e-mail
scope-address = voir vos adresses postales
scope-phone = voir votre numéro de téléphone
scope-offline-access = rester connecté en votre absence
scope-legal-entity = voir pour quelle entreprise vous agissez, et votre rôle
scope-other = utiliser « { $name } »

## Appareils

device-title = Connecter un appareil
device-lead = Votre appareil affiche un code. Saisissez-le ici pour connecter l’appareil.
device-code = Code affiché sur l’appareil
device-code-hint = En majuscules ou en minuscules, avec ou sans tiret : les deux conviennent.
device-consent-title = Connecter cet appareil ?
device-warning = Ne continuez que si vous avez l’appareil devant vous et qu’il affiche exactement ce code. Le service d’assistance ne vous le demandera jamais.
device-allowed-title = L’appareil est connecté
device-allowed-text = Vous pouvez fermer cette page et continuer sur votre appareil.
device-denied-title = L’appareil n’est pas connecté
device-denied-text = Rien n’a été transmis. Vous pouvez fermer cette page.

## Déconnexion

log-out = Se déconnecter
log-out-title = Se déconnecter ?
log-out-client = { $client } demande à vous déconnecter ici et dans toutes les boutiques où vous avez utilisé cette connexion.
log-out-lead = Vous serez déconnecté ici et dans toutes les boutiques où vous avez utilisé cette connexion.
stay = Rester connecté
logged-out-title = Vous êtes déconnecté
logged-out-text = Merci de votre visite.
logged-out-aside = Sur un ordinateur partagé, fermez aussi le navigateur.

## Rejoindre et retrouver l’accès

create-account-title = Créer un compte
have-account = Vous avez déjà un compte ?
mail-sent-title = Consultez votre messagerie
sign-up-sent-text = Nous avons envoyé un message à { $username }. Ouvrez le lien qu’il contient pour continuer.
reset-sent-text = Si { $username } correspond à un compte, un message contenant un lien pour un nouveau mot de passe est en route.
mail-sent-aside = Rien après quelques minutes ? Regardez dans le dossier des indésirables, ou vérifiez que l’adresse ne contient pas de faute de frappe.
forgotten-title = Mot de passe oublié ?
forgotten-lead = Saisissez votre adresse e-mail et nous vous enverrons un lien pour choisir un nouveau mot de passe.
send-mail = Envoyer le lien
back-to-login = Retour à la connexion
reset-title = Choisissez un nouveau mot de passe
reset-lead = Vous serez ensuite déconnecté partout ailleurs.
set-password = Définir le mot de passe
invitation-title = Invitation
invitation-company = Vous êtes invité à acheter pour { $company }.
invitation-by = { $person } vous a invité.
invitation-lead = Choisissez un mot de passe, et tout est prêt.
invitation-accept-as = Vous êtes connecté en tant que { $person }.
invitation-accept = Accepter l’invitation
invitation-log-in = { $username } a déjà un compte ici. Connectez-vous avec ce compte pour accepter.
invitation-other = Cette invitation est pour { $username }, et vous êtes connecté en tant que { $person }. Déconnectez-vous ici, puis ouvrez à nouveau le lien du message.
joined-title = Bienvenue
joined-text = Votre compte est prêt. Connectez-vous avec ce compte pour acheter pour { $company }.
password-set-title = Votre mot de passe est défini
password-set-text = Vous pouvez maintenant l’utiliser pour vous connecter.
email-verified-title = Votre adresse e-mail est confirmée
email-verified-text = Merci. Vous pouvez maintenant vous connecter.
confirm-account-title = Confirmer votre compte
confirm-account-text = Un clic, et votre compte est prêt.
confirm-account = Confirmer le compte
confirm-email-title = Confirmer votre adresse e-mail
confirm-email-text = Vous vous connecterez ensuite avec cette adresse.
confirm-email = Confirmer l’adresse

## Erreurs

error-support = Si vous avez besoin d’aide, communiquez ce code à l’assistance :
error-not-found-title = Cette page n’existe pas
error-not-found-text = Vérifiez l’adresse ou revenez à la page précédente.
error-bad-client-request-title = La boutique a fait une erreur
error-bad-client-request-text = Elle vous a envoyé ici avec une demande à laquelle nous ne pouvons pas répondre. Retournez à la boutique et réessayez ; si cela se reproduit, prévenez la boutique.
error-flow-over-title = Cette connexion a pris fin
error-flow-over-text = Elle a duré trop longtemps ou était déjà terminée, peut-être dans un autre onglet. Veuillez recommencer.
error-other-browser-title = Continuez là où vous avez commencé
error-other-browser-text = Cette connexion a été commencée dans un autre navigateur, ou le vôtre ne conserve pas nos cookies. Autorisez les cookies pour ce site et recommencez.
error-form-expired-title = Ce formulaire est trop ancien
error-form-expired-text = Pour vous protéger, rien n’a été exécuté. Revenez en arrière, rechargez la page et recommencez la dernière étape.
error-link-over-title = Ce lien ne fonctionne plus
error-link-over-text = Chaque lien ne fonctionne qu’une fois et pour une durée limitée. Veuillez en demander un nouveau.
error-forbidden-title = Vous n’avez pas ce droit
error-forbidden-text = Vos droits ne le permettent pas. En cas de besoin, adressez-vous à un administrateur de votre entreprise.
error-account-closed-title = Votre compte est suspendu
error-account-closed-text = Vous ne pouvez pas vous connecter pour le moment. Adressez-vous à l’administrateur de votre entreprise ou à la boutique.
error-too-many-attempts-title = Trop de tentatives
error-too-many-attempts-text = Pour protéger votre compte, patientez quelques minutes avant de réessayer.
error-unavailable-title = Un problème est survenu de notre côté
error-unavailable-text = Vous n’y êtes pour rien, et rien n’a été modifié. Veuillez réessayer dans un instant.

## Compte

account = Compte
profile = Profil
security = Mot de passe et sécurité
sessions = Sessions
companies = Entreprises
members = Personnes
activity = Activité
verified = confirmée
not-verified = non confirmée
change-password = Changer le mot de passe
change-password-lead = Vous resterez connecté ici et serez déconnecté partout ailleurs.
password-changed-on = Dernière modification le
sessions-lead = Tous les endroits où vous êtes connecté en ce moment. Mettez fin à ce que vous ne reconnaissez pas, et changez votre mot de passe.
device = { $browser } sur { $system }
unknown-device = Appareil inconnu
this-device = cet appareil
session-seen = dernière utilisation :
session-started = depuis le
end-session = Mettre fin
end-others = Mettre fin à toutes les autres sessions
companies-lead = Les entreprises pour lesquelles vous pouvez acheter. Votre choix vaut pour ce navigateur ; vos autres appareils gardent le leur.
companies-locked = Cette connexion agit pour une seule entreprise et aucune autre.
switch-company = Agir pour celle-ci
since = depuis le
remove = Supprimer …
remove-for-good = Supprimer définitivement
added-on = ajoutée le
last-used-on = dernière utilisation le
passkeys = Clés d’accès
passkeys-lead = Connectez-vous avec votre empreinte digitale, votre visage ou le code PIN de votre appareil. Une clé d’accès ne se devine pas, et personne ne peut vous la soutirer.
passkey-name = Nom
passkey-name-hint = Pour la reconnaître plus tard, par exemple « Portable du bureau ».
add-passkey = Ajouter une clé d’accès
add-passkey-lead = Votre navigateur demande où conserver la clé d’accès : sur cet appareil, sur votre téléphone ou sur une clé de sécurité.
passkey-needs-script = Les clés d’accès ont besoin de JavaScript, désactivé dans votre navigateur.
remove-passkey-sure = Vous ne pourrez plus l’utiliser pour vous connecter.
totp = Application d’authentification
totp-lead = Après le mot de passe, nous demandons un code affiché par une application sur votre téléphone.
totp-is-on = activée
not-set-up = non configuré
totp-set-up = Configurer une application d’authentification
totp-turn-on = Activer
totp-turn-off = Désactiver …
totp-turn-off-for-good = Désactiver définitivement
totp-off-sure = Votre mot de passe seul suffira pour vous connecter.
totp-step-scan = Scannez ce code avec votre application d’authentification.
totp-qr-label = Code QR pour votre application d’authentification ; la clé ci-dessous contient la même information
totp-type-in = Ou saisissez cette clé dans l’application :
totp-step-code = Saisissez le code que l’application affiche maintenant.
totp-code-hint = 6 chiffres ; un nouveau code apparaît toutes les 30 secondes.
recovery-codes = Codes de secours
recovery-codes-left = { $count ->
    [0] Vous n’avez plus de codes de secours. Créez-en de nouveaux pour ne pas rester bloqué si vous perdez votre téléphone.
    [one] Il vous reste { $count } code de secours, pour le jour où vous perdrez votre téléphone.
   *[other] Il vous reste { $count } codes de secours, pour le jour où vous perdrez votre téléphone.
}
recovery-codes-renew = Créer de nouveaux codes de secours
recovery-codes-lead = Chacun de ces codes vous ouvre l’accès une fois, quand votre application n’est pas à portée de main. Imprimez-les ou rangez-les dans votre gestionnaire de mots de passe.
recovery-codes-once = Ils ne seront plus affichés. Les codes précédents ne fonctionnent plus.
recovery-codes-kept = Je les ai conservés

## Ce qui vient d’être fait

notice-profile-saved = Votre profil est enregistré.
notice-password-changed = Votre mot de passe est changé. Vous êtes déconnecté partout ailleurs.
notice-email-asked = Si l’adresse peut être utilisée, un message avec un lien y est en route.
notice-session-ended = La session est terminée.
notice-others-ended = Toutes les autres sessions sont terminées.
notice-company-switched = Vous agissez maintenant pour une autre entreprise.
notice-passkey-added = La clé d’accès est ajoutée.
notice-passkey-removed = La clé d’accès est supprimée.
notice-totp-on = Désormais, nous demandons un code de votre application.
notice-totp-off = Nous ne demandons plus de code.
notice-role-changed = Le rôle est modifié. Le changement prend effet en quelques secondes.
notice-member-removed = L’accès est terminé. Le changement prend effet en quelques secondes.
notice-invitation-sent = L’invitation est en route.
notice-invitation-withdrawn = L’invitation est retirée. Son lien ne fonctionne plus.
notice-invitation-accepted = Vous avez accepté l’invitation et agissez maintenant pour l’entreprise.

## Entreprise

members-lead = Toutes les personnes qui peuvent agir pour votre entreprise.
search-members = Rechercher par nom ou adresse e-mail
invite = Inviter un collègue
invite-lead = Votre collègue reçoit un message contenant un lien. S’il a déjà un compte, il le garde.
send-invitation = Envoyer l’invitation
open-invitations = Invitations en attente
invitation-ends = valable jusqu’au
withdraw-invitation = Retirer
no-role = Aucun rôle
status-invited = invitation envoyée
status-on-hold = accès suspendu
role-of = Rôle de { $name }
end-access = Mettre fin à l’accès …
end-access-sure = { $name } sera immédiatement déconnecté de cette entreprise et ne pourra plus agir pour elle.
end-access-for-good = Mettre fin à l’accès maintenant
activity-lead = Qui a fait quoi pour votre entreprise, du plus récent au plus ancien.
activity-empty = Il ne s’est encore rien passé.
older = Entrées plus anciennes
refused = refusé

verb-customer-log-in = s’est connecté
verb-customer-log-out = s’est déconnecté
verb-customer-create = a créé un compte
verb-customer-update = a modifié un profil
verb-customer-change-password = a changé de mot de passe
verb-customer-change-email = a changé d’adresse e-mail
verb-customer-reset-password = a défini un nouveau mot de passe
verb-assignment-create = a donné un accès
verb-assignment-update = a modifié un accès
verb-assignment-delete = a mis fin à un accès
verb-legal-entity-create = a créé une entreprise
verb-legal-entity-update = a modifié l’entreprise
verb-legal-entity-delete = a supprimé une entreprise
verb-join-request-create = souhaite rejoindre l’entreprise
verb-group-add-member = a attribué un rôle
verb-group-remove-member = a retiré un rôle
verb-session-end = a mis fin à une session
verb-assignment-change-role = a changé un rôle
verb-invitation-create = a invité quelqu’un
verb-invitation-withdraw = a retiré une invitation
verb-invitation-accept = a accepté une invitation
verb-customer-switch-company = agit pour l’entreprise
verb-customer-redeem-code = s’est connecté pour l’entreprise
verb-customer-redeem-device-code = a connecté un appareil pour l’entreprise
verb-customer-exchange-token = a laissé une application agir pour l’entreprise
verb-session-choose-entity = a choisi l’entreprise
verb-family-reuse-detected = un jeton copié a été refusé

## La boîte aux lettres de la démo

mail-folder-title = E-mails
mail-folder-lead = Cette démo n’envoie aucun e-mail. Ce qu’elle aurait envoyé se trouve ici.
mail-folder-empty = Pas encore d’e-mail.
mail-to = À { $to }
