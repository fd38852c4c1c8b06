//! How much a model thinks, as each family wants to be told.

use serde_json::{Map, Value, json};

use super::family::{Claude, ClaudeThinking, Family};
use crate::{Effort, Format, Losses, Member, Reasoning, Unsupported};

/// The fewest tokens that Claude can be told to think in.
const LEAST: i64 = 1_024;
/// The most that an effort stands for: with [`ROOM`] it fits into the shortest limit of the models with budgets.
const MOST: i64 = 24_576;
/// Tokens for the reply beside the thoughts, where the request has no limit: the service's own may be smaller than the
/// budget.
const ROOM: i64 = 7_168;

const ALWAYS: &str = "this model always thinks";

/// What a request's thinking changes elsewhere in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Thoughts {
    /// Whether it was told to think.
    pub(super) on: bool,
    pub(super) max_tokens: Option<i64>,
}

/// Where the words go.
pub(super) struct Places<'a> {
    /// `additionalModelRequestFields`
    pub(super) additional: &'a mut Map<String, Value>,
    /// `outputConfig`
    pub(super) output: &'a mut Map<String, Value>,
}

/// `sampled` is whether the request has a temperature or top-p.
pub(super) fn write(
    reasoning: Option<Reasoning>,
    family: Family,
    max_tokens: Option<i64>,
    sampled: bool,
    (origin, losses): (Format, &mut Losses),
    places: Places<'_>,
) -> Result<Thoughts, Unsupported> {
    let plain = Thoughts { on: false, max_tokens };
    let Some(reasoning) = reasoning else { return Ok(plain) };
    let name = Member::Reasoning.name(origin);
    let effort = reasoning.effort.or_else(|| reasoning.budget_tokens.map(Effort::of_budget));
    match family {
        Family::Claude(claude) => claude_thoughts(claude, reasoning, effort, plain, (origin, losses), places),
        Family::Nova { thinks: true } => {
            if let Some(word) = nova_word(effort, max_tokens.is_some() || sampled, name, losses) {
                places
                    .additional
                    .insert("reasoningConfig".into(), json!({"type": "enabled", "maxReasoningEffort": word}));
            }
            Ok(plain)
        }
        Family::Openai { open } => {
            match openai_word(effort, open) {
                Ok(Some(word)) => {
                    places.additional.insert("reasoning_effort".into(), word.into());
                }
                Ok(None) => {}
                Err(reason) => losses.cannot_because(name, reason)?,
            }
            Ok(plain)
        }
        Family::Nova { thinks: false } | Family::Mistral | Family::Older | Family::Other => {
            // Only what was asked for in so many words is missed.
            if effort.is_some_and(|effort| effort != Effort::None) {
                losses.cannot_because(name, "Amazon Bedrock has no such setting for this model")?;
            }
            Ok(plain)
        }
    }
}

fn claude_thoughts(
    claude: Claude,
    reasoning: Reasoning,
    effort: Option<Effort>,
    plain: Thoughts,
    (origin, losses): (Format, &mut Losses),
    Places { additional, output }: Places<'_>,
) -> Result<Thoughts, Unsupported> {
    let name = Member::Reasoning.name(origin);
    if effort == Some(Effort::None) {
        if claude.always_thinks() {
            losses.cannot_because(name, ALWAYS)?;
        } else if claude.thinks_unasked() {
            additional.insert("thinking".into(), json!({"type": "disabled"}));
        }
        return Ok(plain);
    }
    match claude.thinking() {
        ClaudeThinking::Never => {
            losses.cannot_because(name, "this model does not think")?;
            Ok(plain)
        }
        ClaudeThinking::Adaptive => {
            let mut thinking = Map::from_iter([("type".to_owned(), json!("adaptive"))]);
            if let Some(show) = reasoning.show {
                thinking.insert("display".into(), if show { "summarized" } else { "omitted" }.into());
            }
            additional.insert("thinking".into(), thinking.into());
            if let Some(effort) = effort {
                output.insert("effort".into(), claude_word(effort).into());
            }
            Ok(Thoughts { on: true, ..plain })
        }
        ClaudeThinking::Budget => budget(reasoning, effort, plain, (origin, losses), additional),
    }
}

fn budget(
    reasoning: Reasoning,
    effort: Option<Effort>,
    plain: Thoughts,
    (origin, losses): (Format, &mut Losses),
    additional: &mut Map<String, Value>,
) -> Result<Thoughts, Unsupported> {
    let name = Member::Reasoning.name(origin);
    let by_effort = || effort.unwrap_or(Effort::Medium).budget_tokens().min(MOST);
    let wanted = reasoning.budget_tokens.unwrap_or_else(by_effort).max(LEAST);
    let (budget, max_tokens) = match plain.max_tokens {
        None => (wanted, wanted.saturating_add(ROOM)),
        Some(max) if max > wanted => (wanted, max),
        // The limit counts thoughts too: half of it is left for the reply.
        Some(max) if max > LEAST => {
            if reasoning.budget_tokens.is_some() {
                losses.hint(name);
            }
            ((max / 2).max(LEAST), max)
        }
        Some(_) => {
            let limit = Member::MaxTokens.name(origin);
            losses
                .cannot_because(name, &format!("this model thinks in {LEAST} tokens at least, more than `{limit}`"))?;
            return Ok(plain);
        }
    };
    additional.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": budget}));
    Ok(Thoughts { on: true, max_tokens: Some(max_tokens) })
}

const fn claude_word(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "max",
    }
}

/// With the highest effort Nova wants neither a limit nor a temperature nor top-p.
fn nova_word(effort: Option<Effort>, limited: bool, name: &str, losses: &mut Losses) -> Option<&'static str> {
    match effort.unwrap_or(Effort::Medium) {
        Effort::None => None,
        Effort::Minimal | Effort::Low => Some("low"),
        Effort::High | Effort::Max if !limited => Some("high"),
        Effort::High | Effort::Max => {
            losses.hint(name);
            Some("medium")
        }
        Effort::Medium => Some("medium"),
    }
}

fn openai_word(effort: Option<Effort>, open: bool) -> Result<Option<&'static str>, &'static str> {
    Ok(match effort {
        None => None,
        Some(Effort::None) if open => return Err(ALWAYS),
        Some(Effort::None) => Some("none"),
        Some(Effort::Minimal | Effort::Low) => Some("low"),
        Some(Effort::Medium) => Some("medium"),
        Some(Effort::Max) if !open => Some("xhigh"),
        Some(Effort::High | Effort::Max) => Some("high"),
    })
}
