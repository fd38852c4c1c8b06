//! Functions and which of them to call.

use serde_json::{Value, json};

use crate::{Format, Function, Losses, Member, Tool, ToolChoice, Unsupported, member::of_function};

/// Ollama leaves the choice to the model always: what can be said is which functions it sees.
pub(super) fn write(
    tools: Vec<Tool>,
    choice: Option<ToolChoice>,
    parallel: Option<bool>,
    origin: Format,
    losses: &mut Losses,
) -> Result<Vec<Value>, Unsupported> {
    let member = Member::Tools.name(origin);
    let seen = seen(choice, tools.is_empty(), origin, losses)?;
    let mut written = Vec::with_capacity(tools.len());
    for (index, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function(function) => {
                if seen.as_ref().is_some_and(|seen| !seen.contains(&function.name)) {
                    continue;
                }
                if function.strict == Some(true) {
                    let reason = "Ollama does not hold models to the schema of a function";
                    losses.cannot_because(&of_function(origin, index, "strict"), reason)?;
                }
                written.push(definition(function, origin, losses));
            }
            Tool::Native(value) if origin == Format::OllamaChat => written.push(value),
            Tool::Native(_) => losses.cannot(&format!("{member}.{index}"))?,
        }
    }
    if parallel == Some(false) && !written.is_empty() {
        losses.cannot_call_singly(Member::ParallelToolCalls.name(origin), written.len())?;
    }
    Ok(written)
}

/// The functions that the model is to see; all where nothing is said.
fn seen(
    choice: Option<ToolChoice>,
    is_without_tools: bool,
    origin: Format,
    losses: &mut Losses,
) -> Result<Option<Vec<String>>, Unsupported> {
    let (seen, is_said) = match choice {
        None | Some(ToolChoice::Auto) => (None, true),
        // What it does not see it does not call.
        Some(ToolChoice::None) => (Some(Vec::new()), true),
        Some(ToolChoice::Allowed { functions, required }) => (Some(functions), !required),
        Some(ToolChoice::Function(name)) => (Some(vec![name]), false),
        Some(ToolChoice::Required | ToolChoice::Native(_)) => (None, false),
    };
    if !is_said {
        let reason = if is_without_tools {
            "there is no function to call"
        } else {
            "Ollama has no way to make a model call a function"
        };
        losses.cannot_because(Member::ToolChoice.name(origin), reason)?;
    }
    Ok(seen)
}

fn definition(function: Function, origin: Format, losses: &mut Losses) -> Value {
    let Function { name, description, parameters, strict: _, cache } = function;
    if cache.is_some() {
        losses.hint(Member::CacheControl.name(origin));
    }
    let mut function = json!({ "name": name });
    if let Some(description) = description {
        function["description"] = description.into();
    }
    function["parameters"] = parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    json!({ "type": "function", "function": function })
}
