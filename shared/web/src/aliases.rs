//! Names for models as clients write and read them: everybody's own, and those of administrators.

use llm_api_domain::{ModelName, ProviderId, Timestamp, WireFamily};
use llm_api_storage::{Alias, NewAlias};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiError;

const MAX_NAME: usize = 100;
const MAX_TARGETS: usize = 8;
/// Characters of a model's name.
const MAX_MODEL: usize = 255;

#[derive(Debug, Deserialize, ToSchema)]
pub struct PutAlias {
    /// Models as `provider:model`, asked one after the other: the next one where one refuses or fails before its answer
    /// begins.
    #[schema(min_items = 1, max_items = 8)]
    targets: Vec<String>,
    /// Asked where a prompt is too long for those.
    context_target: Option<String>,
}

/// What a name stands for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AliasView {
    name: String,
    targets: Vec<String>,
    context_target: Option<String>,
    /// `user` for the caller's own, `global` for everybody's.
    #[schema(example = "user")]
    scope: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Alias> for AliasView {
    fn from(alias: Alias) -> Self {
        Self {
            name: alias.name,
            targets: alias.targets.iter().map(ModelName::to_string).collect(),
            context_target: alias.context_target.as_ref().map(ModelName::to_string),
            scope: if alias.is_global { "global" } else { "user" },
            created_at: alias.created_at,
            updated_at: alias.updated_at,
        }
    }
}

impl PutAlias {
    /// The alias of this name.
    ///
    /// # Errors
    /// 422, naming the field, where a request could never use it.
    pub fn into_alias(self, name: String) -> Result<NewAlias, ApiError> {
        check_name(&name)?;
        if !(1..=MAX_TARGETS).contains(&self.targets.len()) {
            return Err(ApiError::invalid_field("targets", "must be from 1 to 8 models"));
        }
        let targets = self.targets.iter().map(|target| model("targets", target)).collect::<Result<Vec<_>, _>>()?;
        let context_target = self.context_target.map(|target| model("context_target", &target)).transpose()?;
        Ok(NewAlias { name, targets, context_target })
    }
}

/// 400 for one name more than there may be.
pub fn too_many_aliases() -> ApiError {
    ApiError::bad_request("There are 200 aliases already: delete one first")
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let refused = |reason| Err(ApiError::invalid_field("name", reason));
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return refused("must be from 1 to 100 characters");
    }
    if name.trim() != name || name.chars().any(char::is_control) {
        return refused("must not hold control characters, nor spaces around it");
    }
    match name.split_once(':') {
        // It would be read as that provider's model.
        Some((prefix, _)) if prefix.parse::<ProviderId>().is_ok() => refused("must not begin with a provider's name"),
        _ => Ok(()),
    }
}

fn model(field: &str, text: &str) -> Result<ModelName, ApiError> {
    let refused = |reason: &str| ApiError::invalid_field(field, reason);
    let name: ModelName = text.trim().parse().map_err(|_| refused("must be `provider:model` of a known provider"))?;
    if name.model.chars().count() > MAX_MODEL || name.model.chars().any(char::is_control) {
        return Err(refused("a model's name has at most 255 characters, and none of them for control"));
    }
    match name.provider.family() {
        WireFamily::Unsupported => Err(refused("names a provider that cannot be called")),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(name: &str, targets: &[&str], context: Option<&str>) -> Result<NewAlias, ApiError> {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        PutAlias { targets, context_target: context.map(str::to_owned) }.into_alias(name.to_owned())
    }

    #[test]
    fn what_no_request_could_use_is_refused() {
        let long = "n".repeat(101);
        for name in ["", " fast", "fa\nst", "openai:gpt-4o", "OpenAI:x", &long] {
            assert!(put(name, &["openai:gpt-4o"], None).is_err(), "{name:?}");
        }
        for name in ["fast", "llama3:8b", "team/fast", "schnell \u{1f680}", &long[1..]] {
            assert!(put(name, &["openai:gpt-4o"], None).is_ok(), "{name:?}");
        }
        for targets in [&[][..], &["gpt-4o"], &["nobody:x"], &["openai:"], &["other:x"], &["openai:a"; 9]] {
            assert!(put("fast", targets, None).is_err(), "{targets:?}");
        }
        assert!(put("fast", &["openai:a"; 8], Some("google:gemini-pro")).is_ok());
        assert!(put("fast", &["openai:a"], Some("gemini-pro")).is_err());
    }
}
