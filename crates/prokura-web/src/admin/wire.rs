//! What stands in bodies: ids, texts, words and moments, read into the domain's types on the way in, with the schema
//! that says so.

use prokura_domain::{
    AssignmentKind, ClientKind, CompanyKind, CustomerKind, CustomerState, Email, GroupCode, SegmentItemKind,
    SegmentState, Timestamp,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{fmt::Display, str::FromStr};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};

/// An id.
#[derive(Clone, Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A text of `MIN` to `MAX` characters on one line.
#[derive(Clone, Debug)]
pub(super) struct Text<const MIN: usize, const MAX: usize>(pub(super) String);

/// A name people gave.
pub(super) type Name = Text<1, 200>;
/// A short text that may be empty.
pub(super) type Line = Text<0, 200>;

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let count = text.chars().count();
        if count < MIN || count > MAX || text.chars().any(char::is_control) {
            let expected = format!("a text has {MIN} to {MAX} characters, none of them a control character");
            return Err(D::Error::custom(expected));
        }
        Ok(Self(text))
    }
}

/// A word of a closed list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// An e-mail address.
#[derive(Clone, Debug)]
pub(super) struct Address(pub(super) Email);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Email::parse(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// A moment (RFC 3339).
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        moment(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// Reads a moment.
pub(super) fn moment(text: &str) -> Result<Timestamp, &'static str> {
    text.parse::<jiff::Timestamp>()
        .map(|moment| Timestamp::from_millis(moment.as_millisecond()))
        .map_err(|_| "a moment is written as 2026-11-21T09:30:00Z")
}

/// Writes a moment.
pub(super) fn stamp(moment: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(moment.millis()).unwrap_or_default().to_string()
}

/// A field of a change: absent leaves what is there, null takes it away.
#[derive(Clone, Debug, Default)]
pub(super) enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

impl<T> Change<T> {
    /// What stands there after the change.
    pub(super) fn apply<U>(self, field: &mut Option<U>, into: impl FnOnce(T) -> U) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(into(value)),
        }
    }
}

fn text_schema(min: usize, max: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(min)).max_length(Some(max))
}

fn or_null(builder: ObjectBuilder) -> Schema {
    builder.schema_type(SchemaType::Array(vec![Type::String, Type::Null])).into()
}

pub(super) fn id_schema() -> Schema {
    text_schema(1, 66).pattern(Some("^[A-Za-z0-9_-]{1,66}$")).into()
}

pub(super) fn id_or_null_schema() -> Schema {
    or_null(text_schema(1, 66).pattern(Some("^[A-Za-z0-9_-]{1,66}$")))
}

pub(super) fn tenant_schema() -> Schema {
    text_schema(3, 16).pattern(Some("^[a-z][a-z0-9]{2,15}$")).into()
}

pub(super) fn name_schema() -> Schema {
    text_schema(1, 200).into()
}

pub(super) fn line_schema() -> Schema {
    text_schema(0, 200).into()
}

pub(super) fn line_or_null_schema() -> Schema {
    or_null(text_schema(0, 200))
}

pub(super) fn email_schema() -> Schema {
    text_schema(3, 254).format(Some(SchemaFormat::KnownFormat(KnownFormat::Email))).into()
}

pub(super) fn moment_schema() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

pub(super) fn object_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(true)))
        .into()
}

macro_rules! word_schemas {
    ($($function:ident: $type:ident),+ $(,)?) => {
        $(pub(super) fn $function() -> Schema {
            let words = $type::ALL.iter().map(|word| word.as_str());
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
        })+
    };
}

word_schemas!(
    client_kind_schema: ClientKind,
    customer_kind_schema: CustomerKind,
    customer_state_schema: CustomerState,
    company_kind_schema: CompanyKind,
    assignment_kind_schema: AssignmentKind,
    group_code_schema: GroupCode,
    segment_state_schema: SegmentState,
    item_kind_schema: SegmentItemKind,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_on_one_line_and_in_bounds() {
        for (text, is_right) in
            [("\"a\"", true), ("\"\"", false), ("\"a\\u0000\"", false), ("\"a\\nb\"", false), ("1", false)]
        {
            assert_eq!(serde_json::from_str::<Text<1, 3>>(text).is_ok(), is_right, "{text}");
        }
        assert!(serde_json::from_str::<Text<1, 3>>("\"äöüß\"").is_err());
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        let now = Timestamp::from_millis(1_793_610_000_123);
        assert_eq!(moment(&stamp(now)), Ok(now));
        assert_eq!(stamp(now), "2026-11-02T09:00:00.123Z");
        assert!(moment("tomorrow").is_err());
    }
}
