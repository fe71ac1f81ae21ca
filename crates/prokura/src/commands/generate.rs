//! What is generated from the code and committed: the commands, the annotated configuration, the tables, the API.

use crate::cli::{Cli, Generated};
use clap::{Arg, Command, CommandFactory as _};
use std::fmt::Write as _;

/// The text of one generated file.
pub(super) fn generate(what: Generated) -> String {
    match what {
        Generated::Openapi => prokura_web::openapi().trim_end().to_owned(),
        Generated::Cli => cli(),
        Generated::Config => include_str!("reference.toml").trim_end().to_owned(),
        Generated::Schema => format!(
            "# Schema\n\nGenerated from the migrations. Columns are TEXT or BIGINT; moments are Unix milliseconds.\n\n```sql\n{}\n```",
            prokura_engine::schema().trim_end()
        ),
    }
}

/// The page of the commands, made of what `--help` is made of.
fn cli() -> String {
    let mut program = Cli::command();
    program.build();
    let mut page = "# Commands\n\nGenerated from the program; `prokura COMMAND --help` says the same. The exit status is 0 when a command did \
                    what it should, 1 when it could\nnot, and 2 for a command line that is not understood; others stand \
                    with their command.\n\n## Every command\n"
        .to_owned();
    arguments(&mut page, program.get_arguments().filter(|argument| argument.is_global_set()));
    for command in program.get_subcommands() {
        describe(&mut page, command, &format!("prokura {}", command.get_name()));
    }
    page.trim_end().to_owned()
}

/// One command, and those below it. What is hidden, and help about help, is left out.
fn describe(page: &mut String, command: &Command, name: &str) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let level = if command.has_subcommands() || name.matches(' ').count() < 2 { "##" } else { "###" };
    let _ = writeln!(page, "\n{level} `{name}`\n\n{}", sentence(&about));
    arguments(page, command.get_arguments().filter(|argument| !argument.is_global_set()));
    for below in command.get_subcommands() {
        describe(page, below, &format!("{name} {}", below.get_name()));
    }
}

fn arguments<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let mut shown = arguments
        .filter(|argument| !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str()))
        .peekable();
    if shown.peek().is_none() {
        return;
    }
    page.push_str("\n| Argument | Meaning |\n|---|---|\n");
    for argument in shown {
        let about = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let mut meaning = sentence(&about);
        let words: Vec<_> =
            argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if !words.is_empty() && argument.get_action().takes_values() {
            let _ = write!(meaning, " One of {}.", words.join(", "));
        }
        let values: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !values.is_empty() && argument.get_action().takes_values() {
            let _ = write!(meaning, " Default: `{}`.", values.join(" "));
        }
        if let Some(variable) = argument.get_env() {
            let _ = write!(meaning, " Variable: `{}`.", variable.to_string_lossy());
        }
        if argument.is_required_set() {
            meaning.push_str(" Required.");
        }
        let _ = writeln!(page, "| `{}` | {} |", spelled(argument), meaning.replace('|', "\\|").replace('\n', " "));
    }
}

/// As it is typed: `--flag`, `--option VALUE`, `VALUE`.
fn spelled(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let value = names.iter().map(clap::builder::Str::as_str).collect::<Vec<_>>().join(" ");
    match (argument.get_long(), argument.get_action().takes_values()) {
        (Some(long), true) => format!("--{long} {value}"),
        (Some(long), false) => format!("--{long}"),
        (None, _) => value,
    }
}

/// The parser takes the full stop off a single sentence; a page wants it.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', ':', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_not_hidden_is_on_the_page() {
        let page = cli();
        for name in ["prokura serve", "prokura audit verify", "prokura config check", "prokura client rotate-secret"] {
            assert!(page.contains(&format!("`{name}`")), "{name} is missing:\n{page}");
        }
        assert!(
            page.contains("| `--server URL` | ") && page.contains("Variable: `PROKURA_SERVER`. Required."),
            "{page}"
        );
        assert!(!page.contains("prokura generate") && !page.contains("--help` |"), "{page}");
    }
}
