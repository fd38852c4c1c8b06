//! Functions and which of them to call.

use serde_json::{Map, Value, json};

use crate::json::object;
use crate::{Format, Function, Losses, Member, Tool, ToolChoice, Unsupported};

/// Tools that Google runs itself.
const OWN: [&str; 16] = [
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "google_search_retrieval",
    "googleMaps",
    "google_maps",
    "codeExecution",
    "code_execution",
    "urlContext",
    "url_context",
    "fileSearch",
    "file_search",
    "computerUse",
    "computer_use",
    "functionDeclarations",
    "function_declarations",
];

/// `tools` and `functionCallingConfig`.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) tools: Vec<Value>,
    pub(super) config: Option<Value>,
}

pub(super) fn write(
    tools: Vec<Tool>,
    choice: Option<ToolChoice>,
    parallel: Option<bool>,
    origin: Format,
    losses: &mut Losses,
) -> Result<Tools, Unsupported> {
    let mut declared = Vec::new();
    let mut written = Vec::new();
    let mut strict = false;
    for (index, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function(function) => {
                strict |= function.strict == Some(true);
                declared.push(declaration(function, origin, losses));
            }
            Tool::Native(value) if origin == Format::GoogleGemini || is_own(&value) => written.push(value),
            Tool::Native(_) => {
                let reason = format!("{} has no tool like it", Format::GoogleGemini);
                losses.cannot_because(&format!("{}.{index}", Member::Tools.name(origin)), &reason)?;
            }
        }
    }
    let has_functions = !declared.is_empty();
    if parallel == Some(false) && has_functions {
        losses.cannot_call_singly(Member::ParallelToolCalls.name(origin), declared.len())?;
    }
    let config = config(choice, has_functions, strict, origin, losses)?;
    if has_functions {
        written.insert(0, object([("functionDeclarations", declared.into())]));
    }
    Ok(Tools { tools: written, config })
}

/// Whether a tool is in Google's own words.
fn is_own(tool: &Value) -> bool {
    tool.as_object().is_some_and(|tool| !tool.is_empty() && tool.keys().all(|key| OWN.contains(&key.as_str())))
}

fn declaration(function: Function, origin: Format, losses: &mut Losses) -> Value {
    let Function { name, description, parameters, strict: _, cache } = function;
    if cache.is_some() {
        losses.hint(Member::CacheControl.name(origin));
    }
    let mut declaration = Map::new();
    declaration.insert("name".to_owned(), name.into());
    if let Some(description) = description {
        declaration.insert("description".to_owned(), description.into());
    }
    // The other member, `parameters`, takes a small part of JSON schema only.
    if let Some(parameters) = parameters {
        declaration.insert("parametersJsonSchema".to_owned(), parameters);
    }
    Value::Object(declaration)
}

/// `ANY` keeps to the schemas always, `VALIDATED` does where the model is free to answer with a text.
fn config(
    choice: Option<ToolChoice>,
    has_functions: bool,
    strict: bool,
    origin: Format,
    losses: &mut Losses,
) -> Result<Option<Value>, Unsupported> {
    let free = if strict { "VALIDATED" } else { "AUTO" };
    let (mode, allowed) = match choice {
        None if strict => (free, None),
        None => return Ok(None),
        Some(ToolChoice::Auto | ToolChoice::None) if !has_functions => return Ok(None),
        Some(ToolChoice::Native(value)) if origin == Format::GoogleGemini => return Ok(Some(value)),
        Some(ToolChoice::Native(_)) => {
            losses.cannot(Member::ToolChoice.name(origin))?;
            return Ok(None);
        }
        Some(_) if !has_functions => {
            losses.cannot_because(Member::ToolChoice.name(origin), "there is no function to call")?;
            return Ok(None);
        }
        Some(ToolChoice::Auto) => (free, None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Function(name)) => ("ANY", Some(vec![name])),
        Some(ToolChoice::Allowed { functions, required: true }) => ("ANY", Some(functions)),
        Some(ToolChoice::Allowed { functions, required: false }) => ("VALIDATED", Some(functions)),
    };
    Ok(Some(match allowed {
        Some(allowed) => json!({ "mode": mode, "allowedFunctionNames": allowed }),
        None => json!({ "mode": mode }),
    }))
}
