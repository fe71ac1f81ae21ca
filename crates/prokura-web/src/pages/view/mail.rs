//! The mail folder of the demo: mails that were written to a folder instead of being sent.

use super::shown_by;
use prokura_domain::Timestamp;

/// The mails of the demo, the newest first.
#[derive(Clone, Debug, Default)]
pub struct MailFolder {
    /// The mails.
    pub mails: Vec<MailView>,
}

/// A mail.
#[derive(Clone, Debug)]
pub struct MailView {
    /// When it was written.
    pub at: Timestamp,
    /// To whom.
    pub to: String,
    /// About what.
    pub subject: String,
    /// The plain text.
    pub text: String,
}

/// A part of a mail's text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Address(&'a str),
}

impl MailView {
    /// The text with its web addresses apart, to be followed with a click.
    fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(begin) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
            let (before, from_here) = rest.split_at(begin);
            let end =
                from_here.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(from_here.len());
            let end = from_here.get(..end).map_or(end, |address| address.trim_end_matches(['.', ',', ')', ';']).len());
            let (address, after) = from_here.split_at(end);
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            pieces.push(Piece::Address(address));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        pieces
    }
}

shown_by! { MailFolder "mail_folder.html" }

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Address, Text};

    #[test]
    fn addresses_in_a_mail_can_be_followed_and_the_full_stop_is_not_part_of_them() {
        let mail = |text: &str| MailView {
            at: Timestamp::from_millis(0),
            to: String::new(),
            subject: String::new(),
            text: text.to_owned(),
        };
        assert_eq!(
            mail("Open https://id.example/t/x?a=b. Or (http://y/z) now").pieces(),
            [
                Text("Open "),
                Address("https://id.example/t/x?a=b"),
                Text(". Or ("),
                Address("http://y/z"),
                Text(") now")
            ]
        );
        assert_eq!(mail("javascript:alert(1)").pieces(), [Text("javascript:alert(1)")]);
        assert_eq!(mail("").pieces(), []);
    }
}
