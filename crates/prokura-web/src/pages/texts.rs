//! What pages say, from `locales/*.ftl`. A key is known in all three languages; a test holds the templates to it.

use super::language::Language;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::tz::TimeZone;
use prokura_domain::Timestamp;
use std::sync::LazyLock;
use unic_langid::LanguageIdentifier;

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::English));
static GERMAN: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::German));
static FRENCH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::French));

/// The text file of a language.
pub(super) const fn source(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("../../locales/en.ftl"),
        Language::German => include_str!("../../locales/de.ftl"),
        Language::French => include_str!("../../locales/fr.ftl"),
    }
}

fn bundle(language: Language) -> Bundle {
    let tag: LanguageIdentifier = language.tag().parse().expect("our tags are well-formed");
    let resource = FluentResource::try_new(source(language).to_owned())
        .unwrap_or_else(|(_, errors)| panic!("the texts in {language:?} are well-formed: {errors:?}"));
    let mut bundle = Bundle::new_concurrent(vec![tag]);
    // Our languages all run from left to right, and whoever copies an address from a page wants no invisible marks in it.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).expect("no key is there twice");
    bundle
}

/// The texts of one language, as templates ask for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts(Language);

impl Texts {
    /// The texts of `language`.
    pub(super) const fn of(language: Language) -> Self {
        Self(language)
    }

    fn bundle(self) -> &'static Bundle {
        match self.0 {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
            Language::French => &FRENCH,
        }
    }

    /// The text, when there is one under this key.
    pub(super) fn find(self, key: &str) -> Option<String> {
        let bundle = self.bundle();
        let pattern = bundle.get_message(key)?.value()?;
        Some(bundle.format_pattern(pattern, None, &mut Vec::new()).into_owned())
    }

    /// A text without anything to fill in.
    pub(super) fn text(self, key: &str) -> String {
        self.fill(key, &FluentArgs::new())
    }

    /// A text with one thing to fill in.
    pub(super) fn with(self, key: &str, name: &str, value: impl AsRef<str>) -> String {
        let mut args = FluentArgs::new();
        args.set(name.to_owned(), FluentValue::from(value.as_ref().to_owned()));
        self.fill(key, &args)
    }

    /// A text with two things to fill in, each with its name.
    pub(super) fn with_two(self, key: &str, one: (&'static str, &str), other: (&'static str, &str)) -> String {
        let mut args = FluentArgs::new();
        args.set(one.0, one.1.to_owned());
        args.set(other.0, other.1.to_owned());
        self.fill(key, &args)
    }

    /// A text with a number (`$count`), in the plural form it asks for.
    pub(super) fn count(self, key: &str, count: &u32) -> String {
        let mut args = FluentArgs::new();
        args.set("count", *count);
        self.fill(key, &args)
    }

    /// A text with a page number (`$page`) and how many there are (`$last`).
    pub(super) fn page_of(self, key: &str, page: &u32, last: &u32) -> String {
        let mut args = FluentArgs::new();
        args.set("page", *page);
        args.set("last", *last);
        self.fill(key, &args)
    }

    /// The day of a moment, written out (UTC).
    pub(super) fn day(self, moment: &Timestamp) -> String {
        self.dated("day", *moment)
    }

    /// A moment to the minute, written out (UTC).
    pub(super) fn moment(self, moment: &Timestamp) -> String {
        self.dated("moment", *moment)
    }

    /// A moment as machines read it (ISO 8601).
    #[expect(clippy::unused_self, reason = "templates reach it through the texts")]
    pub(super) fn iso(self, moment: &Timestamp) -> String {
        jiff::Timestamp::from_second(moment.seconds()).map(|moment| moment.to_string()).unwrap_or_default()
    }

    fn dated(self, key: &str, moment: Timestamp) -> String {
        let Ok(moment) = jiff::Timestamp::from_second(moment.seconds()) else { return String::new() };
        let moment = moment.to_zoned(TimeZone::UTC);
        let mut args = FluentArgs::new();
        // As texts: a number would be grouped, and a year is not 2,026.
        args.set("year", moment.year().to_string());
        args.set("day", moment.day().to_string());
        args.set("month", self.text(&format!("month-{}", moment.month())));
        args.set("time", format!("{:02}:{:02}", moment.hour(), moment.minute()));
        self.fill(key, &args)
    }

    fn fill(self, key: &str, args: &FluentArgs<'_>) -> String {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            debug_assert!(false, "there is no text `{key}`");
            tracing::error!(key, language = self.0.tag(), "a text is missing");
            return key.to_owned();
        };
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(args), &mut errors).into_owned();
        debug_assert!(errors.is_empty(), "`{key}`: {errors:?}");
        text
    }
}
