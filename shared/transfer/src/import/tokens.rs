//! `user_tokens`: what a login made has the name `session`.

use std::time::Duration;

use llm_api_crypto::TokenHash;
use llm_api_domain::{SERVICE_USER_ID, Timestamp};
use llm_api_storage::{ImportedToken, LegacyRow, LegacyTable, Placed, TokenKind};

use super::{
    ImportError, Run,
    cell::{Moment, RowReader, shown_id},
    ids::{RowIds, Whom, no_owner},
};

const TABLE: LegacyTable = LegacyTable::UserTokens;
/// How long a login of the old service lasted.
const LOGIN_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

impl Run<'_> {
    pub(super) async fn tokens(&mut self) -> Result<(), ImportError> {
        let mut rows = self.all(TABLE).await?;
        // Of two rows with one token the one that works is kept.
        rows.sort_by_key(|row| !RowReader::new(row).flag("is_active"));
        let mut ids = RowIds::of(TABLE);
        for (at, row) in rows.iter().enumerate() {
            self.token(row, &mut ids).await?;
            self.tell(TABLE, at + 1, rows.len());
        }
        Ok(())
    }

    async fn token(&mut self, row: &LegacyRow, ids: &mut RowIds) -> Result<(), ImportError> {
        let mut reader = RowReader::new(row);
        let (id, shown) = (ids.next(row, &mut reader), shown_id(row, TABLE));
        let user = match self.people.whom(row, "user_id") {
            Whom::User(user) => user,
            whom => {
                self.report.skipped(TABLE, shown, no_owner(whom));
                return Ok(());
            }
        };
        let Some(hash) = token_hash(&mut reader) else {
            self.report.skipped(TABLE, shown, "token_hash is no SHA-256 in hex");
            return Ok(());
        };
        if user == SERVICE_USER_ID {
            reader.changed("user_id: dev-user became the service account, and the token works from now on");
        }
        let name = reader.text("name");
        let kind = if name.as_deref() == Some("session") { TokenKind::Login } else { TokenKind::Personal };
        let created_at = reader.time_or("created_at", self.options.now);
        if reader.json("scopes").is_some_and(|scopes| scopes.trim() != "[]") {
            reader.changed("scopes: dropped, for the old service never looked at them");
        }
        let token = ImportedToken {
            id: id.into(),
            user,
            kind,
            name,
            hash,
            created_at,
            last_used_at: reader.optional_time("last_used_at"),
            expires_at: expiry(&mut reader, kind, created_at),
            revoked_at: (!reader.flag("is_active")).then_some(self.options.now),
        };
        match self.target.token(&token).await? {
            Placed::Taken => self.report.skipped(TABLE, shown, "another row has the same token"),
            placed => self.report.arrived(TABLE, shown, placed, &reader.changes),
        }
        Ok(())
    }
}

/// The SHA-256 in lower-case hex: no other form ever matched.
pub(super) fn token_hash(reader: &mut RowReader<'_>) -> Option<TokenHash> {
    let text = reader.text("token_hash")?;
    let is_hex = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2).filter(|_| is_hex)?, 16).ok()?;
    }
    Some(bytes.into())
}

/// An expiry that cannot be read must not make a token good for ever.
fn expiry(reader: &mut RowReader<'_>, kind: TokenKind, created_at: Timestamp) -> Option<Timestamp> {
    match reader.moment("expires_at") {
        Moment::Missing => None,
        Moment::At(time) => Some(time),
        Moment::Unreadable => {
            let (instead, what) = match kind {
                TokenKind::Login => (created_at + LOGIN_LIFE, "seven days after it was made"),
                TokenKind::Personal => (created_at, "the time it was made, so it has expired"),
            };
            reader.changed(format!("expires_at: no time, set to {what}"));
            Some(instead)
        }
    }
}
