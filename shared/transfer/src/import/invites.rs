//! `invite_tokens`: good once, for seven days.

use std::time::Duration;

use llm_api_domain::UserId;
use llm_api_storage::{ImportedInvite, LegacyRow, LegacyTable, Placed};

use super::{
    ImportError, Run,
    cell::{Moment, RowReader, shown_id},
    ids::{RowIds, Whom},
    tokens::token_hash,
};

const TABLE: LegacyTable = LegacyTable::InviteTokens;
const INVITE_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

impl Run<'_> {
    pub(super) async fn invites(&mut self) -> Result<(), ImportError> {
        let rows = self.all(TABLE).await?;
        let mut ids = RowIds::of(TABLE);
        for (at, row) in rows.iter().enumerate() {
            self.invite(row, &mut ids).await?;
            self.tell(TABLE, at + 1, rows.len());
        }
        Ok(())
    }

    async fn invite(&mut self, row: &LegacyRow, ids: &mut RowIds) -> Result<(), ImportError> {
        let mut reader = RowReader::new(row);
        let (id, shown) = (ids.next(row, &mut reader), shown_id(row, TABLE));
        let Some(hash) = token_hash(&mut reader) else {
            self.report.skipped(TABLE, shown, "token_hash is no SHA-256 in hex");
            return Ok(());
        };
        let created_at = reader.time_or("created_at", self.options.now);
        let expires_at = match reader.moment("expires_at") {
            Moment::At(time) => time,
            Moment::Missing | Moment::Unreadable => {
                reader.changed("expires_at: no time, set to seven days after it was made");
                created_at + INVITE_LIFE
            }
        };
        let invite = ImportedInvite {
            id: id.into(),
            hash,
            created_by: self.person_in(row, &mut reader, "created_by"),
            is_used: reader.flag("is_used"),
            used_by: self.person_in(row, &mut reader, "used_by"),
            created_at,
            expires_at,
        };
        match self.target.invite(&invite).await? {
            Placed::Taken => self.report.skipped(TABLE, shown, "another invite has the same token"),
            placed => self.report.arrived(TABLE, shown, placed, &reader.changes),
        }
        Ok(())
    }

    /// Somebody who need not be there any more.
    fn person_in(&self, row: &LegacyRow, reader: &mut RowReader<'_>, column: &str) -> Option<UserId> {
        match self.people.whom(row, column) {
            Whom::User(user) => Some(user),
            Whom::Nobody => None,
            Whom::Jwt | Whom::Unknown => {
                reader.changed(format!("{column}: not in the file, left empty"));
                None
            }
        }
    }
}
