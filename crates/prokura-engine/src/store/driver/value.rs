//! What goes into a statement and what comes out of a row. Columns are `TEXT` or `BIGINT` and nothing else, so three
//! kinds of value are enough for both databases.

use super::StoreError;
use prokura_domain::{
    AddressId, AssignmentId, AssignmentKind, AuditEventId, AuthorizationId, ClientId, ClientKind, CompanyKind,
    CustomerId, CustomerKind, CustomerState, FamilyId, FamilyState, GrantId, GroupCode, GroupId, InvitationId, KeyId,
    LegalEntityId, LocationId, LocationKind, MemberKind, OperatorId, PartnerIdpId, RevocationKind, Scopes, SegmentId,
    SegmentItemKind, SegmentState, SessionId, SessionState, SiteId, TenantId, Timestamp, TokenId, VisitorId,
};
use std::{borrow::Cow, sync::Arc};

/// The two types of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `TEXT`.
    Text,
    /// `BIGINT`.
    Integer,
}

/// A value on its way into a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// No value, where there could be one of this kind. PostgreSQL wants to know: from `$1 IS NULL` it cannot tell.
    Null(Kind),
    /// A `BIGINT`.
    Integer(i64),
    /// A `TEXT`.
    Text(Cow<'a, str>),
}

/// What can be bound to a placeholder.
pub(crate) trait ToValue {
    /// What kind of column it goes with.
    const KIND: Kind;

    /// The value as the database knows it.
    fn to_value(&self) -> Value<'_>;
}

/// What can be read from a column.
pub(crate) trait FromColumn: Sized {
    /// Reads the column, or says in words why it cannot be.
    fn from_column(column: Column<'_>) -> Result<Self, String>;
}

/// A column of a row, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(&'a str),
}

/// The parameters of a statement, in the order of their numbers: `params![tenant, hash, now]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::driver::ToValue::to_value(&$value)),*]
    };
}
pub(crate) use params;

/// Stores types as text: those with `as_str` and `FromStr`. For use beside other types of the engine, too.
macro_rules! text_columns {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::store::driver::ToValue for $name {
            const KIND: $crate::store::driver::Kind = $crate::store::driver::Kind::Text;

            fn to_value(&self) -> $crate::store::driver::Value<'_> {
                $crate::store::driver::Value::Text(std::borrow::Cow::Borrowed(self.as_str()))
            }
        }

        impl $crate::store::driver::FromColumn for $name {
            fn from_column(column: $crate::store::driver::Column<'_>) -> Result<Self, String> {
                column.text()?.parse().map_err(|error: <$name as std::str::FromStr>::Err| error.to_string())
            }
        }
    )+};
}
pub(crate) use text_columns;

text_columns!(
    AddressId,
    AssignmentId,
    AssignmentKind,
    AuditEventId,
    AuthorizationId,
    ClientId,
    ClientKind,
    CompanyKind,
    CustomerId,
    CustomerKind,
    CustomerState,
    GroupCode,
    InvitationId,
    FamilyId,
    FamilyState,
    GrantId,
    GroupId,
    KeyId,
    LegalEntityId,
    LocationId,
    LocationKind,
    MemberKind,
    OperatorId,
    RevocationKind,
    PartnerIdpId,
    SegmentId,
    SegmentItemKind,
    SegmentState,
    SessionId,
    SessionState,
    SiteId,
    TenantId,
    TokenId,
    VisitorId,
);

impl ToValue for str {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl ToValue for String {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl ToValue for Arc<str> {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl ToValue for Scopes {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Owned(self.to_string()))
    }
}

impl ToValue for Timestamp {
    const KIND: Kind = Kind::Integer;

    fn to_value(&self) -> Value<'_> {
        Value::Integer(self.millis())
    }
}

impl ToValue for i64 {
    const KIND: Kind = Kind::Integer;

    fn to_value(&self) -> Value<'_> {
        Value::Integer(*self)
    }
}

impl ToValue for u32 {
    const KIND: Kind = Kind::Integer;

    fn to_value(&self) -> Value<'_> {
        Value::Integer(i64::from(*self))
    }
}

impl ToValue for bool {
    const KIND: Kind = Kind::Integer;

    fn to_value(&self) -> Value<'_> {
        Value::Integer(i64::from(*self))
    }
}

impl<T: ToValue> ToValue for Option<T> {
    const KIND: Kind = T::KIND;

    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null(T::KIND), ToValue::to_value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    const KIND: Kind = T::KIND;

    fn to_value(&self) -> Value<'_> {
        T::to_value(self)
    }
}

impl<'a> Column<'a> {
    /// The text, or why there is none.
    pub(crate) fn text(self) -> Result<&'a str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Null => Err("no value where a text must be".to_owned()),
            Self::Integer(_) => Err("a number where a text must be".to_owned()),
        }
    }

    /// The number, or why there is none.
    pub(crate) fn integer(self) -> Result<i64, String> {
        match self {
            Self::Integer(number) => Ok(number),
            Self::Null => Err("no value where a number must be".to_owned()),
            Self::Text(_) => Err("a text where a number must be".to_owned()),
        }
    }
}

impl FromColumn for String {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        column.text().map(str::to_owned)
    }
}

impl FromColumn for Arc<str> {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        column.text().map(Arc::from)
    }
}

impl FromColumn for Scopes {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        Self::parse(column.text()?).map_err(|error| error.to_string())
    }
}

impl FromColumn for Timestamp {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        column.integer().map(Self::from_millis)
    }
}

impl FromColumn for i64 {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        column.integer()
    }
}

impl FromColumn for u32 {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        let number = column.integer()?;
        Self::try_from(number).map_err(|_| format!("{number} is no number from 0 to 4294967295"))
    }
}

impl FromColumn for bool {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        match column.integer()? {
            0 => Ok(false),
            1 => Ok(true),
            number => Err(format!("{number} is neither 0 nor 1")),
        }
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(column: Column<'_>) -> Result<Self, String> {
        match column {
            Column::Null => Ok(None),
            Column::Integer(_) | Column::Text(_) => T::from_column(column).map(Some),
        }
    }
}

/// One row of an answer. Columns count from zero.
#[derive(Debug)]
pub(crate) struct Row {
    sql: &'static str,
    cells: Cells,
}

/// Where the columns of a row are.
#[derive(Debug)]
pub(super) enum Cells {
    /// Copied while the statement ran.
    Sqlite(Box<[Cell]>),
    /// Still as they came over the wire.
    Postgres(tokio_postgres::Row),
}

/// A column of a row of SQLite.
#[derive(Debug)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(Box<str>),
}

impl Row {
    pub(super) fn new(sql: &'static str, cells: Cells) -> Self {
        Self { sql, cells }
    }

    /// Column `index` as a `T`; [`StoreError::Corrupt`] names the column when it is not one.
    pub(crate) fn get<T: FromColumn>(&self, index: usize) -> Result<T, StoreError> {
        self.column(index).and_then(T::from_column).map_err(|reason| {
            let sql = self.sql.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            StoreError::Corrupt { what: format!("column {index} of \"{sql}\": {reason}") }
        })
    }

    /// Column `index` as a text.
    pub(crate) fn text(&self, index: usize) -> Result<String, StoreError> {
        self.get(index)
    }

    fn column(&self, index: usize) -> Result<Column<'_>, String> {
        match &self.cells {
            Cells::Sqlite(cells) => match cells.get(index) {
                Some(Cell::Null) => Ok(Column::Null),
                Some(Cell::Integer(number)) => Ok(Column::Integer(*number)),
                Some(Cell::Text(text)) => Ok(Column::Text(text)),
                None => Err("there is no such column".to_owned()),
            },
            Cells::Postgres(row) => super::postgres::column(row, index),
        }
    }
}
