//! Which language a page speaks: what the client asked for (`ui_locales`) comes before what the browser asks for.

/// A language the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, and whatever is not one of the others.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
}

impl Language {
    /// Every language, the default first.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::French];

    /// The BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
        }
    }

    /// What the language calls itself.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
        }
    }

    /// The language of a tag such as `de-CH`; the region does not matter. `None` for a language we do not speak.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

/// The language to speak: the first of `ui_locales` (OpenID Connect Core section 3.1.2.1, most wanted first) that we
/// speak, else the best of an `Accept-Language` header (RFC 9110 section 12.5.4), else `None`, for the tenant to decide.
pub fn wanted(ui_locales: &[&str], accept_language: Option<&str>) -> Option<Language> {
    ui_locales.iter().find_map(|tag| Language::of_tag(tag)).or_else(|| accept_language.and_then(best_accepted))
}

/// As [`wanted`], and English when nothing was asked for that we speak.
pub fn language(ui_locales: &[&str], accept_language: Option<&str>) -> Language {
    wanted(ui_locales, accept_language).unwrap_or_default()
}

/// The accepted language with the highest weight; of equals the first.
fn best_accepted(header: &str) -> Option<Language> {
    let mut best: Option<(u16, Language)> = None;
    for range in header.split(',').take(32) {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1000), thousandths);
        let language = if tag == "*" { Some(Language::default()) } else { Language::of_tag(tag) };
        let (Some(language), Some(weight)) = (language, weight) else { continue };
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// A weight such as `0.8`, in thousandths; `None` when it is none.
fn thousandths(weight: &str) -> Option<u16> {
    let weight: f32 = weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
    Some((weight * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_asked_before_the_browser_and_regions_do_not_matter() {
        use Language::{English, French, German};
        for (ui_locales, accept, expected) in [
            (&["fr-CA"][..], Some("de"), French),
            (&["it", "de"], Some("fr"), German),
            (&["it"], Some("fr"), French),
            (&[], Some("de-CH, fr;q=0.9"), German),
            (&[], Some("de;q=0.3, fr;q=0.9, en;q=0.5"), French),
            (&[], Some("de;q=0, *"), English),
            (&[], Some("fr;q=2, de;q=0.1"), German),
            (&[], Some("it, es;q=0.5"), English),
            (&[], Some("DE_de"), German),
            (&[], Some(",;q=;, "), English),
            (&[], None, English),
        ] {
            assert_eq!(language(ui_locales, accept), expected, "{ui_locales:?} {accept:?}");
        }
    }

    #[test]
    fn a_language_nobody_speaks_is_left_to_the_tenant() {
        assert_eq!(wanted(&["it"], Some("es")), None);
    }
}
