//! One request for each feature, in each caller's format that has it, and the body that each provider is sent.

use std::collections::BTreeMap;

use llm_api_translate::{Format, Losses, OnUnsupported, Unsupported, read_request, write_request};
use serde_json::{Map, Value, json};

use crate::golden::{CALLERS, Differences, names, path, read, read_json};

/// Where a feature's folder has no `models.json`.
pub(crate) const MODELS: [(Format, &str); 6] = [
    (Format::OpenaiChat, "gpt-5.1"),
    (Format::OpenaiResponses, "gpt-5.1"),
    (Format::AnthropicMessages, "claude-opus-4-6"),
    (Format::GoogleGemini, "gemini-3-pro-preview"),
    (Format::BedrockConverse, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (Format::OllamaChat, "qwen3:8b"),
];

/// What became of a request at one provider.
pub(crate) enum Outcome {
    Sent {
        body: Value,
        dropped: Vec<String>,
    },
    /// `allowed` is what is sent where the caller allows to leave things out.
    Refused {
        why: Unsupported,
        allowed: Option<(Value, Vec<String>)>,
    },
}

impl Outcome {
    fn of(caller: Format, body: &[u8], target: Format, model: &str) -> Self {
        match translate(caller, body, target, model, OnUnsupported::Refuse) {
            Ok((body, dropped)) => Self::Sent { body, dropped },
            Err(why) => {
                let allowed = translate(caller, body, target, model, OnUnsupported::Drop).ok();
                Self::Refused { why, allowed }
            }
        }
    }

    /// As it stands in a golden file.
    fn told(&self) -> Value {
        let mut told = Map::new();
        let sent = |body: &Value, dropped: &[String], told: &mut Map<String, Value>| {
            if !dropped.is_empty() {
                told.insert("dropped".to_owned(), json!(dropped));
            }
            told.insert("body".to_owned(), body.clone());
        };
        match self {
            Self::Sent { body, dropped } => sent(body, dropped, &mut told),
            Self::Refused { why, allowed } => {
                told.insert("refused".to_owned(), json!({"param": why.param, "message": why.message}));
                match allowed {
                    Some((body, dropped)) => sent(body, dropped, &mut told),
                    None => drop(told.insert("even with leave to drop".to_owned(), true.into())),
                }
            }
        }
        told.into()
    }

    pub(crate) fn body(&self) -> Option<&Value> {
        match self {
            Self::Sent { body, .. } | Self::Refused { allowed: Some((body, _)), .. } => Some(body),
            Self::Refused { allowed: None, .. } => None,
        }
    }
}

fn translate(
    caller: Format,
    body: &[u8],
    target: Format,
    model: &str,
    on_unsupported: OnUnsupported,
) -> Result<(Value, Vec<String>), Unsupported> {
    let request = read_request(caller, body).expect("a request of its format");
    let mut losses = Losses::new(target, on_unsupported);
    let body = write_request(target, request, model, &mut losses)?;
    Ok((body, losses.dropped().to_vec()))
}

/// By feature, then caller, then provider.
pub(crate) type Outcomes = BTreeMap<String, Vec<(Format, Vec<(Format, Outcome)>)>>;

pub(crate) fn outcomes() -> Outcomes {
    let of_feature = |feature: String| {
        let callers = callers_of(&feature).into_iter().map(|caller| (caller, of_caller(&feature, caller))).collect();
        (feature, callers)
    };
    features().into_iter().map(of_feature).collect()
}

pub(crate) fn features() -> Vec<String> {
    names("requests")
}

/// Whose format has the feature.
pub(crate) fn callers_of(feature: &str) -> Vec<Format> {
    let has = |caller: &Format| path(&format!("requests/{feature}/{}.json", caller.name())).exists();
    CALLERS.into_iter().filter(has).collect()
}

fn of_caller(feature: &str, caller: Format) -> Vec<(Format, Outcome)> {
    let body = read(&format!("requests/{feature}/{}.json", caller.name()));
    let models = format!("requests/{feature}/models.json");
    let models = if path(&models).exists() { read_json(&models) } else { Value::Null };
    let of_target = |(target, model): (Format, &'static str)| {
        let model = models[target.name()].as_str().unwrap_or(model);
        (target, Outcome::of(caller, body.as_bytes(), target, model))
    };
    MODELS.into_iter().map(of_target).collect()
}

#[test]
fn each_provider_gets_its_own_body() {
    let outcomes = outcomes();
    assert!(outcomes.len() > 80, "{}", outcomes.len());
    let mut differences = Differences::default();
    for (feature, callers) in &outcomes {
        assert!(!callers.is_empty(), "{feature}");
        for (caller, targets) in callers {
            let told: Map<String, Value> =
                targets.iter().map(|(target, outcome)| (target.name().to_owned(), outcome.told())).collect();
            differences.compare_json(&format!("requests/{feature}/{}.to.json", caller.name()), &told.into());
        }
    }
    differences.none();
}

/// What is refused is named by a member that the caller sent.
#[test]
fn refusals_name_a_member_of_the_request() {
    for (feature, callers) in outcomes() {
        for (caller, targets) in callers {
            let body = read_json(&format!("requests/{feature}/{}.json", caller.name()));
            for (target, outcome) in targets {
                if let Outcome::Refused { why, .. } = outcome {
                    let first = why.param.split('.').next().expect("a name");
                    // The older form's name for it.
                    let first = if body.get("function_call").is_some() { "function_call" } else { first };
                    let place = format!("{feature} from {} to {}: {}", caller.name(), target.name(), why.param);
                    assert!(body.get(first).is_some(), "{place}");
                    assert!(why.message.contains(&why.param), "{place}");
                }
            }
        }
    }
}
