//! The settings in effect and where each came from, for `llm-api config`.

use serde::Serialize;

use super::{Resolved, SETTINGS, Sources, reader::masked};

/// One line of `llm-api config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// The variable, such as `LLM_API_PORT`.
    pub name: String,
    /// As it was written; `set` for a secret, `not set` where there is no value. Passwords in addresses are masked.
    pub value: String,
    /// `environment`, `.env`, `default`, the YAML file's name, or the file or credential that held it.
    pub source: String,
}

pub(crate) fn effective(sources: &Sources) -> Vec<EffectiveSetting> {
    let resolved = Resolved::read(sources);
    let known = SETTINGS.iter().filter_map(|setting| Some((setting, resolved.get(setting.name)?)));
    known
        .map(|(setting, found)| {
            let value = match found.text.as_deref() {
                None | Some("") => "not set".to_owned(),
                Some(_) if setting.secret => "set".to_owned(),
                Some(text) => masked(text),
            };
            EffectiveSetting { name: setting.variable(), value, source: found.source.clone() }
        })
        .collect()
}

/// The settings as aligned columns, one line each.
pub fn settings_table(settings: &[EffectiveSetting]) -> String {
    let width = |column: fn(&EffectiveSetting) -> &str| {
        settings.iter().map(|setting| column(setting).chars().count()).max().unwrap_or_default()
    };
    let (names, values) = (width(|setting| &setting.name), width(|setting| &setting.value));
    let line = |setting: &EffectiveSetting| {
        let EffectiveSetting { name, value, source } = setting;
        format!("{name:names$}  {value:values$}  {source}\n")
    };
    settings.iter().map(line).collect()
}
