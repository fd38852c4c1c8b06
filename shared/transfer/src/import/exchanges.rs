//! `session_messages`: one row for each exchange, and so it is here.

use std::collections::{BTreeMap, HashMap, HashSet};

use llm_api_domain::{ExchangeStatus, Modality, SessionId, Timestamp, UserId};
use llm_api_storage::{Cell, LegacyRow, LegacyTable, NewExchange, Placed};
use serde_json::{json, value::RawValue};
use uuid::Uuid;

use super::{
    ImportError, Run,
    cell::{Moment, RowReader, id_text, shown_id},
    ids,
};

const TABLE: LegacyTable = LegacyTable::SessionMessages;
/// Rows of this table may hold many megabytes, so their places are read first, and each row by itself.
const NARROW: [&str; 4] = ["id", "session_id", "sequence", "created_at"];
/// A number beyond this is a mistake, and numbers must be able to go on from it.
const MAX_SEQUENCE: i64 = 1_000_000_000_000;

/// Where a row stands in its session.
#[derive(Debug)]
struct Place {
    row: i64,
    /// `None` for what is no number of a turn: such rows come last, by their time.
    sequence: Option<i64>,
    created_at: Option<Timestamp>,
}

impl Run<'_> {
    pub(super) async fn exchanges(&mut self) -> Result<(), ImportError> {
        let (sessions, total) = self.places().await?;
        if self.file.has(TABLE) {
            self.report.read(TABLE, total as u64);
        }
        let (mut seen, mut done) = (HashSet::new(), 0);
        for (session, mut places) in sessions {
            places.sort_by_key(|place| (place.sequence.is_none(), place.sequence, place.created_at, place.row));
            let owner = match session {
                Some(session) => self.target.session_owner(session).await?.map(|owner| (session, owner)),
                None => None,
            };
            let mut last = 0;
            for place in &places {
                if let Some(row) = self.file.row(TABLE, place.row).await? {
                    match owner {
                        Some(owner) => last = self.exchange(&row, place, owner, last, &mut seen).await?,
                        None => self.report.skipped(TABLE, shown_id(&row, TABLE), "its session is not there"),
                    }
                }
                done += 1;
                self.tell(TABLE, done, total);
            }
            if let Some((session, user)) = owner {
                self.target.count_exchanges(user, session).await?;
            }
        }
        Ok(())
    }

    /// All rows by session, without what is wide in them.
    async fn places(&mut self) -> Result<(BTreeMap<Option<SessionId>, Vec<Place>>, usize), ImportError> {
        let (mut sessions, mut total, mut after) = (BTreeMap::<_, Vec<Place>>::new(), 0, i64::MIN);
        loop {
            let page = self.file.rows(TABLE, Some(&NARROW), after, super::PAGE).await?;
            let Some(newest) = page.last() else { return Ok((sessions, total)) };
            (after, total) = (newest.place, total + page.len());
            for row in &page {
                let session = id_text(row, "session_id").map(|text| ids::uuid(LegacyTable::Sessions, &text).into());
                let sequence = match row.cell("sequence") {
                    Some(Cell::Integer(number)) if (1..=MAX_SEQUENCE).contains(number) => Some(*number),
                    _ => None,
                };
                let created_at = match RowReader::new(row).moment("created_at") {
                    Moment::At(time) => Some(time),
                    Moment::Missing | Moment::Unreadable => None,
                };
                sessions.entry(session).or_default().push(Place { row: row.place, sequence, created_at });
            }
        }
    }

    /// Stores one exchange behind number `last` of its session; the number it has then.
    async fn exchange(
        &mut self,
        row: &LegacyRow,
        place: &Place,
        (session, user): (SessionId, UserId),
        last: i64,
        seen: &mut HashSet<Uuid>,
    ) -> Result<i64, ImportError> {
        let mut reader = RowReader::new(row);
        let shown = shown_id(row, TABLE);
        let text = id_text(row, "id").unwrap_or_default();
        let mut id = ids::uuid(TABLE, &text);
        if !seen.insert(id) {
            id = ids::uuid(TABLE, &format!("{text}|{}", row.place));
            seen.insert(id);
        }
        if Uuid::try_parse(&text) != Ok(id) {
            reader.changed(format!("id: no UUID of its own, became {id}"));
        }
        let mut sequence = place.sequence.filter(|number| *number > last).unwrap_or(last + 1);
        let exchange = self.read_exchange(&mut reader, id, session, user);
        let mut placed = self.target.exchange(&exchange, sequence).await?;
        if placed == Placed::Taken {
            // The session went on here since an earlier run.
            sequence = self.target.last_sequence(session).await? + 1;
            placed = self.target.exchange(&exchange, sequence).await?;
        }
        if placed == Placed::Taken {
            self.report.skipped(TABLE, shown, "another exchange has its place");
            return Ok(last);
        }
        if place.sequence != Some(sequence) {
            reader.changed(match place.sequence {
                Some(number) => format!("sequence: {number} was taken, became {sequence}"),
                None => format!("sequence: no number of a turn, became {sequence}"),
            });
        }
        self.report.arrived(TABLE, shown, placed, &reader.changes);
        Ok(sequence)
    }

    fn read_exchange(&self, reader: &mut RowReader<'_>, id: Uuid, session: SessionId, user: UserId) -> NewExchange {
        let modality = reader.text("modality").and_then(|text| Modality::from_text(&text)).unwrap_or_else(|| {
            reader.changed("modality: none of ours, read as text");
            Modality::Text
        });
        let mut asked = Parts::read(reader, "input_data", &["prompt", "images", "mesh"]);
        let mut answered = Parts::read(reader, "output_data", &["text", "images", "mesh", "artifacts", "stream"]);
        let (prompt, reply) = (asked.text(reader, "prompt"), answered.text(reader, "text"));
        let (input_images, input_mesh) = (asked.images(reader), asked.text(reader, "mesh"));
        let (output_images, output_mesh) = (answered.images(reader), answered.text(reader, "mesh"));
        let has_input = input_images.is_some() || input_mesh.is_some();
        let has_output = output_images.is_some() || output_mesh.is_some();
        if answered.has_files() {
            reader.changed("output_data: its files are gone, the old service kept them for an hour");
        }
        NewExchange {
            id: id.into(),
            user,
            session,
            // The old service kept none.
            request: id.into(),
            modality,
            provider: String::new(),
            model: String::new(),
            prompt,
            input: has_input.then(|| json!({ "images": input_images, "mesh": input_mesh }).to_string()),
            reply,
            output: has_output
                .then(|| json!({ "images": output_images, "mesh": output_mesh, "artifacts": null }).to_string()),
            status: ExchangeStatus::Completed,
            finish_reason: None,
            error_code: None,
            state_tokens: reader.object("state_tokens"),
            title_when_untitled: None,
            replaces: None,
            created_at: reader.time_or("created_at", self.options.now),
        }
    }
}

/// The members of one half of an exchange.
struct Parts {
    column: &'static str,
    members: HashMap<String, Box<RawValue>>,
}

impl Parts {
    fn read(reader: &mut RowReader<'_>, column: &'static str, known: &[&str]) -> Self {
        let text = reader.object(column);
        let mut members: HashMap<String, Box<RawValue>> =
            text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let before = members.len();
        members.retain(|name, _| known.contains(&name.as_str()));
        if members.len() < before {
            reader.changed(format!("{column}: members that the old service did not have were dropped"));
        }
        members.retain(|_, value| value.get() != "null");
        Self { column, members }
    }

    fn text(&mut self, reader: &mut RowReader<'_>, member: &str) -> Option<String> {
        let raw = self.members.remove(member)?;
        let text = serde_json::from_str(raw.get()).unwrap_or_else(|_| {
            reader.changed(format!("{}: {member} was no text, and is kept as JSON", self.column));
            raw.get().to_owned()
        });
        Some(reader.without_nul(member, text))
    }

    fn images(&mut self, reader: &mut RowReader<'_>) -> Option<Vec<String>> {
        let raw = self.members.remove("images")?;
        let entries: Vec<Box<RawValue>> = serde_json::from_str(raw.get()).unwrap_or_else(|_| vec![raw]);
        let images: Vec<String> = entries.iter().filter_map(|entry| serde_json::from_str(entry.get()).ok()).collect();
        if images.len() < entries.len() {
            reader.changed(format!("{}: images that are no text were dropped", self.column));
        }
        (!images.is_empty()).then_some(images)
    }

    fn has_files(&self) -> bool {
        self.members.get("artifacts").is_some_and(|files| files.get().trim() != "[]")
    }
}
