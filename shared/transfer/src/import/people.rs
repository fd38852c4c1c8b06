//! `users`: the old `email` is the name.

use std::collections::{HashMap, HashSet};

use llm_api_crypto::is_legacy_hash;
use llm_api_domain::{SERVICE_USER_ID, UserId};
use llm_api_storage::{ImportedUser, LegacyRow, LegacyTable, Placed};

use super::{
    ImportError, Run,
    cell::{RowReader, id_text, shown_id},
    ids::RowIds,
};

const TABLE: LegacyTable = LegacyTable::Users;
/// What can be indexed, and what registration takes.
const MAX_NAME: usize = 255;

impl Run<'_> {
    pub(super) async fn people(&mut self) -> Result<(), ImportError> {
        let mut rows = self.all(TABLE).await?;
        // Who has a name as it must be keeps it, whoever else would come to have it.
        rows.sort_by_key(|row| !id_text(row, "email").is_some_and(|name| !name.is_empty() && name.trim() == name));
        let mut ids = RowIds::of(TABLE);
        for (at, row) in rows.iter().enumerate() {
            self.person(row, &mut ids).await?;
            self.tell(TABLE, at + 1, rows.len());
        }
        self.tell_of_similar_names(&rows);
        self.find_owner().await
    }

    async fn person(&mut self, row: &LegacyRow, ids: &mut RowIds) -> Result<(), ImportError> {
        let mut reader = RowReader::new(row);
        let id = UserId::from(ids.next(row, &mut reader));
        let shown = shown_id(row, TABLE);
        if id == SERVICE_USER_ID {
            self.report.skipped(TABLE, shown, "its id is the one of the service account");
            return Ok(());
        }
        let old_name = id_text(row, "email").unwrap_or_default();
        let mut user = ImportedUser {
            id,
            username: name(&mut reader, id),
            password_hash: password_hash(&mut reader),
            display_name: reader.text("display_name"),
            preferred_model: reader.text("preferred_model"),
            preferences: reader.object("preferences").unwrap_or_else(|| "{}".to_owned()),
            is_admin: reader.flag("is_admin"),
            is_active: reader.flag("is_active"),
            created_at: reader.time_or("created_at", self.options.now),
            last_login_at: reader.optional_time("last_login_at"),
        };
        let mut placed = self.target.user(&user).await?;
        if placed == Placed::Taken {
            user.username = other_name(&user.username, id);
            reader.changed(format!("email: somebody else has this name here, so it became {}", user.username));
            placed = self.target.user(&user).await?;
        }
        match placed {
            Placed::Taken => {
                self.report.skipped(TABLE, shown, "its name is taken here, and so is the one made from it");
                return Ok(());
            }
            Placed::New => {}
            // The name may be another one by now.
            Placed::Present => {
                let Some(name) = self.target.person(id).await? else {
                    self.report.skipped(TABLE, shown, "its id belongs to an account that is no person's");
                    return Ok(());
                };
                user.username = name;
            }
        }
        self.report.arrived(TABLE, shown, placed, &reader.changes);
        self.people.add(id, old_name, user.username);
        Ok(())
    }

    /// Such names are good here, but are easily mistaken for one another.
    fn tell_of_similar_names(&mut self, rows: &[LegacyRow]) {
        let mut by_lower_case: HashMap<String, HashSet<String>> = HashMap::new();
        for name in rows.iter().filter_map(|row| id_text(row, "email")) {
            by_lower_case.entry(name.trim().to_lowercase()).or_default().insert(name.trim().to_owned());
        }
        let mut similar: Vec<Vec<String>> = by_lower_case
            .into_values()
            .filter(|names| names.len() > 1)
            .map(|names| names.into_iter().collect())
            .collect();
        similar.sort_unstable();
        for mut names in similar {
            names.sort_unstable();
            self.report.note(format!("users: these names differ by case alone, and stay apart: {}", names.join(", ")));
        }
    }

    async fn find_owner(&mut self) -> Result<(), ImportError> {
        self.owner = match self.options.session_owner {
            Some(name) => {
                let found = match self.people.named(name) {
                    Some(user) => Some(user),
                    None => self.target.person_named(name).await?,
                };
                Some(found.ok_or(ImportError::NoSuchOwner)?)
            }
            None => self.target.first_admin().await?.map(|(user, _)| user),
        };
        Ok(())
    }
}

fn name(reader: &mut RowReader<'_>, id: UserId) -> String {
    let text = reader.text("email").unwrap_or_default();
    let mut name = text.trim().to_owned();
    if name.is_empty() {
        name = other_name("user", id);
        reader.changed(format!("email: empty, became {name}"));
        return name;
    }
    if name.len() != text.len() {
        // The old service itself trimmed what was typed at its login.
        reader.changed("email: blanks around it were removed");
    }
    if name.chars().count() > MAX_NAME {
        name = other_name(&name, id);
        reader.changed(format!("email: longer than {MAX_NAME} characters, became {name}"));
    }
    name
}

fn other_name(name: &str, id: UserId) -> String {
    let id = id.as_uuid().simple().to_string();
    let head: String = name.chars().take(MAX_NAME - 9).collect();
    format!("{head}-{}", &id[24..])
}

fn password_hash(reader: &mut RowReader<'_>) -> Option<String> {
    let hash = reader.text("password_hash").filter(|hash| is_legacy_hash(hash));
    if hash.is_none() {
        reader.changed("password_hash: not one of the old service, left empty: an administrator sets a new password");
    }
    hash
}
