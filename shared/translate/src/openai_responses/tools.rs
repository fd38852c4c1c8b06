//! Tools and which of them the model may call: both ways.

use serde_json::{Map, Value, json};

use super::OWN;
use super::members::{Members, not_one_of, wrong};
use crate::{Format, Function, Malformed, Tool, ToolChoice};

/// Members that mean something to OpenAI alone, with the value at which they mean nothing.
fn says_nothing(name: &str, value: &Value) -> bool {
    match name {
        "type" | "name" | "description" | "parameters" | "strict" => true,
        "defer_loading" | "async" => value == &Value::Bool(false),
        "allowed_callers" => value == &json!(["direct"]),
        _ => value.is_null(),
    }
}

pub(super) fn read_tool(value: Value, path: &str) -> Result<Tool, Malformed> {
    let Value::Object(members) = &value else { return Err(wrong(path, "an object")) };
    match members.get("type") {
        Some(Value::String(kind)) if kind == "function" => {}
        Some(Value::String(_)) => return Ok(Tool::Native(value)),
        Some(_) => return Err(wrong(format!("{path}.type"), "a string")),
        None => return Err(Members::new(value, path)?.missing("type")),
    }
    if !members.iter().all(|(name, value)| says_nothing(name, value)) && members.contains_key("name") {
        return Ok(Tool::Native(value));
    }
    let mut members = Members::new(value, path)?;
    let name = members.required_string("name")?;
    let parameters = members.value("parameters");
    if parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(wrong(members.path("parameters"), "a JSON schema"));
    }
    Ok(Tool::Function(Function {
        name,
        description: members.string("description")?,
        parameters,
        strict: members.bool("strict")?,
        cache: None,
    }))
}

/// Where the API is left to itself it makes functions strict; other formats do not.
pub(super) fn write_function(function: Function, origin: Format) -> Value {
    let Function { name, description, parameters, strict, cache: _ } = function;
    let mut tool = Map::new();
    tool.insert("type".to_owned(), json!("function"));
    tool.insert("name".to_owned(), Value::String(name));
    if let Some(description) = description {
        tool.insert("description".to_owned(), Value::String(description));
    }
    let parameters = parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    tool.insert("parameters".to_owned(), parameters);
    match strict {
        Some(strict) => tool.insert("strict".to_owned(), Value::Bool(strict)),
        None if origin == OWN => None,
        None => tool.insert("strict".to_owned(), Value::Bool(false)),
    };
    Value::Object(tool)
}

pub(super) fn read_choice(value: Value) -> Result<ToolChoice, Malformed> {
    match value {
        Value::String(word) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(not_one_of("tool_choice".to_owned(), &word, &["auto", "none", "required"])),
        },
        Value::Object(ref members) => match members.get("type").and_then(Value::as_str) {
            Some("function") => {
                let name = Members::new(value, "tool_choice")?.required_string("name")?;
                Ok(ToolChoice::Function(name))
            }
            Some("allowed_tools") => read_allowed(value),
            Some(_) => Ok(ToolChoice::Native(value)),
            None => Err(Malformed::new("tool_choice.type", "`tool_choice.type` must be a string.")),
        },
        _ => Err(wrong("tool_choice", "a string or an object")),
    }
}

fn read_allowed(value: Value) -> Result<ToolChoice, Malformed> {
    let Some(tools) = value.get("tools").and_then(Value::as_array) else {
        return Err(wrong("tool_choice.tools", "a list"));
    };
    let functions: Option<Vec<String>> = tools
        .iter()
        .map(|tool| {
            let kind = tool.get("type")?.as_str()?;
            let name = tool.get("name")?.as_str()?;
            (kind == "function").then(|| name.to_owned())
        })
        .collect();
    let Some(functions) = functions else { return Ok(ToolChoice::Native(value)) };
    match value.get("mode").and_then(Value::as_str) {
        Some("required") => Ok(ToolChoice::Allowed { functions, required: true }),
        Some("auto") => Ok(ToolChoice::Allowed { functions, required: false }),
        Some(other) => Err(not_one_of("tool_choice.mode".to_owned(), other, &["auto", "required"])),
        None => Err(wrong("tool_choice.mode", "a string")),
    }
}

pub(super) fn write_choice(choice: ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) => json!({ "type": "function", "name": name }),
        ToolChoice::Allowed { functions, required } => {
            let tools: Vec<Value> =
                functions.into_iter().map(|name| json!({ "type": "function", "name": name })).collect();
            json!({ "type": "allowed_tools", "mode": if required { "required" } else { "auto" }, "tools": tools })
        }
        ToolChoice::Native(value) => value,
    }
}
