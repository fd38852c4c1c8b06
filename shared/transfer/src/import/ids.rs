//! Ids keep their value where they are UUIDs. Others get one that is made from their text, so that a second run meets it.

use std::collections::{HashMap, HashSet};

use llm_api_crypto::TokenHash;
use llm_api_domain::{SERVICE_USER_ID, UserId};
use llm_api_storage::{LegacyRow, LegacyTable};
use uuid::{Builder, Uuid};

use super::cell::{RowReader, id_text};

/// Whom the old service's static key, and its JWTs without a user, acted for. No row of `users` has these ids.
const STATIC_KEY: &str = "dev-user";
const JWT: &str = "jwt-user";

/// The UUID that a text stands for.
pub(super) fn uuid(table: LegacyTable, text: &str) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| derived(table, text))
}

fn derived(table: LegacyTable, text: &str) -> Uuid {
    let digest = TokenHash::of(&format!("llm-api import|{}|{text}", table.name()));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// Gives each row of one table its id.
#[derive(Debug)]
pub(super) struct RowIds {
    table: LegacyTable,
    seen: HashSet<Uuid>,
}

impl RowIds {
    pub(super) fn of(table: LegacyTable) -> Self {
        Self { table, seen: HashSet::new() }
    }

    /// The id of a row, told as a change where it is not the one in the file.
    pub(super) fn next(&mut self, row: &LegacyRow, reader: &mut RowReader<'_>) -> Uuid {
        let text = id_text(row, "id").unwrap_or_default();
        let mut id = uuid(self.table, &text);
        if !self.seen.insert(id) {
            // Texts that differ, and yet stand for one UUID.
            id = derived(self.table, &format!("{text}|{}", row.place));
            self.seen.insert(id);
        }
        if Uuid::try_parse(&text) != Ok(id) {
            reader.changed(format!("id: no UUID of its own, became {id}"));
        }
        id
    }
}

/// Whom an id of the old service means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// A person who is there, or the service account.
    User(UserId),
    /// A caller without an account, who has none here either.
    Jwt,
    Unknown,
    Nobody,
}

/// The people who were imported, now or in an earlier run.
#[derive(Debug, Default)]
pub(super) struct People {
    users: HashMap<UserId, String>,
    /// By the name in the file.
    names: HashMap<String, UserId>,
}

impl People {
    pub(super) fn add(&mut self, user: UserId, old_name: String, name: String) {
        self.names.entry(old_name).or_insert(user);
        self.users.insert(user, name);
    }

    pub(super) fn named(&self, name: &str) -> Option<UserId> {
        let now = self.users.iter().find(|(_, current)| *current == name).map(|(user, _)| *user);
        now.or_else(|| self.names.get(name).copied())
    }

    /// Who `column` of a row names.
    pub(super) fn whom(&self, row: &LegacyRow, column: &str) -> Whom {
        let Some(text) = id_text(row, column).filter(|text| !text.is_empty()) else { return Whom::Nobody };
        match text.as_str() {
            STATIC_KEY => return Whom::User(SERVICE_USER_ID),
            JWT => return Whom::Jwt,
            _ => {}
        }
        let user = UserId::from(uuid(LegacyTable::Users, &text));
        if self.users.contains_key(&user) { Whom::User(user) } else { Whom::Unknown }
    }

    /// For the report.
    pub(super) fn shown(&self, user: UserId) -> &str {
        self.users.get(&user).map_or("the service account", String::as_str)
    }
}

/// Why a row of somebody without an account is left out.
pub(super) fn no_owner(whom: Whom) -> &'static str {
    match whom {
        Whom::Jwt => "it belongs to jwt-user, whoever came with a JWT that named nobody: there is no such account here",
        Whom::User(_) | Whom::Unknown | Whom::Nobody => "its user is not in the file",
    }
}
