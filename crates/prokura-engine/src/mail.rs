//! Mails: what they say, and the ways they leave by. Links in them are built from the tenant's settings, never from
//! what a request brought along (S-99).

mod change;
mod letter;
mod words;

pub(crate) use change::Change;
pub(crate) use letter::{Letter, Way, compose};
pub(crate) use words::{Language, Topic};

use crate::{one_time_link::Purpose, outbox::Undone};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor, message::Mailbox};
use prokura_jose::Secret;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long one mail may take to leave by SMTP.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);

/// The way mails leave.
#[derive(Clone, Debug)]
pub enum MailTransport {
    /// Each mail becomes a file `ID.eml` in this folder, for development and for a sender of one's own.
    Folder(PathBuf),
    /// They are sent.
    Smtp {
        /// `smtp://user:password@host:587?tls=required` or `smtps://…`.
        url: Secret,
    },
    /// They stay in the outbox until another node sends them or they grow old.
    Nowhere,
}

/// What sends.
pub(crate) enum Mailer {
    Folder(PathBuf),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Nowhere,
}

impl Mailer {
    pub(crate) fn new(transport: MailTransport) -> Result<Self, lettre::transport::smtp::Error> {
        Ok(match transport {
            MailTransport::Folder(folder) => Self::Folder(folder),
            MailTransport::Smtp { url } => Self::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())?.timeout(Some(SMTP_TIMEOUT)).build(),
            ),
            MailTransport::Nowhere => Self::Nowhere,
        })
    }

    pub(crate) fn is_nowhere(&self) -> bool {
        matches!(self, Self::Nowhere)
    }

    /// Sends `message`, known as `id`. Sending it twice leaves one file.
    pub(crate) async fn send(&self, id: &str, message: Message) -> Result<(), Undone> {
        match self {
            Self::Nowhere => Err(Undone::ForNow("there is no way for mails to leave".to_owned())),
            Self::Smtp(transport) => match transport.send(message).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    let status = error.status().map_or_else(String::new, |code| format!(" {code}"));
                    if error.is_permanent() {
                        Err(Undone::Forever(format!("the mail server refused it{status}")))
                    } else {
                        Err(Undone::ForNow(format!("the mail server could not be talked to{status}")))
                    }
                }
            },
            Self::Folder(folder) => {
                let (folder, name, bytes) = (folder.clone(), format!("{id}.eml"), message.formatted());
                let written = tokio::task::spawn_blocking(move || write_file(&folder, &name, &bytes)).await;
                match written {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(Undone::ForNow(format!("the file could not be written: {error}"))),
                    Err(_) => Err(Undone::ForNow("the file could not be written".to_owned())),
                }
            }
        }
    }
}

/// Writes beside and renames, so that nobody reads half a mail; only the owner may read it, for it may open an account.
fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(folder)?;
    let beside = folder.join(format!(".{name}.new"));
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, folder.join(name))
}

/// Whether a sender can be written into a mail.
pub(crate) fn is_sender(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// The link: what the tenant's settings begin it with, and the token. `{purpose}` in it becomes the purpose. Without a
/// beginning it leads to a page below the issuer.
pub(crate) fn address_of(issuer: &str, prefix: &str, purpose: Purpose, link: &Secret) -> String {
    if prefix.is_empty() {
        return format!("{issuer}/{}?token={}", purpose.page(), link.expose());
    }
    format!("{}{}", prefix.replace("{purpose}", purpose.as_str()), link.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_as_the_tenant_says() {
        let link = Secret::from("t".to_owned());
        for (prefix, expected) in [
            ("", "https://id.example/t/acme/password/reset?token=t"),
            ("https://shop.example/reset?token=", "https://shop.example/reset?token=t"),
            ("https://shop.example/{purpose}/", "https://shop.example/password_reset/t"),
        ] {
            assert_eq!(address_of("https://id.example/t/acme", prefix, Purpose::PasswordReset, &link), expected);
        }
    }

    fn message() -> Message {
        Message::builder()
            .from("a@a.example".parse().unwrap())
            .to("b@b.example".parse().unwrap())
            .date(std::time::UNIX_EPOCH)
            .body("text".to_owned())
            .unwrap()
    }

    /// A mail server for one conversation: it answers `MAIL` with `verdict` and returns what it was told.
    async fn mail_server(verdict: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let conversation = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.into_split();
            let (mut lines, mut told) = (BufReader::new(reader).lines(), String::new());
            writer.write_all(b"220 ready\r\n").await.unwrap();
            let mut is_data = false;
            while let Ok(Some(line)) = lines.next_line().await {
                told.push_str(&line);
                told.push('\n');
                let answer = match line.as_str() {
                    "." => {
                        is_data = false;
                        "250 taken"
                    }
                    _ if is_data => continue,
                    "DATA" => {
                        is_data = true;
                        "354 go on"
                    }
                    "QUIT" => "221 bye",
                    line if line.starts_with("MAIL") => verdict,
                    _ => "250 fine",
                };
                if writer.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || told.contains("\n.\n") {
                    break;
                }
            }
            told
        });
        (url, conversation)
    }

    #[tokio::test]
    async fn a_mail_is_handed_to_a_mail_server() {
        let (url, conversation) = mail_server("250 fine").await;
        let mailer = Mailer::new(MailTransport::Smtp { url: Secret::from(url) }).unwrap();
        mailer.send("one", message()).await.unwrap();
        drop(mailer);
        let told = conversation.await.unwrap();
        assert!(told.contains("RCPT TO:<b@b.example>") && told.contains("\ntext\n"), "{told}");
    }

    #[tokio::test]
    async fn a_refused_mail_is_given_up_and_an_unheard_one_is_not() {
        for (verdict, is_forever) in [("550 5.7.1 b@b.example is unknown", true), ("451 4.3.0 later", false)] {
            let (url, _conversation) = mail_server(verdict).await;
            let mailer = Mailer::new(MailTransport::Smtp { url: Secret::from(url) }).unwrap();
            let fault = mailer.send("one", message()).await.unwrap_err();
            assert_eq!(matches!(fault, Undone::Forever(_)), is_forever, "{fault}");
            assert!(!fault.to_string().contains("b.example"), "{fault}");
        }
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mailer = Mailer::new(MailTransport::Smtp { url: Secret::from(format!("smtp://{closed}")) }).unwrap();
        let fault = mailer.send("one", message()).await.unwrap_err();
        assert!(matches!(fault, Undone::ForNow(_)), "{fault}");
        assert!(Mailer::new(MailTransport::Smtp { url: Secret::from("http://mail.example".to_owned()) }).is_err());
    }

    #[tokio::test]
    async fn a_mail_is_a_file_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("mail");
        let mailer = Mailer::new(MailTransport::Folder(inside.clone())).unwrap();
        let message = message();
        for _ in 0..2 {
            mailer.send("one", message.clone()).await.unwrap();
        }
        let names: Vec<_> = std::fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["one.eml"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(inside.join("one.eml")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
