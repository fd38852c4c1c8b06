//! What the model may call.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{conversation::cache_point, family::Family};
use crate::{Format, Function, Losses, Member, Tool, ToolChoice, Unsupported, member::of_function};

const LONGEST_NAME: usize = 64;

/// What a request says of tools.
pub(super) struct Wanted {
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Option<ToolChoice>,
    pub(super) parallel: Option<bool>,
    /// Functions that the conversation has calls of.
    pub(super) called: BTreeSet<String>,
    /// Whether the model was told to think in a budget.
    pub(super) thinks: bool,
}

pub(super) struct Toolbox<'a> {
    pub(super) origin: Format,
    pub(super) family: Family,
    pub(super) losses: &'a mut Losses,
    /// `additionalModelRequestFields`
    pub(super) additional: &'a mut Map<String, Value>,
}

impl Toolbox<'_> {
    /// `toolConfig`
    pub(super) fn write(mut self, wanted: Wanted) -> Result<Option<Value>, Unsupported> {
        let Wanted { mut tools, choice, parallel, called, thinks } = wanted;
        let choice = match choice {
            Some(ToolChoice::Allowed { functions, required }) => {
                tools.retain(|tool| match tool {
                    Tool::Function(function) => functions.contains(&function.name),
                    Tool::Native(_) => false,
                });
                Some(if required { ToolChoice::Required } else { ToolChoice::Auto })
            }
            // There is no word for it; without tools nothing can be called.
            Some(ToolChoice::None) if called.is_empty() => return Ok(None),
            Some(ToolChoice::None) => {
                if !tools.is_empty() {
                    let reason =
                        "Amazon Bedrock cannot keep a model from calling tools once the conversation has calls";
                    self.losses.cannot_because(Member::ToolChoice.name(self.origin), reason)?;
                }
                None
            }
            choice => choice,
        };
        let mut list = Vec::with_capacity(tools.len());
        for (index, tool) in tools.into_iter().enumerate() {
            self.tool(index, tool, &mut list)?;
        }
        if list.is_empty() {
            if called.is_empty() {
                return Ok(None);
            }
            let reason = "Amazon Bedrock wants the tools that the conversation has calls of";
            self.losses.cannot_because(Member::Tools.name(self.origin), reason)?;
            let open = |name| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}});
            return Ok(Some(json!({"tools": called.into_iter().map(open).collect::<Vec<_>>()})));
        }
        let choice = self.choice(choice, thinks)?;
        let choice = self.single(choice, parallel, list.len())?;
        let mut config = json!({ "tools": list });
        if let Some(choice) = choice {
            config["toolChoice"] = choice;
        }
        Ok(Some(config))
    }

    fn tool(&mut self, index: usize, tool: Tool, list: &mut Vec<Value>) -> Result<(), Unsupported> {
        let function = match tool {
            Tool::Function(function) => function,
            Tool::Native(value) if self.origin == Format::BedrockConverse => {
                list.push(value);
                return Ok(());
            }
            Tool::Native(value) => {
                let kind = value.get("type").and_then(Value::as_str).unwrap_or("its kind").to_owned();
                let reason = format!("only {} has tools of the type `{kind}`", self.origin);
                return self.losses.cannot_because(&format!("tools.{index}"), &reason);
            }
        };
        let Function { name, description, parameters, strict, cache } = function;
        if name.len() > LONGEST_NAME {
            let reason = format!("Amazon Bedrock's names of tools have {LONGEST_NAME} letters at most");
            return Err(self.losses.never(&of_function(self.origin, index, "name"), &reason));
        }
        let mut spec = json!({ "name": name });
        if let Some(description) = description.filter(|text| !text.is_empty()) {
            spec["description"] = description.into();
        }
        spec["inputSchema"] = json!({"json": object_schema(parameters)});
        if strict == Some(true) {
            if self.family.enforces_schemas() {
                spec["strict"] = true.into();
            } else {
                let reason = "this model cannot be held to a tool's schema";
                self.losses.cannot_because(&of_function(self.origin, index, "strict"), reason)?;
            }
        }
        list.push(json!({ "toolSpec": spec }));
        list.extend(cache_point(cache, self.family, self.origin, self.losses));
        Ok(())
    }

    fn choice(&mut self, choice: Option<ToolChoice>, thinks: bool) -> Result<Option<Value>, Unsupported> {
        let name = Member::ToolChoice.name(self.origin);
        let choice = match choice {
            // Auto is what it does anyway, and not every model takes the word.
            None | Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { .. }) => return Ok(None),
            Some(ToolChoice::Required) => json!({"any": {}}),
            Some(ToolChoice::Function(name)) => json!({"tool": {"name": name}}),
            Some(ToolChoice::Native(value)) if self.origin == Format::BedrockConverse => value,
            Some(ToolChoice::Native(_)) => {
                let reason = format!("only {} knows this choice", self.origin);
                self.losses.cannot_because(name, &reason)?;
                return Ok(None);
            }
        };
        if thinks && choice.get("auto").is_none() {
            self.losses.cannot_because(name, "this model cannot be made to call a tool while it thinks")?;
            return Ok(None);
        }
        Ok(Some(choice))
    }

    /// Claude's own choice has a word for one call at a time; it then stands in place of the service's.
    fn single(
        &mut self,
        choice: Option<Value>,
        parallel: Option<bool>,
        tools: usize,
    ) -> Result<Option<Value>, Unsupported> {
        if parallel != Some(false) {
            return Ok(choice);
        }
        if !matches!(self.family, Family::Claude(claude) if claude.takes_single_calls()) {
            self.losses.cannot_call_singly(Member::ParallelToolCalls.name(self.origin), tools)?;
            return Ok(choice);
        }
        let mut own = match &choice {
            Some(choice) if choice.get("any").is_some() => json!({"type": "any"}),
            Some(choice) => match choice.pointer("/tool/name") {
                Some(name) => json!({"type": "tool", "name": name}),
                None => json!({"type": "auto"}),
            },
            None => json!({"type": "auto"}),
        };
        own["disable_parallel_tool_use"] = true.into();
        self.additional.insert("tool_choice".into(), own);
        Ok(None)
    }
}

/// A schema that says it is one of an object: the service wants that.
fn object_schema(parameters: Option<Value>) -> Value {
    match parameters {
        Some(Value::Object(mut schema)) => {
            schema.entry("type").or_insert_with(|| "object".into());
            schema.into()
        }
        Some(other) => other,
        None => json!({"type": "object", "properties": {}}),
    }
}
