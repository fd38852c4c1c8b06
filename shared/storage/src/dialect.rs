//! What the two databases do not share, each with a line why.

use std::borrow::Cow;

use llm_api_domain::Timestamp;
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueFormat, PgValueRef, types::Oid},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};

/// Text as both take it: Postgres refuses U+0000. Clients cannot send it, but a provider can.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// A [`Timestamp`] in a statement or a row: `TIMESTAMPTZ` on Postgres, so that people can read it; an integer of
/// microseconds on SQLite, so that it sorts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DbTime(pub(crate) Timestamp);

impl From<DbTime> for Timestamp {
    fn from(time: DbTime) -> Self {
        time.0
    }
}

impl Type<Sqlite> for DbTime {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for DbTime {
    fn encode_by_ref(&self, buf: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode_by_ref(&self.0.as_micros(), buf)
    }
}

impl<'r> Decode<'r, Sqlite> for DbTime {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(Timestamp::from_micros(<i64 as Decode<Sqlite>>::decode(value)?)))
    }
}

/// `timestamptz` in Postgres' catalog (`pg_type.dat`).
const TIMESTAMPTZ: PgTypeInfo = PgTypeInfo::with_oid(Oid(1184));
/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since the Unix epoch.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

impl Type<Postgres> for DbTime {
    fn type_info() -> PgTypeInfo {
        TIMESTAMPTZ
    }
}

impl Encode<'_, Postgres> for DbTime {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let since = self.0.as_micros().checked_sub(POSTGRES_EPOCH).ok_or("time out of range for Postgres")?;
        Encode::<Postgres>::encode_by_ref(&since, buf)
    }
}

impl<'r> Decode<'r, Postgres> for DbTime {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => {
                let since = <i64 as Decode<Postgres>>::decode(value)?;
                let micros = since.checked_add(POSTGRES_EPOCH).ok_or("time out of range")?;
                Ok(Self(Timestamp::from_micros(micros)))
            }
            // Only the simple protocol answers in text, and no row is read through it.
            PgValueFormat::Text => Err("a time in text form was not expected".into()),
        }
    }
}
