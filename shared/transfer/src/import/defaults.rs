//! `default_models`: the model of each modality when a request names none.

use std::collections::HashMap;

use llm_api_domain::{Modality, ProviderId};
use llm_api_storage::{DefaultModel, LegacyTable, Placed};

use super::{
    ImportError, Run,
    cell::{RowReader, id_text, shown_id},
};

const TABLE: LegacyTable = LegacyTable::DefaultModels;

impl Run<'_> {
    pub(super) async fn defaults(&mut self) -> Result<(), ImportError> {
        let rows = self.all(TABLE).await?;
        let providers = if rows.is_empty() { HashMap::new() } else { self.providers_of_models().await? };
        for row in &rows {
            let (mut reader, shown) = (RowReader::new(row), shown_id(row, TABLE));
            let modality = id_text(row, "modality").and_then(|text| Modality::from_text(&text));
            let model = reader.text("model_id").filter(|model| !model.trim().is_empty());
            let (Some(modality), Some(model)) = (modality, model) else {
                let reason = if modality.is_none() { "no modality of ours" } else { "it names no model" };
                self.report.skipped(TABLE, shown, reason);
                continue;
            };
            let updated_at = reader.time_or("updated_at", self.options.now);
            let default = DefaultModel { modality, provider: providers.get(&model).copied(), model };
            match self.target.default_model(&default, updated_at).await? {
                Placed::Taken => self.report.skipped(TABLE, shown, "another default is set here already"),
                placed => self.report.arrived(TABLE, shown, placed, &reader.changes),
            }
        }
        Ok(())
    }

    /// Whom the old service asked for each model of its list.
    async fn providers_of_models(&mut self) -> Result<HashMap<String, ProviderId>, ImportError> {
        let mut found = HashMap::new();
        let mut place = i64::MIN;
        loop {
            let page = self.file.rows(LegacyTable::Models, None, place, super::PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            place = last.place;
            for row in &page {
                let provider = id_text(row, "provider").and_then(|name| name.trim().parse().ok());
                if let (Some(id), Some(provider)) = (id_text(row, "id"), provider) {
                    found.insert(id, provider);
                }
            }
        }
    }
}
