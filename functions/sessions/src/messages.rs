//! An exchange as the two messages that clients show.

use llm_api_domain::{ArtifactId, ExchangeId, ExchangeStatus, Timestamp};
use llm_api_storage::Exchange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Both halves of an exchange have its id and its time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Message {
    #[schema(value_type = String)]
    id: ExchangeId,
    /// `user` or `assistant`.
    role: &'static str,
    content: String,
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// `completed`, or `incomplete` for a reply that was cut short.
    #[schema(value_type = String)]
    status: ExchangeStatus,
    /// Of the user: data URLs; of the assistant: plain base64.
    images: Option<Vec<String>>,
    artifact_urls: Option<Vec<String>>,
    /// Who answered.
    model_name: Option<String>,
    provider: Option<String>,
}

/// What stands in the columns beside the texts.
#[derive(Debug, Default, Deserialize)]
struct Files {
    #[serde(default)]
    images: Option<Vec<String>>,
    #[serde(default)]
    artifacts: Option<Vec<Artifact>>,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    id: ArtifactId,
}

impl Files {
    fn read(column: Option<&str>) -> Self {
        column.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// The messages of a session's exchanges, in order. A half without any content is left out.
pub(crate) fn messages(exchanges: Vec<Exchange>, link: impl Fn(ArtifactId) -> String) -> Vec<Message> {
    exchanges.into_iter().flat_map(|exchange| halves(exchange, &link)).flatten().collect()
}

fn halves(exchange: Exchange, link: &impl Fn(ArtifactId) -> String) -> [Option<Message>; 2] {
    let half = |role, content: Option<String>, files: Files| {
        let images = files.images.filter(|images| !images.is_empty());
        let links: Vec<String> = files.artifacts.into_iter().flatten().map(|artifact| link(artifact.id)).collect();
        let content = content.unwrap_or_default();
        let is_empty = content.is_empty() && images.is_none() && links.is_empty();
        (!is_empty).then(|| Message {
            id: exchange.id,
            role,
            content,
            created_at: exchange.created_at,
            status: ExchangeStatus::Completed,
            images,
            artifact_urls: (!links.is_empty()).then_some(links),
            model_name: None,
            provider: None,
        })
    };
    let asked = half("user", exchange.prompt, Files::read(exchange.input.as_deref()));
    let answered = half("assistant", exchange.reply, Files::read(exchange.output.as_deref()));
    let answered = answered.map(|message| Message {
        status: exchange.status,
        // Those of an earlier service do not say.
        model_name: Some(exchange.model).filter(|model| !model.is_empty()),
        provider: Some(exchange.provider).filter(|provider| !provider.is_empty()),
        ..message
    });
    [asked, answered]
}
