//! Tools and which of them the model may call: both ways.

use serde_json::{Map, Value, json};

use super::OWN;
use crate::fields::Fields;
use crate::{Format, Function, Malformed, Tool, ToolChoice};

pub(super) fn read_tool(mut tool: Fields) -> Result<Tool, Malformed> {
    if tool.kind()? != "function" {
        return Ok(Tool::Native(tool.into_value()));
    }
    // Members that mean something to OpenAI alone, with the value at which they mean nothing.
    tool.forget(&["type"]);
    for name in ["defer_loading", "async"] {
        tool.forget_where(name, |value| *value == json!(false));
    }
    tool.forget_where("allowed_callers", |callers| *callers == json!(["direct"]));
    Ok(Tool::Function(Function {
        name: tool.required_string("name")?,
        description: tool.string("description")?,
        parameters: tool.map("parameters")?.map(Value::Object),
        strict: tool.boolean("strict")?,
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

pub(super) fn read_choice(body: &mut Fields) -> Result<Option<ToolChoice>, Malformed> {
    match body.peek("tool_choice") {
        None => return Ok(None),
        Some(Value::String(_)) => {
            let word = body.required_string("tool_choice")?;
            return match word.as_str() {
                "auto" => Ok(Some(ToolChoice::Auto)),
                "none" => Ok(Some(ToolChoice::None)),
                "required" => Ok(Some(ToolChoice::Required)),
                _ => Err(body.not_one_of("tool_choice", &word, &["auto", "none", "required"])),
            };
        }
        Some(Value::Object(_)) => {}
        Some(_) => return Err(body.wrong("tool_choice", "a string or an object")),
    }
    let mut choice = body.required_object("tool_choice")?;
    match choice.text("type") {
        Some("function") => {
            choice.forget(&["type"]);
            Ok(Some(ToolChoice::Function(choice.required_string("name")?)))
        }
        Some("allowed_tools") => read_allowed(choice).map(Some),
        Some(_) => Ok(Some(ToolChoice::Native(choice.into_value()))),
        None => Err(choice.wrong("type", "a string")),
    }
}

fn read_allowed(mut choice: Fields) -> Result<ToolChoice, Malformed> {
    let Some(Value::Array(tools)) = choice.peek("tools") else { return Err(choice.wrong("tools", "a list")) };
    let is_function = |tool: &Value| tool["type"] == "function" && tool["name"].is_string();
    if !tools.iter().all(is_function) {
        return Ok(ToolChoice::Native(choice.into_value()));
    }
    choice.forget(&["type"]);
    let name = |mut tool: Fields| {
        tool.forget(&["type"]);
        tool.required_string("name")
    };
    let functions = choice.objects("tools")?.into_iter().map(name).collect::<Result<_, _>>()?;
    let mode = choice.required_string("mode")?;
    match mode.as_str() {
        "required" => Ok(ToolChoice::Allowed { functions, required: true }),
        "auto" => Ok(ToolChoice::Allowed { functions, required: false }),
        _ => Err(choice.not_one_of("mode", &mode, &["auto", "required"])),
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
