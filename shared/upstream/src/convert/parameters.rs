//! Parameters that more than one family must read.

use serde_json::{Map, Value};

use super::ConvertError;

/// Takes `format` out: whether the reply must be JSON. Text and Markdown are what models write anyway.
pub(super) fn take_json_format(parameters: &mut Map<String, Value>) -> Result<bool, ConvertError> {
    match parameters.remove("format").as_ref().map(Value::as_str) {
        None | Some(Some("text" | "markdown")) => Ok(false),
        Some(Some("json")) => Ok(true),
        Some(_) => Err(ConvertError::new("format", "It must be text, json or markdown.")),
    }
}

/// Takes the cap of the reply out, in tokens; OpenAI's newer name for it wins.
pub(super) fn take_max_tokens(parameters: &mut Map<String, Value>) -> Option<Value> {
    let older = parameters.remove("max_tokens");
    parameters.remove("max_completion_tokens").or(older)
}

/// Takes the texts that end the reply out, as a list.
pub(super) fn take_stop(parameters: &mut Map<String, Value>) -> Result<Option<Value>, ConvertError> {
    match parameters.remove("stop") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(Value::from(vec![text]))),
        Some(list @ Value::Array(_)) => Ok(Some(list)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            Err(ConvertError::new("stop", "It must be a text or a list of texts."))
        }
    }
}

/// Leaves out what the conversation itself decides.
pub(super) fn drop_own(parameters: &mut Map<String, Value>, own: &[&str]) {
    parameters.retain(|name, _| !own.contains(&name.as_str()));
}

/// Sets a parameter unless the sender gave it by the provider's own name.
pub(super) fn set(parameters: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        parameters.entry(name).or_insert(value);
    }
}
