//! What is refused is named by the path at which its sender has it, whatever became of the messages around it.

use llm_api_translate::{Format, Losses, OnUnsupported, read_request, write_request};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{golden::CALLERS, requests::MODELS};

/// One turn of the user, and the model's reply to it.
#[derive(Clone, Debug)]
struct Turn {
    /// Instructions before it.
    instructions: usize,
    asked: usize,
    said: usize,
    /// Calls in the reply; their results come at once.
    calls: usize,
    /// Of the results: how many texts each has.
    texts: usize,
}

fn turn() -> impl Strategy<Value = Turn> {
    (0_usize..2, 1_usize..4, 1_usize..3, 0_usize..3, 1_usize..3)
        .prop_map(|(instructions, asked, said, calls, texts)| Turn { instructions, asked, said, calls, texts })
}

fn many(count: usize, part: &Value) -> Value {
    vec![part.clone(); count].into()
}

fn chat(turns: &[Turn]) -> Value {
    let text = json!({"type": "text", "text": "x"});
    let mut messages = Vec::new();
    for (at, Turn { instructions, asked, said, calls, texts }) in turns.iter().enumerate() {
        if *instructions > 0 {
            messages.push(json!({"role": "system", "content": many(*instructions, &text)}));
        }
        messages.push(json!({"role": "user", "content": many(*asked, &text)}));
        let mut reply = json!({"role": "assistant", "content": many(*said, &text)});
        let ids: Vec<String> = (0..*calls).map(|call| format!("c{at}n{call}")).collect();
        if *calls > 0 {
            let call =
                |id: &String| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
            reply["tool_calls"] = ids.iter().map(call).collect();
        }
        messages.push(reply);
        messages
            .extend(ids.iter().map(|id| json!({"role": "tool", "tool_call_id": id, "content": many(*texts, &text)})));
    }
    messages.push(json!({"role": "user", "content": "x"}));
    json!({"model": "m", "messages": messages})
}

fn responses(turns: &[Turn]) -> Value {
    let input = json!({"type": "input_text", "text": "x"});
    let output = json!({"type": "output_text", "text": "x"});
    let mut items = Vec::new();
    for (at, Turn { instructions, asked, said, calls, texts }) in turns.iter().enumerate() {
        if *instructions > 0 {
            items.push(json!({"role": "developer", "content": many(*instructions, &input)}));
        }
        items.push(json!({"role": "user", "content": many(*asked, &input)}));
        items.push(json!({"type": "message", "role": "assistant", "content": many(*said, &output)}));
        let ids: Vec<String> = (0..*calls).map(|call| format!("c{at}n{call}")).collect();
        let call = |id: &String| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
        items.extend(ids.iter().map(call));
        let result =
            |id: &String| json!({"type": "function_call_output", "call_id": id, "output": many(*texts, &input)});
        items.extend(ids.iter().map(result));
    }
    items.push(json!({"role": "user", "content": "x"}));
    json!({"model": "m", "instructions": "x", "input": items})
}

fn messages(turns: &[Turn]) -> Value {
    let text = json!({"type": "text", "text": "x"});
    let mut messages = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for (at, Turn { instructions, asked, said, calls, texts }) in turns.iter().enumerate() {
        let mut content = std::mem::take(&mut results);
        content.extend(vec![text.clone(); *asked]);
        if *instructions > 0 {
            content.push(json!({"type": "mid_conv_system", "content": many(*instructions, &text)}));
        }
        messages.push(json!({"role": "user", "content": content}));
        let ids: Vec<String> = (0..*calls).map(|call| format!("c{at}n{call}")).collect();
        let mut reply = vec![text.clone(); *said];
        reply.extend(ids.iter().map(|id| json!({"type": "tool_use", "id": id, "name": "f", "input": {}})));
        messages.push(json!({"role": "assistant", "content": reply}));
        let result = |id: &String| json!({"type": "tool_result", "tool_use_id": id, "content": many(*texts, &text)});
        results = ids.iter().map(result).collect();
    }
    results.push(text.clone());
    messages.push(json!({"role": "user", "content": results}));
    json!({"model": "m", "max_tokens": 9, "system": many(2, &text), "messages": messages})
}

/// Lists of the conversation that something can be put into.
fn lists(value: &Value, path: &str, found: &mut Vec<String>) {
    const NAMES: [&str; 5] = ["content", "tool_calls", "input", "output", "system"];
    let Some(step) = path.rsplit('.').next() else { return };
    match value {
        Value::Array(items) => {
            if NAMES.contains(&step) {
                found.push(path.to_owned());
            }
            items.iter().enumerate().for_each(|(index, item)| lists(item, &format!("{path}.{index}"), found));
        }
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            lists(value, &path, found);
        }),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_refused_is_named_by_its_path(turns in vec(turn(), 1..5), list in any::<Index>(), at in any::<Index>()) {
        for caller in CALLERS {
            let mut body = match caller {
                Format::OpenaiChat => chat(&turns),
                Format::OpenaiResponses => responses(&turns),
                _ => messages(&turns),
            };
            let mut found = Vec::new();
            lists(&body, "", &mut found);
            let list = list.get(&found);
            let items = body.pointer_mut(&format!("/{}", list.replace('.', "/"))).and_then(Value::as_array_mut);
            let items = items.expect("a list");
            let at = at.index(items.len() + 1);
            // Nobody else can make anything of it.
            items.insert(at, json!({"type": "output_of_tomorrow", "id": "t"}));
            let path = format!("{list}.{at}");
            for (target, model) in MODELS.into_iter().filter(|(target, _)| *target != caller) {
                let request = read_request(caller, body.to_string().as_bytes()).expect("a request");
                let refused = write_request(target, request, model, &mut Losses::new(target, OnUnsupported::Refuse));
                let refused = refused.expect_err(&path);
                prop_assert_eq!(&refused.param, &path, "to {}: {}", target, refused.message);
            }
        }
    }
}
