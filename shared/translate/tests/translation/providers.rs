//! The tables of `docs/PROVIDERS.md`, between its two marks.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use llm_api_translate::{Format, read_reply};

use crate::{
    golden::{CALLERS, Differences},
    replies,
    requests::{self, Outcome},
    said::{ASPECTS, Said},
    streams,
};

const BEGIN: &str =
    "<!-- Made by the tests of shared/translate from here: UPDATE=1 cargo test -p llm-api-translate -->\n";
const END: &str = "<!-- to here. -->\n";

const UNSAID: &str = "\
What the provider's own tools did (searches, code that it ran) has a place in its own format alone. The sources that they
found are told in every format, as citations or annotations. Of a reply in one piece, what is left out is named in
`X-LLM-API-Dropped`, as `reply.` and the provider's word for it. The headers of a stream are sent before anything of it is
read: there a comment names each kind once, in its place: `: x-llm-api-dropped: reply.web_search_call`. Readers of
server-sent events pass comments over. A picture that has no place is told of in words, in both.

";

const fn column(format: Format) -> &'static str {
    match format {
        Format::OpenaiChat => "OpenAI chat",
        Format::OpenaiResponses => "OpenAI Responses",
        Format::AnthropicMessages => "Anthropic",
        Format::GoogleGemini => "Gemini",
        Format::BedrockConverse => "Bedrock",
        Format::OllamaChat => "Ollama",
    }
}

fn heading(out: &mut String, first: &str, columns: impl IntoIterator<Item = String>) {
    let columns: Vec<String> = columns.into_iter().collect();
    writeln!(out, "| {first} | {} |", columns.join(" | ")).expect("a string");
    writeln!(out, "|---|{}", ":-:|".repeat(columns.len())).expect("a string");
}

fn row(out: &mut String, first: &str, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    writeln!(out, "| {first} | {} |", cells.join(" | ")).expect("a string");
}

fn mark(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Sent { dropped, .. } if dropped.is_empty() => "✓".to_owned(),
        Outcome::Sent { .. } => "hint".to_owned(),
        Outcome::Refused { allowed: Some(_), .. } => "400".to_owned(),
        Outcome::Refused { allowed: None, .. } => "**400**".to_owned(),
    }
}

fn of_requests(out: &mut String) {
    let outcomes = requests::outcomes();
    for caller in CALLERS {
        writeln!(out, "### Asked in the format of {caller}\n").expect("a string");
        heading(out, "Feature", Format::ALL.map(|format| column(format).to_owned()));
        for (feature, callers) in &outcomes {
            let cells = match callers.iter().find(|(format, _)| *format == caller) {
                // The format's own body passes as bytes, whatever our writer makes of it.
                Some((_, targets)) => targets
                    .iter()
                    .map(|(target, outcome)| if *target == caller { "✓".to_owned() } else { mark(outcome) })
                    .collect(),
                None => vec!["—".to_owned(); Format::ALL.len()],
            };
            row(out, &feature.replace('_', " "), cells);
        }
        out.push('\n');
    }
}

/// What a provider sent, and what a reader of each caller's format finds of it.
struct Shown {
    sent: Said,
    read: Vec<(Format, Said)>,
}

fn shown(provider: Format) -> Vec<Shown> {
    let whole = replies::of(provider).into_iter().map(|name| {
        let body = replies::recorded(provider, &name);
        // A reply that the model spoilt is told as a failure.
        let read = CALLERS.into_iter().filter_map(|caller| {
            let written = replies::written(provider, &name, caller).body.to_string();
            Some((caller, Said::of_reply(read_reply(caller, written.as_bytes()).ok()?)))
        });
        let sent = Said::of_reply(read_reply(provider, body.as_bytes()).expect("a reply"));
        Shown { sent, read: read.collect() }
    });
    let names = streams::of(provider).into_iter();
    let streamed =
        names.map(|name| streams::recorded(provider, &name)).filter(streams::Streamed::is_whole).map(|sent| {
            let read = CALLERS.into_iter().filter_map(|caller| {
                let back = streams::read_back(caller, &streams::written(&sent, caller));
                back.is_whole().then(|| (caller, Said::of_events(&back.events)))
            });
            Shown { sent: Said::of_events(&sent.events), read: read.collect() }
        });
    whole.chain(streamed).collect()
}

fn of_replies(out: &mut String) {
    let shown = Format::ALL.map(|provider| (provider, shown(provider)));
    let providers = Format::ALL.map(|format| format!("from {}", column(format)));
    heading(
        out,
        "What a reply says",
        providers.into_iter().chain(CALLERS.map(|caller| format!("to {}", column(caller)))),
    );
    for aspect in ASPECTS {
        let gives = shown.iter().map(|(_, shown)| shown.iter().any(|shown| shown.sent.get(aspect).is_some()));
        let gives = gives.map(|gives| if gives { "✓" } else { "—" }.to_owned());
        let reaches = CALLERS.map(|caller| {
            let all = shown.iter().flat_map(|(_, shown)| shown).filter_map(|shown| {
                shown.sent.get(aspect)?;
                let (_, read) = shown.read.iter().find(|(format, _)| *format == caller)?;
                Some(read.keeps(&shown.sent, aspect))
            });
            let kept: Vec<bool> = all.collect();
            let word = match kept.iter().filter(|kept| **kept).count() {
                0 => "—",
                count if count == kept.len() => "✓",
                _ => "in part",
            };
            word.to_owned()
        });
        row(out, aspect, gives.chain(reaches));
    }
    out.push('\n');
}

/// What replies say that a caller's format has no place for, by the name that the header has for it.
fn of_what_is_dropped(out: &mut String) {
    let mut dropped: BTreeMap<String, Vec<(Format, Format)>> = BTreeMap::new();
    for provider in Format::ALL {
        for (name, caller) in replies::of(provider).iter().flat_map(|name| CALLERS.map(|caller| (name, caller))) {
            for what in replies::written(provider, name, caller).dropped {
                dropped.entry(what).or_default().push((provider, caller));
            }
        }
    }
    heading(
        out,
        "Left out",
        ["from".to_owned()].into_iter().chain(CALLERS.map(|caller| format!("to {}", column(caller)))),
    );
    for (what, cases) in dropped {
        let mut providers: Vec<&str> = cases.iter().map(|(provider, _)| column(*provider)).collect();
        providers.dedup();
        let is_dropped = |caller| cases.iter().any(|(_, dropping)| *dropping == caller);
        let marks = CALLERS.map(|caller| if is_dropped(caller) { "named" } else { "" }.to_owned());
        row(out, &format!("`{what}`"), [providers.join(", ")].into_iter().chain(marks));
    }
    out.push('\n');
}

#[test]
fn the_document_tells_what_the_tests_show() {
    let mut tables = String::from("## Requests\n\n");
    of_requests(&mut tables);
    tables.push_str("## Replies\n\n");
    of_replies(&mut tables);
    tables.push_str("### What replies lose\n\n");
    tables.push_str(UNSAID);
    of_what_is_dropped(&mut tables);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/PROVIDERS.md");
    let document = std::fs::read_to_string(&file).expect("docs/PROVIDERS.md");
    let (before, rest) = document.split_once(BEGIN).expect("the first mark");
    let (_, after) = rest.split_once(END).expect("the second mark");
    let mut differences = Differences::default();
    differences.compare(&file, &format!("{before}{BEGIN}\n{tables}{END}{after}"));
    differences.none();
}
