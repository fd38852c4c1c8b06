//! `options`, and Ollama's own members in requests of other formats.

use serde_json::{Map, Value};

use crate::{Format, Losses, Member, Sampling, Unsupported, extra};

/// Members of a request in Ollama's own words. Where a member of the sender's format says the same, these win: they
/// were written for Ollama.
const OWN: [&str; 5] = ["format", "keep_alive", "think", "truncate", "shift"];

/// Members of `options`, which senders also write beside the rest. The second name is what other servers of local
/// models call it.
const OPTIONS: [(&str, &str); 15] = [
    ("num_ctx", "num_ctx"),
    ("num_predict", "num_predict"),
    ("num_keep", "num_keep"),
    ("num_batch", "num_batch"),
    ("num_gpu", "num_gpu"),
    ("num_thread", "num_thread"),
    ("main_gpu", "main_gpu"),
    ("use_mmap", "use_mmap"),
    ("draft_num_predict", "draft_num_predict"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("typical_p", "typical_p"),
    ("repeat_last_n", "repeat_last_n"),
    ("repeat_penalty", "repetition_penalty"),
    ("repeat_penalty", "repeat_penalty"),
];

pub(super) fn write(
    max_tokens: Option<i64>,
    sampling: Sampling,
    origin: Format,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Unsupported> {
    let Sampling { temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, seed, stop, logit_bias } =
        sampling;
    let mut options = Map::new();
    let given = [
        ("num_predict", max_tokens.map(Value::from)),
        ("temperature", temperature.map(Value::from)),
        ("top_k", top_k.map(Value::from)),
        ("top_p", top_p.map(Value::from)),
        ("min_p", min_p.map(Value::from)),
        ("seed", seed.map(Value::from)),
        ("stop", (!stop.is_empty()).then(|| stop.into())),
        ("presence_penalty", presence_penalty.map(Value::from)),
        ("frequency_penalty", frequency_penalty.map(Value::from)),
    ];
    options.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    if !logit_bias.is_empty() {
        losses.cannot(Member::LogitBias.name(origin))?;
    }
    Ok(options)
}

/// Writes what Ollama knows of `extra` into `body`, and its options into `options`.
///
/// | member | becomes |
/// |---|---|
/// | `options` | its members join `options`, and win there |
/// | [`OWN`] | itself |
/// | [`OPTIONS`] | a member of `options` |
/// | `extra_body` | what its members become |
/// | any other, of Ollama's format | itself |
/// | any other | see [`extra::leave_out`] |
pub(super) fn write_extra(
    extra: Map<String, Value>,
    origin: Format,
    body: &mut Map<String, Value>,
    options: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Unsupported> {
    within("", extra, origin, (body, options), losses)
}

/// `path` is that of the object, with a dot behind it.
fn within(
    path: &str,
    members: Map<String, Value>,
    origin: Format,
    (body, options): (&mut Map<String, Value>, &mut Map<String, Value>),
    losses: &mut Losses,
) -> Result<(), Unsupported> {
    for (name, value) in members {
        if name == "options" {
            let Value::Object(given) = value else {
                return Err(losses.never(&format!("{path}{name}"), "it must be an object"));
            };
            options.extend(given);
        } else if OWN.contains(&name.as_str()) || origin == Format::OllamaChat {
            body.insert(name, value);
        } else if let Some((own, _)) = OPTIONS.iter().find(|(_, known)| *known == name) {
            options.insert((*own).to_owned(), value);
        } else {
            match value {
                // What clients add to a body by hand; some send the wrapper along.
                Value::Object(inner) if name == "extra_body" => {
                    within(&format!("{path}{name}."), inner, origin, (&mut *body, &mut *options), losses)?;
                }
                value => extra::leave_out(&format!("{path}{name}"), &value, losses)?,
            }
        }
    }
    Ok(())
}
