//! Why a reply ended, in this format's words.

use serde_json::{Map, Value};

use crate::Finish;

/// What a choice says of its end.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) word: &'a str,
    /// vLLM's: the text to stop at that came.
    pub(super) stop: Option<&'a str>,
    pub(super) called: bool,
    pub(super) refused: bool,
}

pub(super) fn read(told: &Told<'_>) -> Finish {
    match told.word {
        // Some call tools and say that they merely stopped.
        "stop" | "eos" | "end_turn" | "stop_sequence" | "" if told.called => Finish::ToolCalls,
        "stop" | "" if told.refused => Finish::Refusal,
        "stop" | "eos" | "end_turn" | "stop_sequence" | "" => match told.stop {
            Some(text) => Finish::StopSequence(Some(text.to_owned())),
            None if told.word == "stop_sequence" => Finish::StopSequence(None),
            None => Finish::Stop,
        },
        "length" | "max_tokens" => Finish::Length,
        "model_length" => Finish::ContextLength,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        other => Finish::of_unknown(other),
    }
}

/// The word for it, and members of others that say more where the word says less than is known: vLLM's `stop_reason`,
/// OpenRouter's `native_finish_reason`.
pub(super) fn write(finish: &Finish, older_calls: bool, refused: bool) -> (&'static str, Map<String, Value>) {
    let mut more = Map::new();
    let mut native = |word: &str| more.insert("native_finish_reason".into(), word.into());
    let word = match finish {
        Finish::Stop | Finish::StopSequence(None) => "stop",
        Finish::StopSequence(Some(text)) => {
            more.insert("stop_reason".into(), text.as_str().into());
            "stop"
        }
        Finish::Length => "length",
        Finish::ContextLength => {
            native("model_length");
            "length"
        }
        Finish::ToolCalls if older_calls => "function_call",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Refusal if refused => "stop",
        Finish::Refusal => {
            native("refusal");
            "content_filter"
        }
        Finish::Pause => {
            native("pause");
            "stop"
        }
        Finish::Malformed(word) => {
            native(word);
            "stop"
        }
    };
    (word, more)
}
