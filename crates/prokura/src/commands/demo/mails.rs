//! The demo sends no mail: it writes each one to a folder, and this page shows them, so that a link in one can be followed.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
    routing::get,
};
use mail_parser::{Message, MessageParser};
use prokura_domain::Timestamp;
use prokura_web::pages::{
    assets,
    language::{self, Language},
    view::{self, Chrome, MailFolder, MailView},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the page is, behind the gateway.
pub(super) const PATH: &str = "/mails";
/// The most mails that are shown.
const MOST: usize = 50;
/// The longest mail that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The page, and the files it refers to.
pub(super) fn router(folder: PathBuf) -> Router {
    Router::new().route(PATH, get(show)).with_state(folder).merge(assets::routes())
}

/// What is behind the gateway for this page: the page and its files.
pub(super) fn paths() -> Vec<&'static str> {
    std::iter::once(PATH).chain(assets::files().into_iter().map(|(path, _)| path)).collect()
}

async fn show(State(folder): State<PathBuf>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language: Language = language::wanted(&[], accepted).unwrap_or_default();
    let chrome = Chrome { tenant_name: "Prokura".to_owned(), language, ..Chrome::default() };
    let read = tokio::task::spawn_blocking(move || mails(&folder)).await;
    if let Ok(Ok(mails)) = read {
        return view::render(StatusCode::OK, &chrome, &MailFolder { mails });
    }
    let page = view::ErrorPage { kind: view::ErrorKind::Unavailable, link: None };
    view::render(StatusCode::SERVICE_UNAVAILABLE, &chrome, &page)
}

/// The newest mails in the folder, newest first. Their names are their ids, which are in the order of time.
fn mails(folder: &Path) -> io::Result<Vec<MailView>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .filter(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')))
        .collect();
    paths.sort_unstable_by(|one, other| other.cmp(one));
    let mut found = Vec::new();
    for path in paths.into_iter().take(MOST) {
        if fs::metadata(&path)?.len() <= LONGEST {
            found.extend(MessageParser::default().parse(&fs::read(&path)?).as_ref().map(view_of));
        }
    }
    Ok(found)
}

fn view_of(mail: &Message<'_>) -> MailView {
    let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address());
    MailView {
        at: Timestamp::from_millis(mail.date().map_or(0, |date| date.to_timestamp() * 1000)),
        to: to.unwrap_or_default().to_owned(),
        subject: mail.subject().unwrap_or_default().to_owned(),
        text: mail.body_text(0).unwrap_or_default().trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_are_read_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let mail = |subject: &str, text: &str| {
            format!(
                "From: a@a.example\r\nTo: b@b.example\r\nSubject: {subject}\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
                 MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"x\"\r\n\r\n--x\r\n\
                 Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{text}\r\n\
                 --x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>x</p>\r\n--x--\r\n"
            )
        };
        write("01.eml", &mail("=?utf-8?b?w4RsdGVy?=", "f=C3=BCr S=\r\nie: https://id.example/?token=3Dx"));
        write("02.eml", &mail("newer", "text"));
        write(".03.eml.new", &mail("unfinished", "text"));
        write("notes.txt", "no mail");
        let found = mails(folder.path()).unwrap();
        assert_eq!(found.iter().map(|mail| &*mail.subject).collect::<Vec<_>>(), ["newer", "Älter"]);
        assert_eq!((&*found[1].to, &*found[1].text), ("b@b.example", "für Sie: https://id.example/?token=x"));
        assert_eq!(found[1].at.seconds(), 1_767_225_600);
        assert!(mails(&folder.path().join("nowhere")).unwrap().is_empty());
    }
}
