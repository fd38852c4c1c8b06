//! How much the model thinks.

use serde_json::{Map, Value};

use super::{DEFAULT_MAX_TOKENS, OWN, model::Model};
use crate::{Effort, Format, Losses, Member, Reasoning};

/// The least that the API takes.
const LEAST_BUDGET: i64 = 1_024;
/// What Opus 4, the model with the shortest replies of those that think, can write: no more is asked for unasked.
const MOST_UNASKED: i64 = 32_000;

/// What comes of the sender's wish.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) thinking: Option<Map<String, Value>>,
    pub(super) effort: Option<&'static str>,
    pub(super) max_tokens: i64,
    /// Whether the model thinks, as far as the request says.
    pub(super) is_on: bool,
}

/// What thinking depends on beside the sender's wish.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    pub(super) origin: Format,
    pub(super) model: Model,
    pub(super) max_tokens: Option<i64>,
    /// Whether a tool must be called: the API forbids to think before it.
    pub(super) is_call_forced: bool,
    /// Whether results of calls come that Claude's thoughts did not lead to: with a budget, the API wants those thoughts.
    pub(super) lacks_thoughts: bool,
}

pub(super) fn plan(reasoning: Option<Reasoning>, around: Surroundings, losses: &mut Losses) -> Plan {
    let plain = Plan {
        thinking: None,
        effort: None,
        max_tokens: around.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        is_on: false,
    };
    match reasoning {
        None => plain,
        Some(reasoning) if around.origin == OWN => as_sent(reasoning, around.max_tokens),
        Some(reasoning) => fitted(reasoning, plain, around, losses),
    }
}

/// The reverse of what is read.
fn as_sent(reasoning: Reasoning, max_tokens: Option<i64>) -> Plan {
    let Reasoning { effort, budget_tokens, show } = reasoning;
    let thinking = match (budget_tokens, effort, show) {
        (Some(..=0), ..) | (None, Some(Effort::None), _) => Some(mode("disabled")),
        (Some(budget), _, show) => Some(with_budget(budget, show == Some(false))),
        (None, _, Some(show)) => Some(adaptive(Some(show))),
        (None, _, None) => None,
    };
    let room = budget_tokens.filter(|budget| *budget > 0).unwrap_or(0);
    Plan {
        is_on: false,
        thinking,
        effort: effort.and_then(word),
        max_tokens: max_tokens.unwrap_or(DEFAULT_MAX_TOKENS.saturating_add(room)),
    }
}

fn fitted(reasoning: Reasoning, plain: Plan, around: Surroundings, losses: &mut Losses) -> Plan {
    let Reasoning { effort, budget_tokens, show } = reasoning;
    let member = Member::Reasoning.name(around.origin);
    let effort = effort.or(budget_tokens.map(Effort::of_budget));
    let (model, is_wanted) = (around.model, effort.is_some() || show == Some(true));
    if !is_wanted {
        return plain;
    }
    if effort == Some(Effort::None) {
        if !model.always_thinks() {
            return Plan { thinking: Some(mode("disabled")), ..plain };
        }
        losses.hint(member);
        return Plan { effort: Some("low"), ..plain };
    }
    let is_adaptive = model.thinks_adaptively();
    if model.cannot_think() || around.is_call_forced || (around.lacks_thoughts && !is_adaptive) {
        losses.hint(member);
        return plain;
    }
    let wanted = budget_tokens.unwrap_or_else(|| effort.unwrap_or(Effort::Medium).budget_tokens()).max(LEAST_BUDGET);
    let unasked = DEFAULT_MAX_TOKENS.saturating_add(wanted).min(MOST_UNASKED);
    let max_tokens = around.max_tokens.unwrap_or(unasked);
    if is_adaptive {
        return Plan { thinking: Some(adaptive(show)), effort: effort.and_then(word), max_tokens, is_on: true };
    }
    if max_tokens <= LEAST_BUDGET {
        losses.hint(member);
        return plain;
    }
    // The reply is to have room: thoughts count against the same cap. One that was not asked for has it already.
    let most = if around.max_tokens.is_some() { max_tokens / 2 } else { max_tokens - DEFAULT_MAX_TOKENS };
    let budget = wanted.min(most.max(LEAST_BUDGET));
    let is_hidden = show == Some(false) && model.is_known();
    Plan { thinking: Some(with_budget(budget, is_hidden)), effort: None, max_tokens, is_on: true }
}

fn mode(kind: &str) -> Map<String, Value> {
    super::map([("type", kind.into())])
}

fn with_budget(budget: i64, is_hidden: bool) -> Map<String, Value> {
    let mut thinking = mode("enabled");
    thinking.insert("budget_tokens".to_owned(), budget.into());
    if is_hidden {
        thinking.insert("display".to_owned(), "omitted".into());
    }
    thinking
}

/// What is shown unless it is said depends on the model.
fn adaptive(show: Option<bool>) -> Map<String, Value> {
    let mut thinking = mode("adaptive");
    if let Some(show) = show {
        thinking.insert("display".to_owned(), if show { "summarized" } else { "omitted" }.into());
    }
    thinking
}

fn word(effort: Effort) -> Option<&'static str> {
    match effort {
        Effort::None => None,
        Effort::Minimal | Effort::Low => Some("low"),
        Effort::Medium => Some("medium"),
        Effort::High => Some("high"),
        Effort::Max => Some("max"),
    }
}
