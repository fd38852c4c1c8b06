//! Tools, and which of them must be called.

use serde_json::{Map, Value};

use super::{OWN, blocks::cache_control, object, schema};
use crate::{
    Format, Function, Losses, Malformed, Member, Request, Tool, ToolChoice, Unsupported, fields::Fields,
    member::of_function,
};

/// How pieces of the input are cut in a stream: it changes nothing in what is said.
const CUTTING: &str = "eager_input_streaming";

/// A caller's tools, and which of them must be called.
pub(super) fn read(body: &mut Fields, request: &mut Request) -> Result<(), Malformed> {
    for tool in body.objects("tools")? {
        request.tools.push(read_one(tool, &mut request.left_out)?);
    }
    if let Some(choice) = body.object("tool_choice")? {
        read_choice(choice, request)?;
    }
    Ok(())
}

fn read_one(mut tool: Fields, left_out: &mut Vec<String>) -> Result<Tool, Malformed> {
    // The provider's own tools are told by their type; tools in another provider's words have nothing of ours.
    let is_own = tool.peek("type").is_none_or(|kind| kind == "custom");
    if !is_own || !(tool.has("name") || tool.has("input_schema")) {
        return Ok(Tool::Native(tool.into_value()));
    }
    tool.forget(&["type"]);
    tool.forget_where("defer_loading", |later| later == false);
    tool.forget_where("allowed_callers", |callers| {
        callers.as_array().is_some_and(|callers| callers.iter().all(|caller| caller == "direct"))
    });
    if tool.boolean(CUTTING)? == Some(true) {
        left_out.push(tool.path(CUTTING));
    }
    let mut parameters = tool.required_map("input_schema")?;
    let examples = tool.list("input_examples")?.unwrap_or_default();
    if !examples.is_empty() {
        parameters.entry("examples").or_insert(examples.into());
    }
    Ok(Tool::Function(Function {
        name: tool.required_string("name")?,
        description: tool.string("description")?,
        parameters: Some(parameters.into()),
        strict: tool.boolean("strict")?,
        cache: tool.cache_control()?,
    }))
}

fn read_choice(mut choice: Fields, request: &mut Request) -> Result<(), Malformed> {
    let read = match choice.kind()?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Function(choice.required_string("name")?),
        _ => {
            request.tool_choice = Some(ToolChoice::Native(choice.into_value()));
            return Ok(());
        }
    };
    choice.forget(&["type"]);
    request.tool_choice = Some(read);
    let is_disabled = choice.boolean("disable_parallel_tool_use")?;
    request.parallel_tool_calls = is_disabled.map(|is_disabled| !is_disabled);
    Ok(())
}

/// Puts `tools` and `tool_choice` into a body for a provider.
pub(super) struct Writer<'a> {
    pub(super) origin: Format,
    pub(super) cannot_follow_schemas: bool,
    pub(super) losses: &'a mut Losses,
}

impl Writer<'_> {
    /// `called` are the functions that the conversation calls: the API wants tools where there are calls, so that a
    /// request without any names them, and forbids to call them.
    pub(super) fn write(
        &mut self,
        tools: Vec<Tool>,
        choice: Option<ToolChoice>,
        parallel: Option<bool>,
        called: Vec<String>,
        body: &mut Map<String, Value>,
    ) -> Result<(), Unsupported> {
        let (tools, choice) = only_allowed(tools, choice);
        let mut written = Vec::with_capacity(tools.len());
        for (at, tool) in tools.into_iter().enumerate() {
            match tool {
                Tool::Native(value) if self.origin == OWN => written.push(value),
                Tool::Native(_) => self.losses.cannot(&format!("{}.{at}", Member::Tools.name(self.origin)))?,
                Tool::Function(function) => written.push(self.function(function, at)?),
            }
        }
        if written.is_empty() && self.origin != OWN && !called.is_empty() {
            let schema = || object([("type", "object".into())]);
            let named = called.into_iter().map(|name| object([("name", name.into()), ("input_schema", schema())]));
            body.insert("tools".to_owned(), named.collect());
            body.insert("tool_choice".to_owned(), object([("type", "none".into())]));
            return Ok(());
        }
        let has_tools = !written.is_empty();
        if has_tools {
            body.insert("tools".to_owned(), written.into());
        }
        if let Some(choice) = self.choice(choice, parallel, has_tools)? {
            body.insert("tool_choice".to_owned(), choice);
        }
        Ok(())
    }

    fn function(&mut self, function: Function, at: usize) -> Result<Value, Unsupported> {
        let Function { name, description, parameters, mut strict, cache } = function;
        let mut schema = match parameters {
            Some(Value::Object(schema)) => schema,
            _ => Map::new(),
        };
        schema.entry("type").or_insert("object".into());
        let mut schema = Value::Object(schema);
        if self.origin != OWN && strict == Some(true) {
            let param = of_function(self.origin, at, "strict");
            let given = schema.clone();
            let fitted = schema::fit(&mut schema);
            if self.cannot_follow_schemas || fitted.is_open {
                let reason = if fitted.is_open {
                    "its schema has members of any name, and strict ones are closed"
                } else {
                    "this model cannot be held to a schema"
                };
                self.losses.cannot_because(&param, reason)?;
                schema = given;
                strict = None;
            } else if fitted.is_looser {
                self.losses.hint(&param);
            }
        }
        // Off is what everybody has where nothing is said.
        let strict = strict.filter(|is_strict| *is_strict || self.origin == OWN);
        let mut tool = Map::new();
        tool.insert("name".to_owned(), name.into());
        tool.extend(description.map(|text| ("description".to_owned(), text.into())));
        tool.insert("input_schema".to_owned(), schema);
        tool.extend(strict.map(|strict| ("strict".to_owned(), strict.into())));
        tool.extend(cache_control(cache, self.losses));
        Ok(tool.into())
    }

    fn choice(
        &mut self,
        choice: Option<ToolChoice>,
        parallel: Option<bool>,
        has_tools: bool,
    ) -> Result<Option<Value>, Unsupported> {
        let mut written = Map::new();
        match choice {
            None if parallel == Some(false) && has_tools => {
                written.insert("type".to_owned(), "auto".into());
            }
            None => return Ok(None),
            Some(ToolChoice::Auto | ToolChoice::None) if !has_tools => return Ok(None),
            Some(ToolChoice::Auto) => {
                written.insert("type".to_owned(), "auto".into());
            }
            Some(ToolChoice::None) => return Ok(Some(object([("type", "none".into())]))),
            Some(ToolChoice::Required | ToolChoice::Allowed { .. }) => {
                written.insert("type".to_owned(), "any".into());
            }
            Some(ToolChoice::Function(name)) => {
                written.insert("type".to_owned(), "tool".into());
                written.insert("name".to_owned(), name.into());
            }
            Some(ToolChoice::Native(value)) if self.origin == OWN => return Ok(Some(value)),
            Some(ToolChoice::Native(_)) => {
                self.losses.cannot(Member::ToolChoice.name(self.origin))?;
                return Ok(None);
            }
        }
        let disabled = parallel.filter(|is_allowed| !is_allowed || self.origin == OWN).map(|is_allowed| !is_allowed);
        written.extend(disabled.map(|disabled| ("disable_parallel_tool_use".to_owned(), disabled.into())));
        Ok(Some(written.into()))
    }
}

/// A choice among some functions is one among all, where the others are left out.
fn only_allowed(tools: Vec<Tool>, choice: Option<ToolChoice>) -> (Vec<Tool>, Option<ToolChoice>) {
    let Some(ToolChoice::Allowed { functions, required }) = choice else { return (tools, choice) };
    let is_allowed = |tool: &Tool| match tool {
        Tool::Function(function) => functions.contains(&function.name),
        Tool::Native(_) => false,
    };
    let choice = if required { ToolChoice::Required } else { ToolChoice::Auto };
    (tools.into_iter().filter(is_allowed).collect(), Some(choice))
}
