//! Members in Google's own words, which callers of other formats may send too.

use serde_json::{Map, Value};

use crate::{Format, Losses, Unsupported, extra};

/// Google's name, and how its Python clients write it.
const BESIDE: [(&str, &str); 4] = [
    ("safetySettings", "safety_settings"),
    ("cachedContent", "cached_content"),
    ("labels", "labels"),
    ("toolConfig", "tool_config"),
];
/// The same, of members of `generationConfig`.
const WITHIN: [(&str, &str); 5] = [
    ("responseModalities", "response_modalities"),
    ("mediaResolution", "media_resolution"),
    ("speechConfig", "speech_config"),
    ("imageConfig", "image_config"),
    ("thinkingConfig", "thinking_config"),
];
const CONFIG: (&str, &str) = ("generationConfig", "generation_config");
/// Google's compatible API has its own members in one of this name, which may stand in another.
const WRAPPERS: [&str; 2] = ["extra_body", "google"];

/// Writes what Google knows of `extra` into `body`. An object joins the one that is there; anything else replaces what
/// is there.
///
/// | member | becomes |
/// |---|---|
/// | [`BESIDE`] and [`CONFIG`] | itself, by Google's name |
/// | [`WITHIN`] | a member of `generationConfig` |
/// | [`WRAPPERS`] | what their members become |
/// | any other, of Google's format | itself |
/// | any other | see [`extra::leave_out`] |
pub(super) fn write(
    extra: Map<String, Value>,
    origin: Format,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Unsupported> {
    within("", extra, origin, body, losses)
}

/// `path` is that of the object, with a dot behind it.
fn within(
    path: &str,
    members: Map<String, Value>,
    origin: Format,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Unsupported> {
    for (name, value) in members {
        if origin == Format::GoogleGemini {
            join(body, &name, value);
        } else if let Some(own) = known(&BESIDE, &name).or(known(&[CONFIG], &name)) {
            join(body, own, value);
        } else if let Some(own) = known(&WITHIN, &name) {
            join(body, CONFIG.0, Value::Object(Map::from_iter([(own.to_owned(), value)])));
        } else {
            match value {
                Value::Object(inner) if WRAPPERS.contains(&name.as_str()) => {
                    within(&format!("{path}{name}."), inner, origin, body, losses)?;
                }
                value => extra::leave_out(&format!("{path}{name}"), &value, losses)?,
            }
        }
    }
    Ok(())
}

fn known(table: &[(&'static str, &str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(own, python)| *own == name || *python == name).map(|(own, _)| *own)
}

fn join(body: &mut Map<String, Value>, name: &str, value: Value) {
    match (body.get_mut(name), value) {
        (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
        (_, value) => {
            body.insert(name.to_owned(), value);
        }
    }
}
