//! `generationConfig`.

use serde_json::{Map, Value, json};

use super::model::Model;
use crate::{Effort, Format, LogProbs, Losses, Member, Reasoning, ReplyFormat, Sampling, Unsupported};

/// The most texts to stop at.
const MOST_STOPS: usize = 5;

pub(super) struct Wanted {
    pub(super) format: Option<ReplyFormat>,
    pub(super) max_tokens: Option<i64>,
    pub(super) sampling: Sampling,
    pub(super) logprobs: Option<LogProbs>,
    pub(super) choices: Option<i64>,
    pub(super) reasoning: Option<Reasoning>,
}

pub(super) fn write(
    wanted: Wanted,
    origin: Format,
    model: Model<'_>,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Unsupported> {
    let Wanted { format, max_tokens, sampling, logprobs, choices, reasoning } = wanted;
    let mut config = Map::new();
    set(&mut config, "maxOutputTokens", max_tokens);
    write_sampling(sampling, origin, &mut config, losses)?;
    if let Some(LogProbs { top }) = logprobs {
        set(&mut config, "responseLogprobs", Some(true));
        set(&mut config, "logprobs", (top > 0).then_some(top));
    }
    if choices.is_some_and(|choices| choices != 1) {
        losses.cannot_because(Member::Choices.name(origin), "one reply is all that can be passed on")?;
    }
    if let Some(format) = format {
        write_format(format, &mut config);
    }
    if let Some(reasoning) = reasoning {
        let thinking = thinking(reasoning, origin, model, losses);
        set(&mut config, "thinkingConfig", (!thinking.is_empty()).then_some(thinking));
    }
    Ok(config)
}

fn set(config: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        config.insert(name.to_owned(), value.into());
    }
}

fn write_sampling(
    sampling: Sampling,
    origin: Format,
    config: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Unsupported> {
    let Sampling { temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, seed, mut stop, logit_bias } =
        sampling;
    set(config, "temperature", temperature);
    set(config, "topP", top_p);
    set(config, "topK", top_k);
    if min_p.is_some_and(|min_p| min_p > 0.0) {
        losses.cannot(Member::MinP.name(origin))?;
    }
    // Some models refuse the members themselves.
    set(config, "presencePenalty", presence_penalty.filter(|penalty| *penalty != 0.0));
    set(config, "frequencyPenalty", frequency_penalty.filter(|penalty| *penalty != 0.0));
    set(config, "seed", seed.map(seed_of_32_bits));
    if stop.len() > MOST_STOPS {
        losses.cannot_because(Member::Stop.name(origin), "Google's Gemini API stops at five texts at most")?;
        stop.truncate(MOST_STOPS);
    }
    set(config, "stopSequences", (!stop.is_empty()).then_some(stop));
    if !logit_bias.is_empty() {
        losses.cannot(Member::LogitBias.name(origin))?;
    }
    Ok(())
}

/// Google's seeds have 32 bits. A longer one is folded: all that counts is that the same gives the same.
fn seed_of_32_bits(seed: i64) -> i64 {
    if i32::try_from(seed).is_ok() { seed } else { (seed ^ (seed >> 32)) & 0x7fff_ffff }
}

/// Schemas are always followed: `strict` needs no word.
fn write_format(format: ReplyFormat, config: &mut Map<String, Value>) {
    match format {
        ReplyFormat::Text => return,
        ReplyFormat::JsonObject => {}
        ReplyFormat::JsonSchema { name, description, schema, strict: _ } => {
            config.insert("responseJsonSchema".to_owned(), named(schema, name, description));
        }
    }
    config.insert("responseMimeType".to_owned(), json!("application/json"));
}

/// A schema's name and description have no member of their own; JSON schema has a place for them.
fn named(mut schema: Value, name: Option<String>, description: Option<String>) -> Value {
    if let Some(object) = schema.as_object_mut().filter(|object| !object.contains_key("$ref")) {
        for (key, value) in [("title", name), ("description", description)] {
            if let Some(value) = value {
                object.entry(key).or_insert_with(|| Value::String(value));
            }
        }
    }
    schema
}

/// Budgets up to Gemini 2.5, levels since; never both.
fn thinking(reasoning: Reasoning, origin: Format, model: Model<'_>, losses: &mut Losses) -> Map<String, Value> {
    let Reasoning { effort, budget_tokens, show } = reasoning;
    let mut thinking = Map::new();
    if model.is_old() {
        if let Some(wanted) = budget_tokens.or(effort.map(Effort::budget_tokens)) {
            let budget = model.budget(wanted);
            if budget != wanted {
                losses.hint(Member::Reasoning.name(origin));
            }
            thinking.insert("thinkingBudget".to_owned(), budget.into());
        }
    } else if let Some(effort) = effort.or(budget_tokens.map(Effort::of_budget)) {
        let (level, is_same) = model.level(effort);
        if !is_same {
            losses.hint(Member::Reasoning.name(origin));
        }
        thinking.insert("thinkingLevel".to_owned(), level.into());
    }
    set(&mut thinking, "includeThoughts", show);
    thinking
}
