//! The exchange of one request with a session: stored once the reply is there, and also when it is cut short.

use llm_api_domain::{ExchangeId, ExchangeStatus, Modality, SessionId};
use llm_api_storage::{NewExchange, Recorded};
use serde_json::{Map, Value, json};

use crate::{GenerateCall, Relay, RelayError, Target, history::Replaced};

/// A title is cut to fit, with dots in place of what is missing.
const TITLE_CHARS: usize = 50;

/// How a reply ended.
#[derive(Clone, Copy)]
pub(crate) struct Ending<'e> {
    pub(crate) status: ExchangeStatus,
    pub(crate) finish_reason: Option<&'e str>,
    pub(crate) error_code: Option<&'static str>,
}

/// Collects the reply of a streamed request. Dropped before its end, what came so far is stored as incomplete.
#[derive(Debug)]
pub(crate) struct Transcript {
    relay: Relay,
    pub(crate) text: String,
    /// `None` for a request without a session, and once it is stored.
    exchange: Option<Box<NewExchange>>,
    /// Whether the exchange is as it is to be stored.
    is_finished: bool,
}

impl Transcript {
    /// Begins with what was asked.
    pub(crate) fn new(relay: &Relay, call: &GenerateCall, target: &Target, session: Option<SessionId>) -> Self {
        let config = &relay.0.config;
        let exchange = session.map(|session| {
            let now = config.clock.now();
            Box::new(NewExchange {
                id: ExchangeId::new(now),
                user: call.subject.user,
                session,
                request: call.subject.request,
                modality: call.modality,
                provider: target.provider.to_string(),
                model: target.model.clone(),
                prompt: Some(call.prompt.clone()).filter(|prompt| !prompt.is_empty()),
                input: (!call.images.is_empty()).then(|| json!({ "images": call.images, "mesh": null }).to_string()),
                reply: None,
                output: None,
                status: ExchangeStatus::Completed,
                finish_reason: None,
                error_code: None,
                state_tokens: call.state_tokens.as_ref().map(|tokens| Value::Object(tokens.clone()).to_string()),
                title_when_untitled: title(&call.prompt),
                replaces: call.replaces.map(|Replaced { exchange, .. }| exchange),
                created_at: now,
            })
        });
        Self { relay: relay.clone(), text: String::new(), exchange, is_finished: false }
    }

    /// A stand-in answers.
    pub(crate) fn served_by(&mut self, target: &Target) {
        if let Some(exchange) = &mut self.exchange {
            exchange.provider = target.provider.to_string();
            exchange.model.clone_from(&target.model);
        }
    }

    /// Files that were made; as JSON, for the column.
    pub(crate) fn output(&mut self, output: &Map<String, Value>) {
        if let Some(exchange) = &mut self.exchange {
            exchange.output = Some(Value::Object(output.clone()).to_string());
        }
    }

    /// Stores the exchange and waits for it. What cannot be stored now is tried again behind the reply's back, and the
    /// sentence says so.
    pub(crate) async fn store(&mut self, ending: Ending<'_>) -> Option<String> {
        self.finish(ending);
        let store = &self.relay.0.config.store;
        let recorded = store.exchanges().record(self.exchange.as_deref()?).await;
        // Not before: the client may leave while the database works, and then `drop` still has it.
        let exchange = self.exchange.take()?;
        match recorded {
            Ok(Recorded::Stored) => None,
            Ok(Recorded::SessionGone) => Some("The session was deleted while this reply was made".to_owned()),
            Err(error) => {
                tracing::warn!(%error, session_id = %exchange.session, "an exchange waits for the database");
                store.exchanges().record_later(*exchange);
                Some("The database does not answer: this exchange will be stored once it does".to_owned())
            }
        }
    }

    /// The reply ended early. A failed second try takes nothing's place, and a reply without a word is no exchange.
    pub(crate) async fn cut_short(&mut self, error: &RelayError) {
        if self.is_worth_keeping() {
            self.store(Self::incomplete(error.code())).await;
        }
        self.exchange = None;
    }

    fn incomplete(error_code: &'static str) -> Ending<'static> {
        Ending { status: ExchangeStatus::Incomplete, finish_reason: None, error_code: Some(error_code) }
    }

    fn is_worth_keeping(&self) -> bool {
        !self.text.is_empty() && self.exchange.as_ref().is_some_and(|exchange| exchange.replaces.is_none())
    }

    fn finish(&mut self, ending: Ending<'_>) {
        let Some(exchange) = &mut self.exchange else { return };
        exchange.reply = match exchange.modality {
            Modality::Text => Some(std::mem::take(&mut self.text)),
            Modality::Image | Modality::ThreeD => None,
        };
        exchange.status = ending.status;
        exchange.finish_reason = ending.finish_reason.map(str::to_owned);
        exchange.error_code = ending.error_code.map(str::to_owned);
        self.is_finished = true;
    }
}

impl Drop for Transcript {
    /// The client has left.
    fn drop(&mut self) {
        if self.is_worth_keeping() {
            self.finish(Self::incomplete("client_left"));
        }
        if self.is_finished
            && let Some(exchange) = self.exchange.take()
        {
            self.relay.0.config.store.exchanges().record_later(*exchange);
        }
    }
}

/// The title of a session that has none: how its first prompt begins.
fn title(prompt: &str) -> Option<String> {
    let prompt = prompt.trim();
    if prompt.is_empty() {
        return None;
    }
    if prompt.chars().count() <= TITLE_CHARS {
        return Some(prompt.to_owned());
    }
    let head: String = prompt.chars().take(TITLE_CHARS - 3).collect();
    Some(format!("{}...", head.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_beginning_of_the_prompt() {
        assert_eq!(title("  What is this? "), Some("What is this?".to_owned()));
        assert_eq!(title(" \n"), None);
        let fifty = "x".repeat(50);
        assert_eq!(title(&fifty), Some(fifty.clone()));
        assert_eq!(title(&"y".repeat(51)), Some(format!("{}...", "y".repeat(47))));
        let blank_at_the_cut = format!("{} and more", "z".repeat(46));
        assert_eq!(title(&blank_at_the_cut), Some(format!("{}...", "z".repeat(46))));
        assert_eq!(title(&"é".repeat(60)).map(|title| title.chars().count()), Some(50));
    }
}
