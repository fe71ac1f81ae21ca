//! Values on the wire. Every placeholder is declared `TEXT` or `BIGINT`, for the server cannot tell from `$1 IS NULL`;
//! results of `COUNT`, `SUM` and `EXISTS` are read as whole numbers, as SQLite gives them.

use super::super::{Column, Kind, Value};
use std::error::Error;
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

type Fault = Box<dyn Error + Sync + Send>;

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match self {
            Self::Null(_) => Ok(IsNull::Yes),
            Self::Integer(number) if *kind == Type::INT8 => number.to_sql(kind, out),
            Self::Text(text) if is_text(kind) => text.as_ref().to_sql(kind, out),
            Self::Integer(_) => Err(format!("a number where the statement takes {kind}").into()),
            Self::Text(_) => Err(format!("a text where the statement takes {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The type a value is declared as.
pub(super) fn declared(value: &Value<'_>) -> Type {
    match value {
        Value::Null(Kind::Text) | Value::Text(_) => Type::TEXT,
        Value::Null(Kind::Integer) | Value::Integer(_) => Type::INT8,
    }
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(kind)
}

/// Column `index` of `row`.
pub(in super::super) fn column(row: &Row, index: usize) -> Result<Column<'_>, String> {
    let kind = row.columns().get(index).ok_or("there is no such column")?.type_();
    if is_text(kind) {
        return Ok(read::<&str>(row, index)?.map_or(Column::Null, Column::Text));
    }
    let number = match *kind {
        Type::INT8 => read::<i64>(row, index)?,
        Type::INT4 => read::<i32>(row, index)?.map(i64::from),
        Type::INT2 => read::<i16>(row, index)?.map(i64::from),
        Type::BOOL => read::<bool>(row, index)?.map(i64::from),
        Type::NUMERIC => read::<Whole>(row, index)?.map(|Whole(number)| number),
        _ => return Err(format!("{kind} is neither TEXT nor BIGINT")),
    };
    Ok(number.map_or(Column::Null, Column::Integer))
}

fn read<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<Option<T>, String> {
    row.try_get(index).map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

/// A `NUMERIC` without a fraction that fits: what `SUM` over `BIGINT` is. On the wire it is a count of digits to the
/// base 10,000, the weight of the first, a sign and a scale, then the digits.
struct Whole(i64);

impl<'a> FromSql<'a> for Whole {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Fault> {
        let mut words = raw.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair));
        let mut word = || words.next().ok_or("a NUMERIC that ends too early");
        let (count, mut weight, sign, _scale) = (word()?, word()?, word()?, word()?);
        let is_negative = match sign {
            0 => false,
            0x4000 => true,
            _ => return Err("a NUMERIC that is no number".into()),
        };
        let mut total: i128 = 0;
        for _ in 0..count {
            let digit = i128::from(word()?);
            if weight < 0 && digit != 0 {
                return Err("a NUMERIC with a fraction".into());
            }
            let power = u32::try_from(weight.max(0))?;
            let part = 10_000_i128.checked_pow(power).and_then(|power| power.checked_mul(digit));
            total = part.and_then(|part| total.checked_add(part)).ok_or("a NUMERIC that is too large")?;
            weight -= 1;
        }
        Ok(Self(i64::try_from(if is_negative { -total } else { total })?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::NUMERIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_read_exactly_or_not_at_all() {
        let numeric = |words: &[i16]| {
            let raw: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            Whole::from_sql(&Type::NUMERIC, &raw).ok().map(|Whole(number)| number)
        };
        assert_eq!(numeric(&[0, 0, 0, 0]), Some(0));
        assert_eq!(numeric(&[2, 1, 0, 0, 12, 3456]), Some(123_456));
        assert_eq!(numeric(&[1, 2, 0x4000, 0, 5]), Some(-500_000_000));
        assert_eq!(numeric(&[5, 4, 0, 0, 922, 3372, 368, 5477, 5807]), Some(i64::MAX));
        assert_eq!(numeric(&[5, 4, 0, 0, 922, 3372, 368, 5477, 5808]), None, "too large");
        assert_eq!(numeric(&[1, 1000, 0, 0, 1]), None, "far too large");
        assert_eq!(numeric(&[2, 0, 0, 1, 1, 5000]), None, "1.5");
        assert_eq!(numeric(&[0, 0, -16384, 0]), None, "NaN");
        assert_eq!(numeric(&[2, 0, 0, 0, 1]), None, "cut off");
    }
}
