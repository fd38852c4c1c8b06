//! The last exchange of a session once more.

use llm_api_domain::{ProviderId, SessionId};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{GenerateCall, Relay, RelayError, Replaced, SelectionMode, Subject};

/// What may be asked for differently than the first time.
#[derive(Debug)]
pub struct RegenerateCall {
    pub subject: Subject,
    pub session: SessionId,
    /// The model of the first time when not given.
    pub model: Option<String>,
    pub parameters: Map<String, Value>,
    pub selection_mode: Option<SelectionMode>,
}

/// What the exchange's input column holds beside the prompt.
#[derive(Debug, Default, Deserialize)]
struct Input {
    #[serde(default)]
    images: Option<Vec<String>>,
}

impl Relay {
    /// The call that asks again. The old exchange stays until the new reply is whole.
    pub async fn regeneration(&self, call: RegenerateCall) -> Result<GenerateCall, RelayError> {
        let user = call.subject.user;
        let session = self.open_session(user, call.session).await?;
        let last = self.0.config.store.exchanges().last(user, session.id).await?;
        let last = last.ok_or(RelayError::NothingToRegenerate)?;
        let input: Input = last.input.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let (prompt, images) = (last.prompt.unwrap_or_default(), input.images.unwrap_or_default());
        if prompt.is_empty() && images.is_empty() {
            return Err(RelayError::NoUserMessage);
        }
        // A mode that chooses among models stands against the model of the first time.
        let chosen_anew = matches!(
            call.selection_mode,
            Some(SelectionMode::Auto | SelectionMode::FreeOnly | SelectionMode::CommercialOnly)
        );
        let same = (!chosen_anew && !last.model.is_empty()).then(|| whole_name(&last.provider, last.model));
        Ok(GenerateCall {
            subject: call.subject,
            endpoint: "regenerate",
            modality: last.modality,
            provider: None,
            model: call.model.or(same),
            selection_mode: call.selection_mode.unwrap_or_default(),
            system_prompt: None,
            prompt,
            images,
            parameters: call.parameters,
            session: Some(session.id),
            replaces: Some(Replaced { exchange: last.id, sequence: last.sequence }),
            state_tokens: None,
        })
    }
}

/// The name that leads to this provider, whatever colons the model's own has. Imported exchanges may not tell of any.
fn whole_name(provider: &str, model: String) -> String {
    match provider.parse::<ProviderId>() {
        Ok(provider) => format!("{provider}:{model}"),
        Err(_) => model,
    }
}
