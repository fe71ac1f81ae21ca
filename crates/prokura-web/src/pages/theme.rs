//! How a tenant or a company makes the pages its own: a logo and one color, never free CSS. A color that would make
//! text hard to read is refused when it is saved (WCAG 2.2, 1.4.3), in light and in dark.

use super::assets;
use axum::response::Response;
use prokura_engine::PageSettings;
use std::fmt;
use std::str::FromStr;

/// The least contrast of text (WCAG 2.2, 1.4.3).
pub const LEAST_CONTRAST: f64 = 4.5;

/// What accents are seen against: the page and the cards of `assets/pages.css`, in light and in dark.
const LIGHT_GROUNDS: [Color; 2] = [Color(0xf5, 0xf6, 0xf4), Color(0xff, 0xff, 0xff)];
const DARK_GROUNDS: [Color; 2] = [Color(0x12, 0x17, 0x16), Color(0x1b, 0x22, 0x20)];

/// A color as red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color(u8, u8, u8);

impl Color {
    const WHITE: Self = Self(0xff, 0xff, 0xff);

    /// The contrast of two colors, from 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever is easier to read on this color.
    pub(super) fn ink(self) -> Self {
        let black = Self(0, 0, 0);
        if self.contrast(Self::WHITE) >= self.contrast(black) { Self::WHITE } else { black }
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// One twentieth of the way to white.
    fn lighter(self) -> Self {
        let step = |channel: u8| channel.saturating_add(((255 - channel) / 20).max(1));
        Self(step(self.0), step(self.1), step(self.2))
    }

    /// The same hue, as light as dark mode needs it.
    fn for_dark(mut self) -> Self {
        while self != Self::WHITE && !self.is_readable_on(&DARK_GROUNDS) {
            self = self.lighter();
        }
        self
    }

    fn is_readable_on(self, grounds: &[Self]) -> bool {
        grounds.iter().all(|ground| self.contrast(*ground) >= LEAST_CONTRAST)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl FromStr for Color {
    type Err = ThemeFault;

    /// `#rrggbb`, and nothing else that CSS would understand.
    fn from_str(text: &str) -> Result<Self, ThemeFault> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(ThemeFault::NotAColor)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ThemeFault::NotAColor);
        }
        let channel = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (channel(0), channel(2), channel(4)) {
            (Some(red), Some(green), Some(blue)) => Ok(Self(red, green, blue)),
            _ => Err(ThemeFault::NotAColor),
        }
    }
}

/// Why a theme is not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ThemeFault {
    /// Not of the form `#rrggbb`.
    NotAColor,
    /// The color cannot be read on a light page.
    TooLight {
        /// Its contrast with the page; [`LEAST_CONTRAST`] is needed.
        contrast: f64,
    },
    /// The color for dark mode cannot be read on a dark page.
    TooDark {
        /// Its contrast with the page; [`LEAST_CONTRAST`] is needed.
        contrast: f64,
    },
    /// The logo is not a path of this server.
    LogoElsewhere,
}

/// The looks of a tenant or company.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    logo: Option<String>,
    accents: Option<(Color, Color)>,
}

impl fmt::Display for ThemeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contrast = |f: &mut fmt::Formatter<'_>, mode: &str, contrast: f64| {
            write!(f, "its contrast with a {mode} page is {contrast:.1}; at least {LEAST_CONTRAST} is needed")
        };
        match self {
            Self::NotAColor => f.write_str("a color is written as #rrggbb"),
            Self::TooLight { contrast: found } => contrast(f, "light", *found),
            Self::TooDark { contrast: found } => contrast(f, "dark", *found),
            Self::LogoElsewhere => f.write_str("the logo is a path on this server, as /assets/logo.svg"),
        }
    }
}

impl Theme {
    /// The theme of a tenant's settings.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_settings(settings: &PageSettings) -> Result<Self, ThemeFault> {
        let [logo, accent, accent_dark] = [&settings.logo, &settings.accent, &settings.accent_dark]
            .map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
        Self::checked(logo, accent, accent_dark)
    }

    /// A theme whose colors can be read. `logo` is a path on this server; `accent` colors links and buttons; for dark
    /// mode there may be another one, else it is made from `accent`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn checked(logo: Option<&str>, accent: Option<&str>, accent_dark: Option<&str>) -> Result<Self, ThemeFault> {
        if logo.is_some_and(|logo| !is_own_path(logo)) {
            return Err(ThemeFault::LogoElsewhere);
        }
        let dark = accent_dark.map(Color::from_str).transpose()?;
        let accents = match accent.map(Color::from_str).transpose()? {
            None => None,
            Some(light) => {
                let contrast = least_contrast(light, &LIGHT_GROUNDS);
                if contrast < LEAST_CONTRAST {
                    return Err(ThemeFault::TooLight { contrast });
                }
                let dark = dark.unwrap_or_else(|| light.for_dark());
                let contrast = least_contrast(dark, &DARK_GROUNDS);
                if contrast < LEAST_CONTRAST {
                    return Err(ThemeFault::TooDark { contrast });
                }
                Some((light, dark))
            }
        };
        Ok(Self { logo: logo.map(ToOwned::to_owned), accents })
    }

    /// The path of the logo.
    pub fn logo(&self) -> Option<&str> {
        self.logo.as_deref()
    }

    /// The name of the theme's style sheet below `{base}/theme/`; `None` when it changes no color.
    pub fn file(&self) -> Option<String> {
        self.stylesheet().map(|css| format!("{}.css", assets::fingerprint(css.as_bytes())))
    }

    /// The answer to `GET {base}/theme/{file}`. A name of another version gets the present colors too, uncached.
    pub fn response(&self, file: &str) -> Response {
        let is_current = self.file().is_some_and(|current| current == file);
        assets::answer("text/css; charset=utf-8", self.stylesheet().unwrap_or_default().into(), is_current)
    }

    fn stylesheet(&self) -> Option<String> {
        let (light, dark) = self.accents?;
        Some(format!(":root{{--accent:{light}}}@media (prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}"))
    }
}

fn least_contrast(color: Color, grounds: &[Color]) -> f64 {
    grounds.iter().map(|ground| color.contrast(*ground)).fold(21.0, f64::min)
}

/// An absolute path on this server, and no address of another one in disguise.
fn is_own_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'))
}

#[cfg(test)]
mod tests;
