//! The contrast of every pair of colors that meets, and of what tenants bring.

use super::*;
use std::collections::HashMap;

const STYLES: &str = include_str!("../../../assets/pages.css");

/// What is read on what, in every mode.
const TEXT_PAIRS: &[(&str, &str)] = &[
    ("ink", "ground"),
    ("ink", "surface"),
    ("ink", "quiet"),
    ("ink", "line"),
    ("soft", "ground"),
    ("soft", "surface"),
    ("soft", "quiet"),
    ("accent", "ground"),
    ("accent", "surface"),
    ("on-accent", "accent"),
    ("good-ink", "good"),
    ("warn-ink", "warn"),
    ("bad", "ground"),
    ("bad", "surface"),
    ("on-bad", "bad"),
];

/// What must be seen beside what (WCAG 2.2, 1.4.11).
const SHAPE_PAIRS: &[(&str, &str)] = &[
    ("field", "surface"),
    ("field", "ground"),
    ("focus", "ground"),
    ("focus", "surface"),
    ("accent", "surface"),
    ("bad", "surface"),
];

/// The colors of the light mode and of the dark mode.
fn palettes() -> [HashMap<String, Color>; 2] {
    let (light, rest) = STYLES.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let dark = rest.split_once("\n}").unwrap().0;
    [light, dark].map(|css| {
        let declarations = css.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": "));
        declarations
            .filter_map(|(name, value)| Some((name.to_owned(), value.trim_end_matches(';').parse().ok()?)))
            .collect()
    })
}

#[test]
fn every_text_can_be_read_and_every_control_be_seen_in_light_and_in_dark() {
    for (mode, palette) in ["light", "dark"].iter().zip(palettes()) {
        for (pairs, least) in [(TEXT_PAIRS, LEAST_CONTRAST), (SHAPE_PAIRS, 3.0)] {
            for (front, back) in pairs {
                let contrast = palette[*front].contrast(palette[*back]);
                assert!(contrast >= least, "{mode}: {front} on {back} is {contrast:.2}, not {least}");
            }
        }
    }
}

#[test]
fn white_can_be_read_on_every_tone_of_a_company() {
    let tones: Vec<Color> =
        STYLES.lines().filter_map(|line| line.split_once("{ --tone: ")?.1.split_once(';')?.0.parse().ok()).collect();
    assert_eq!(tones.len(), 7);
    for tone in tones {
        assert!(tone.contrast(Color::WHITE) >= LEAST_CONTRAST, "{tone}");
    }
}

#[test]
fn the_grounds_a_theme_is_checked_against_are_those_of_the_style_sheet() {
    let [light, dark] = palettes();
    assert_eq!(LIGHT_GROUNDS, [light["ground"], light["surface"]]);
    assert_eq!(DARK_GROUNDS, [dark["ground"], dark["surface"]]);
}

#[test]
fn contrast_is_what_the_guidelines_compute() {
    let color = |text: &str| text.parse::<Color>().unwrap();
    assert!((color("#000000").contrast(Color::WHITE) - 21.0).abs() < 0.001);
    assert!((color("#777777").contrast(Color::WHITE) - 4.48).abs() < 0.01);
}

#[test]
fn a_color_nobody_could_read_is_refused() {
    for bad in ["#ffcc00", "#777777", "#ffffff"] {
        assert!(
            matches!(Theme::checked(None, Some(bad), None), Err(ThemeFault::TooLight { contrast }) if contrast < 4.5),
            "{bad}"
        );
    }
    let dark = Theme::checked(None, Some("#0b57a0"), Some("#0b57a0"));
    assert!(matches!(dark, Err(ThemeFault::TooDark { .. })), "{dark:?}");
}

#[test]
fn nothing_but_a_color_is_taken_as_one() {
    for bad in ["red", "#fff", "#12345g", "0b57a0", "#0b57a0;}", "#+1+1+1", "#0b57\u{e9}", "", "url(x)"] {
        assert_eq!(Theme::checked(None, Some(bad), None), Err(ThemeFault::NotAColor), "{bad}");
    }
}

#[test]
fn one_readable_color_is_enough_for_both_modes() {
    for accent in ["#0b57a0", "#000000", "#8a0f3c", "#3b1d8f"] {
        let theme = Theme::checked(None, Some(accent), None).unwrap();
        let (light, dark) = theme.accents.unwrap();
        assert_eq!(light.to_string(), accent);
        assert!(least_contrast(dark, &DARK_GROUNDS) >= LEAST_CONTRAST, "{accent} became {dark}");
        let on_dark: Color = palettes()[1]["on-accent"];
        assert!(on_dark.contrast(dark) >= LEAST_CONTRAST, "{accent} became {dark}");
    }
}

#[test]
fn a_logo_is_a_file_of_this_server() {
    assert!(Theme::checked(Some("/t/acme/logo.svg"), None, None).is_ok());
    for bad in ["https://elsewhere.example/logo.svg", "//elsewhere.example/x", "/\\elsewhere.example", "logo.svg", ""] {
        assert_eq!(Theme::checked(Some(bad), None, None), Err(ThemeFault::LogoElsewhere), "{bad}");
    }
}

#[test]
fn initials_can_be_read_on_every_color() {
    for color in ["#ffcc00", "#0b57a0", "#777777", "#00ff00"] {
        let color: Color = color.parse().unwrap();
        assert!(color.contrast(color.ink()) >= LEAST_CONTRAST, "{color}");
    }
}
