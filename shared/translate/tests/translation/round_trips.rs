//! What is written in a caller's format is read as it was: requests, whole replies, and streams wherever they are cut.

use llm_api_translate::{
    Cache, Effort, Event, Finish, Format, Function, LogProbs, Losses, Media, Message, OnUnsupported, Part, Reasoning,
    Reply, ReplyFormat, Request, Role, Sampling, Signature, Source, StreamReader, StreamWriter, Text, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult, Usage, read_reply, read_request, write_reply, write_request,
};
use proptest::{
    collection::{btree_map, vec},
    option::of,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Map, Value, json};

use crate::golden::{question, stamp};

const MODEL: &str = "some-model";

fn word() -> impl Strategy<Value = String> {
    "[a-zäß🏔\"\\\\ ]{0,6}[a-z]"
}

fn id() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,20}"
}

/// Numbers that JSON writes exactly.
fn eighths() -> impl Strategy<Value = f64> {
    (0_i32..9).prop_map(|eighths| f64::from(eighths) / 8.0)
}

fn notes() -> impl Strategy<Value = Map<String, Value>> {
    btree_map("[a-z]{1,5}", word(), 0..3)
        .prop_map(|notes| notes.into_iter().map(|(name, note)| (name, note.into())).collect())
}

fn plain(text: String) -> Part {
    Part::text(text)
}

/// What a user shows. Each format has files of its own, and images by address and as data.
fn shown(caller: Format) -> BoxedStrategy<Part> {
    // The Responses API always says how closely an image is looked at, Anthropic's never.
    let details = match caller {
        Format::OpenaiChat => vec![None, Some("low")],
        Format::OpenaiResponses => vec![Some("auto"), Some("high")],
        _ => vec![None],
    };
    let source = prop_oneof![
        word().prop_map(|path| Source::Url(format!("https://example.com/{path}"))),
        select(vec!["image/png", "image/webp"])
            .prop_map(|kind| Source::Inline { media_type: kind.to_owned(), data: "AAAA".to_owned() }),
    ];
    let image = (source, select(details))
        .prop_map(|(source, detail)| Part::Image(Media { detail: detail.map(str::to_owned), ..Media::new(source) }));
    let file = (word(), any::<bool>(), id()).prop_map(move |(name, is_kept, id)| {
        let inline = Source::Inline { media_type: "application/pdf".to_owned(), data: "JVBE".to_owned() };
        let source = if is_kept { Source::Id { format: caller, id } } else { inline };
        Part::File(Media { name: Some(name), ..Media::new(source) })
    });
    let sound = select(vec!["audio/mpeg", "audio/wav"]).prop_map(|kind| {
        Part::Audio(Media::new(Source::Inline { media_type: kind.to_owned(), data: "UklG".to_owned() }))
    });
    let mark = of(select(vec![None, Some("5m"), Some("1h")]))
        .prop_map(|ttl| ttl.map(|ttl| Cache { ttl: ttl.map(str::to_owned) }));
    let text = (word(), mark).prop_map(|(text, cache)| Part::Text(Text { text, annotations: Vec::new(), cache }));
    if caller == Format::AnthropicMessages {
        prop_oneof![3 => text, 1 => image, 1 => file].boxed()
    } else {
        prop_oneof![3 => text, 1 => image, 1 => file, 1 => sound].boxed()
    }
}

/// Thoughts with the format's own seal; a chat completion has a place for them instead.
fn thoughts(caller: Format) -> BoxedStrategy<Option<Part>> {
    let seal = move |seal: String| match caller {
        Format::OpenaiChat => Signature::new(caller, "reasoning_content"),
        _ => Signature::new(caller, seal),
    };
    of((word(), id()).prop_map(move |(text, value)| Part::Thinking(Thinking { text, signature: Some(seal(value)) })))
        .boxed()
}

/// A turn of the user, the reply with its calls, and their results.
fn turn(caller: Format) -> BoxedStrategy<Vec<Message>> {
    let message = |role, parts: Vec<Part>| Message { role, name: None, parts: parts.into() };
    let arguments = notes().prop_map(|arguments| Value::Object(arguments).to_string());
    let call = (id(), id(), arguments, vec(word(), 1..3), any::<bool>());
    // Chat completions alone tell several users apart.
    let name = of(id()).prop_map(move |name| name.filter(|_| caller == Format::OpenaiChat));
    (vec(shown(caller), 1..4), name, thoughts(caller), word(), vec(call, 0..3))
        .prop_map(move |(asked, name, thoughts, said, calls)| {
            let mut reply: Vec<Part> = thoughts.into_iter().chain([plain(said)]).collect();
            let mut results = Vec::new();
            for (id, name, arguments, texts, failed) in calls {
                let content = texts.into_iter().map(plain).collect::<Vec<_>>().into();
                // Anthropic alone has a word for a call that failed.
                let is_error = failed && caller == Format::AnthropicMessages;
                results.push(Part::ToolResult(ToolResult { call_id: id.clone(), content, is_error, cache: None }));
                reply.push(Part::ToolCall(ToolCall { id, name, arguments, signature: None, cache: None }));
            }
            let asked = Message { name, ..message(Role::User, asked) };
            let mut turn = vec![asked, message(Role::Assistant, reply)];
            if !results.is_empty() {
                turn.push(message(Role::User, results));
            }
            turn
        })
        .boxed()
}

/// At Anthropic the user's turns are one, results first.
fn joined(caller: Format, turns: Vec<Vec<Message>>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for message in turns.into_iter().flatten() {
        match messages.last_mut() {
            Some(last) if caller == Format::AnthropicMessages && last.role == message.role => {
                last.parts.append(message.parts);
            }
            _ => messages.push(message),
        }
    }
    messages
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let function = (id(), of(word()), of(any::<bool>()), notes()).prop_map(|(name, description, strict, notes)| {
        let parameters = Some(json!({"type": "object", "properties": {"a": {"enum": notes}}}));
        Tool::Function(Function { name, description, parameters, strict, cache: None })
    });
    vec(function, 1..3)
}

/// A choice among the tools, and whether several may be called at once.
fn choice(caller: Format) -> BoxedStrategy<ToolChoice> {
    let some =
        (id(), any::<bool>()).prop_map(|(name, required)| ToolChoice::Allowed { functions: vec![name], required });
    let one = prop_oneof![Just(ToolChoice::Auto), Just(ToolChoice::Required), id().prop_map(ToolChoice::Function),];
    if caller == Format::AnthropicMessages { one.boxed() } else { prop_oneof![3 => one, 1 => some].boxed() }
}

fn reply_format(caller: Format) -> BoxedStrategy<ReplyFormat> {
    let schema = || json!({"type": "object", "properties": {"b": {}, "a": {}}, "additionalProperties": false});
    if caller == Format::AnthropicMessages {
        let format = ReplyFormat::JsonSchema { name: None, description: None, schema: schema(), strict: None };
        return Just(format).boxed();
    }
    let of_schema = (id(), of(word()), of(any::<bool>())).prop_map(move |(name, description, strict)| {
        ReplyFormat::JsonSchema { name: Some(name), description, schema: schema(), strict }
    });
    prop_oneof![Just(ReplyFormat::Text), Just(ReplyFormat::JsonObject), of_schema].boxed()
}

fn reasoning(caller: Format) -> BoxedStrategy<Reasoning> {
    let effort = select(vec![Effort::Low, Effort::Medium, Effort::High, Effort::Max]).prop_map(Some);
    let of_effort = effort.clone().prop_map(|effort| Reasoning { effort, ..Reasoning::default() });
    match caller {
        Format::OpenaiChat => of_effort.boxed(),
        Format::OpenaiResponses => (effort, select(vec![None, Some(true)]))
            .prop_map(|(effort, show)| Reasoning { effort, budget_tokens: None, show })
            .boxed(),
        _ => prop_oneof![
            of_effort,
            (of(1_024_i64..9_000), any::<bool>(), of(effort)).prop_map(|(budget_tokens, show, effort)| {
                Reasoning { effort: effort.flatten(), budget_tokens, show: Some(show) }
            }),
        ]
        .boxed(),
    }
}

fn sampling(caller: Format) -> BoxedStrategy<Sampling> {
    let common = (of(eighths()), of(eighths()));
    let more = (of(1_i64..99), of(eighths()), of(eighths()), of(any::<i64>()), vec(word(), 0..3), notes());
    (common, more)
        .prop_map(move |((temperature, top_p), (top_k, min_p, penalty, seed, stop, logit_bias))| {
            let common = Sampling { temperature, top_p, ..Sampling::default() };
            match caller {
                Format::OpenaiChat => Sampling {
                    top_k,
                    min_p,
                    frequency_penalty: penalty,
                    presence_penalty: penalty,
                    seed,
                    stop,
                    logit_bias,
                    ..common
                },
                Format::AnthropicMessages => Sampling { top_k, stop, ..common },
                _ => common,
            }
        })
        .boxed()
}

/// One that the format has a place for all of.
fn request(caller: Format) -> BoxedStrategy<Request> {
    let said = (vec(word(), 0..2), vec(turn(caller), 1..4), of((tools(), of(choice(caller)), of(any::<bool>()))));
    let wanted = (
        of(reply_format(caller)),
        sampling(caller),
        of(reasoning(caller)),
        of(1_i64..9_999),
        of(2_i64..5),
        of(1_i64..5),
    );
    let labels = (of(word()), notes(), of(id()), any::<bool>(), of(any::<bool>()), of(word()));
    (said, wanted, labels)
        .prop_map(move |((system, turns, tools), wanted, labels)| {
            let (format, sampling, reasoning, max_tokens, choices, top) = wanted;
            let (user, metadata, service_tier, stream, store, unknown) = labels;
            let (is_chat, is_anthropic) = (caller == Format::OpenaiChat, caller == Format::AnthropicMessages);
            let mut request = Request::new(caller, MODEL);
            request.system = system.into_iter().map(plain).collect::<Vec<_>>().into();
            request.messages = joined(caller, turns);
            if let Some((tools, choice, parallel)) = tools {
                // Anthropic says it beside a choice.
                request.parallel_tool_calls = parallel.filter(|_| !is_anthropic || choice.is_some());
                (request.tools, request.tool_choice) = (tools, choice);
            }
            (request.stream, request.include_usage) = (stream, stream || !is_chat);
            (request.format, request.sampling, request.reasoning) = (format, sampling, reasoning);
            request.max_tokens = max_tokens.or(is_anthropic.then_some(7));
            (request.user, request.metadata, request.service_tier) = (user, metadata, service_tier);
            if !is_anthropic {
                request.logprobs = top.map(|top| LogProbs { top });
                request.store = store;
                request.cache_key.clone_from(&request.user);
                request.verbosity = store.map(|_| "low".to_owned());
            }
            request.choices = choices.filter(|_| is_chat);
            request.extra.extend(unknown.map(|unknown| ("x_unknown".to_owned(), unknown.into())));
            request
        })
        .boxed()
}

/// A source on the web, as each format can tell it of a whole text.
fn source(text: &str) -> Value {
    json!({"type": "url_citation", "url_citation": {
        "url": "https://example.com/", "title": "T", "start_index": 0, "end_index": text.chars().count(),
        "cited_text": "c", "encrypted_index": "e",
    }})
}

/// One that the format has a place for all of: thoughts, a text, calls.
fn reply(caller: Format) -> BoxedStrategy<Reply> {
    let call = (id(), id(), notes());
    let counts = (1_i64..99, 1_i64..99, 1_i64..99);
    (thoughts(caller), of((word(), any::<bool>())), vec(call, 0..3), any::<bool>(), counts)
        .prop_map(move |(thoughts, said, calls, is_cut, (cached, fresh, reasoning))| {
            let has_calls = !calls.is_empty();
            let text = said.or((!has_calls).then(|| ("x".to_owned(), false)));
            let text = text.map(|(text, is_cited)| {
                let annotations = if is_cited { vec![source(&text)] } else { Vec::new() };
                Part::Text(Text { text, annotations, cache: None })
            });
            let calls = calls.into_iter().map(|(id, name, arguments)| {
                let arguments = Value::Object(arguments).to_string();
                Part::ToolCall(ToolCall { id, name, arguments, signature: None, cache: None })
            });
            let (input, output) = (cached + fresh, 99 + reasoning);
            let usage = Usage {
                input: Some(input),
                output: Some(output),
                total: (caller != Format::AnthropicMessages).then_some(input + output),
                cache_read: Some(cached),
                // The Responses API always counts it.
                cache_written: (caller == Format::OpenaiResponses).then_some(1),
                reasoning: Some(reasoning),
                ..Usage::default()
            };
            Reply {
                id: None,
                model: None,
                created: None,
                parts: thoughts.into_iter().chain(text).chain(calls).collect(),
                finish: if is_cut {
                    Finish::Length
                } else if has_calls {
                    Finish::ToolCalls
                } else {
                    Finish::Stop
                },
                usage,
                logprobs: None,
                // Anthropic tells it before anything else, where providers do not.
                service_tier: (caller != Format::AnthropicMessages).then(|| "default".to_owned()),
            }
        })
        .boxed()
}

/// Cuts a text in two; either may be empty.
fn cut(text: &str, at: Index) -> [String; 2] {
    let letters: Vec<char> = text.chars().collect();
    let (before, after) = letters.split_at(at.index(letters.len() + 1));
    [before.iter().collect(), after.iter().collect()]
}

/// A reply as it comes from a provider.
fn events(reply: &Reply, at: Index) -> Vec<Event> {
    let mut events = vec![Event::Start { id: None, model: None, created: None }];
    let mut index = 0;
    for part in reply.parts.iter().cloned() {
        match part {
            Part::Text(text) => {
                events.extend(cut(&text.text, at).map(Event::Text));
                events.extend(text.annotations.into_iter().map(Event::Annotation));
                events.push(Event::PartEnd);
            }
            Part::Thinking(thinking) => {
                events.extend(cut(&thinking.text, at).map(Event::Thinking));
                events.extend(thinking.signature.map(Event::ThinkingSignature));
                events.push(Event::PartEnd);
            }
            Part::ToolCall(ToolCall { id, name, arguments, signature, cache: _ }) => {
                events.push(Event::ToolCall { index, id, name, signature });
                events.extend(cut(&arguments, at).map(|delta| Event::Arguments { index, delta }));
                events.push(Event::PartEnd);
                index += 1;
            }
            other => panic!("no reply here has {other:?}"),
        }
    }
    events.push(Event::Usage(reply.usage.clone()));
    events.extend(reply.service_tier.clone().map(Event::ServiceTier));
    events.extend([Event::Finish(reply.finish.clone()), Event::End]);
    events
}

/// The reply that events tell.
fn told(events: Vec<Event>) -> Reply {
    let mut reply = Reply {
        id: None,
        model: None,
        created: None,
        parts: Vec::new(),
        finish: Finish::Stop,
        usage: Usage::default(),
        logprobs: None,
        service_tier: None,
    };
    let mut calls = Vec::new();
    let mut is_over = false;
    for event in events {
        assert!(!is_over, "{event:?}");
        match event {
            Event::Start { id, model, created } => (reply.id, reply.model, reply.created) = (id, model, created),
            Event::Text(more) => match reply.parts.last_mut() {
                Some(Part::Text(text)) => text.text.push_str(&more),
                _ => reply.parts.push(Part::text(more)),
            },
            Event::Annotation(source) => {
                let text = reply.parts.iter_mut().rev().find_map(|part| match part {
                    Part::Text(text) => Some(text),
                    _ => None,
                });
                text.expect("a text").annotations.push(source);
            }
            Event::Thinking(more) => match reply.parts.last_mut() {
                Some(Part::Thinking(thinking)) => thinking.text.push_str(&more),
                _ => reply.parts.push(Part::Thinking(Thinking { text: more, signature: None })),
            },
            Event::ThinkingSignature(seal) => match reply.parts.last_mut() {
                Some(Part::Thinking(thinking)) => thinking.signature = Some(seal),
                other => panic!("{seal:?} after {other:?}"),
            },
            Event::ToolCall { index, id, name, signature } => {
                assert_eq!(index, calls.len());
                calls.push(reply.parts.len());
                let arguments = String::new();
                reply.parts.push(Part::ToolCall(ToolCall { id, name, arguments, signature, cache: None }));
            }
            Event::Arguments { index, delta } => match &mut reply.parts[calls[index]] {
                Part::ToolCall(call) => call.arguments.push_str(&delta),
                other => panic!("{delta} of {other:?}"),
            },
            Event::PartEnd => {}
            Event::Usage(usage) => reply.usage = reply.usage.updated(&usage),
            Event::ServiceTier(tier) => reply.service_tier = Some(tier),
            Event::Finish(finish) => reply.finish = finish,
            Event::End => is_over = true,
            other => panic!("no reply here has {other:?}"),
        }
    }
    assert!(is_over);
    reply
}

/// Reads a stream whose bytes come in pieces.
fn read_pieces(caller: Format, bytes: &[u8], size: usize) -> Vec<Event> {
    let mut reader = StreamReader::new(caller);
    let (mut events, mut waiting) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        waiting.extend_from_slice(piece);
        while let Some(end) = waiting.windows(2).position(|two| two == b"\n\n") {
            let frame = String::from_utf8(waiting.drain(..end + 2).collect()).expect("UTF-8");
            let member = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
            let data = member("data: ").expect("data");
            events.extend(reader.read(member("event: "), data.as_bytes()).expect("an event"));
        }
    }
    assert!(waiting.is_empty(), "the last event has an end");
    events.extend(reader.finish());
    events
}

fn check_request(caller: Format, request: &Request) -> Result<(), TestCaseError> {
    let mut losses = Losses::new(caller, OnUnsupported::Refuse);
    let body = write_request(caller, request.clone(), MODEL, &mut losses).expect("a body");
    let again = read_request(caller, body.to_string().as_bytes()).expect("a request");
    prop_assert_eq!(&again, request, "{}", body);
    prop_assert_eq!(losses.dropped().len(), 0);
    Ok(())
}

fn check_reply(caller: Format, reply: &Reply, at: Index, size: usize) -> Result<(), TestCaseError> {
    let question = question(caller);
    let written = write_reply(caller, reply.clone(), &question, &stamp());
    prop_assert_eq!(written.dropped.len(), 0);
    let whole = read_reply(caller, written.body.to_string().as_bytes()).expect("a reply");
    let unnamed = Reply { id: None, model: None, created: None, ..whole.clone() };
    prop_assert_eq!(&unnamed, reply, "{}", written.body);
    let mut writer = StreamWriter::new(caller, &question, stamp()).expect("a caller's format");
    let mut bytes = Vec::new();
    for event in events(reply, at) {
        writer.write(event, &mut bytes);
    }
    let streamed = told(read_pieces(caller, &bytes, size));
    prop_assert_eq!(&streamed, &whole, "{}", String::from_utf8_lossy(&bytes));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests_in_chat_completions(request in request(Format::OpenaiChat)) {
        check_request(Format::OpenaiChat, &request)?;
    }

    #[test]
    fn requests_in_responses(request in request(Format::OpenaiResponses)) {
        check_request(Format::OpenaiResponses, &request)?;
    }

    #[test]
    fn requests_in_messages(request in request(Format::AnthropicMessages)) {
        check_request(Format::AnthropicMessages, &request)?;
    }

    #[test]
    fn replies_in_chat_completions(reply in reply(Format::OpenaiChat), at in any::<Index>(), size in 1_usize..40) {
        check_reply(Format::OpenaiChat, &reply, at, size)?;
    }

    #[test]
    fn replies_in_responses(reply in reply(Format::OpenaiResponses), at in any::<Index>(), size in 1_usize..40) {
        check_reply(Format::OpenaiResponses, &reply, at, size)?;
    }

    #[test]
    fn replies_in_messages(reply in reply(Format::AnthropicMessages), at in any::<Index>(), size in 1_usize..40) {
        check_reply(Format::AnthropicMessages, &reply, at, size)?;
    }
}
