//! `sessions`: the old service showed them to everybody; here each has an owner.

use llm_api_domain::{SessionStatus, UserId};
use llm_api_storage::{ImportedSession, LegacyRow, LegacyTable};

use super::{
    ImportError, Run,
    cell::{RowReader, shown_id},
    ids::{RowIds, Whom},
};

const TABLE: LegacyTable = LegacyTable::Sessions;

impl Run<'_> {
    pub(super) async fn sessions(&mut self) -> Result<(), ImportError> {
        let rows = self.all(TABLE).await?;
        let mut ids = RowIds::of(TABLE);
        let mut given = 0_u64;
        for (at, row) in rows.iter().enumerate() {
            given += u64::from(self.session(row, &mut ids).await?);
            self.tell(TABLE, at + 1, rows.len());
        }
        if let Some(owner) = self.owner.filter(|_| given > 0) {
            let name = self.target.person(owner).await?.unwrap_or_default();
            self.report.note(format!("sessions: {given} that belonged to nobody were given to {name}"));
        }
        Ok(())
    }

    /// Whether the session was given to the owner of all that belong to nobody.
    async fn session(&mut self, row: &LegacyRow, ids: &mut RowIds) -> Result<bool, ImportError> {
        let mut reader = RowReader::new(row);
        let (id, shown) = (ids.next(row, &mut reader), shown_id(row, TABLE));
        let whom = self.people.whom(row, "user_id");
        let Some(user) = self.owner_of(whom, &mut reader) else {
            let reason = "nobody can own it: there is no administrator; name somebody with --session-owner";
            self.report.skipped(TABLE, shown, reason);
            return Ok(false);
        };
        let created_at = reader.time_or("created_at", self.options.now);
        let session = ImportedSession {
            id: id.into(),
            user,
            status: status(&mut reader),
            title: reader.text("title"),
            system_prompt: reader.text("system_prompt"),
            state_tokens: reader.object("state_tokens"),
            created_at,
            last_used_at: reader.optional_time("last_used_at").unwrap_or(created_at),
        };
        let placed = self.target.session(&session).await?;
        self.report.arrived(TABLE, shown, placed, &reader.changes);
        Ok(!matches!(whom, Whom::User(_)))
    }

    fn owner_of(&self, whom: Whom, reader: &mut RowReader<'_>) -> Option<UserId> {
        match whom {
            Whom::User(user) => Some(user),
            Whom::Nobody => self.owner,
            Whom::Jwt | Whom::Unknown => {
                reader.changed("user_id: not in the file, so it went to the owner of all the others");
                self.owner
            }
        }
    }
}

fn status(reader: &mut RowReader<'_>) -> SessionStatus {
    let text = reader.text("status").unwrap_or_default();
    SessionStatus::from_text(&text).unwrap_or_else(|| {
        reader.changed("status: neither active nor closed, read as active");
        SessionStatus::Active
    })
}
