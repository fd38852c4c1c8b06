//! What a model's name tells of the provider behind it: a request knows no more.

/// Models that do not all take the same members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// OpenAI's that think: o1, o3, o4-mini, gpt-5 and later.
    OpenaiReasoning,
    /// gpt-5-chat and its like: newer members, no thinking.
    OpenaiNewer,
    /// gpt-4o, gpt-4.1 and before.
    OpenaiOlder,
    Claude,
    Gemini,
    /// At Mistral itself.
    Mistral,
    Other,
}

/// How the names of Mistral's models begin.
const MISTRAL: [&str; 8] =
    ["mistral", "ministral", "codestral", "devstral", "magistral", "pixtral", "open-mi", "voxtral"];

impl Target {
    /// Decides by the name's beginning, after the maker's where a router puts that before it (`openai/gpt-5`).
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        // A fine-tuned model has the name of what it was made from.
        let name = name.strip_prefix("ft:").unwrap_or(&name);
        // Others name these models otherwise: `mistral:7b`, `mistralai/…`.
        let is_at_mistral = !model.contains(['/', ':']);
        let starts = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        if let Some(version) = name.strip_prefix("gpt-").and_then(major_version) {
            return match version {
                5.. if name.contains("-chat") => Self::OpenaiNewer,
                5.. => Self::OpenaiReasoning,
                _ => Self::OpenaiOlder,
            };
        }
        if is_o_series(name) {
            Self::OpenaiReasoning
        } else if starts(&["chatgpt-"]) {
            Self::OpenaiOlder
        } else if name.contains("claude") {
            Self::Claude
        } else if starts(&["gemini"]) {
            Self::Gemini
        } else if is_at_mistral && starts(&MISTRAL) {
            Self::Mistral
        } else {
            Self::Other
        }
    }

    pub(super) fn is_openai(self) -> bool {
        matches!(self, Self::OpenaiReasoning | Self::OpenaiNewer | Self::OpenaiOlder)
    }

    /// Every compatible provider knows `max_tokens`. OpenAI deprecates it, and its reasoning models refuse it: "not
    /// compatible with o-series models" (OpenAI's API reference, chat completions, `max_tokens`).
    pub(super) fn max_tokens(self) -> &'static str {
        match self {
            Self::OpenaiReasoning | Self::OpenaiNewer => "max_completion_tokens",
            _ => "max_tokens",
        }
    }

    /// Who serves Claude in this format takes Anthropic's marks (OpenRouter, `LiteLLM`) or overlooks them.
    pub(super) fn takes_cache_marks(self) -> bool {
        self == Self::Claude
    }
}

/// `5` of `5.1-codex`.
fn major_version(rest: &str) -> Option<u32> {
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// An `o` and a number: `o1`, `o3-mini`, `o4-mini-2025-04-16`.
fn is_o_series(name: &str) -> bool {
    let Some(rest) = name.strip_prefix('o') else { return false };
    let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    after.len() < rest.len() && (after.is_empty() || after.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_kind() {
        for (model, target) in [
            ("o1", Target::OpenaiReasoning),
            ("o4-mini-2025-04-16", Target::OpenaiReasoning),
            ("openai/o3", Target::OpenaiReasoning),
            ("gpt-5", Target::OpenaiReasoning),
            ("gpt-5.1-codex", Target::OpenaiReasoning),
            ("GPT-6-mini", Target::OpenaiReasoning),
            ("gpt-5-chat-latest", Target::OpenaiNewer),
            ("gpt-4o-mini", Target::OpenaiOlder),
            ("ft:gpt-4.1-mini:us::x", Target::OpenaiOlder),
            ("gpt-3.5-turbo", Target::OpenaiOlder),
            ("chatgpt-4o-latest", Target::OpenaiOlder),
            ("gpt-oss-120b", Target::Other),
            ("olmo-2", Target::Other),
            ("o1js", Target::Other),
            ("deepseek-chat", Target::Other),
            ("anthropic/claude-sonnet-4.5", Target::Claude),
            ("models/gemini-3-pro", Target::Gemini),
            ("mistral-large-latest", Target::Mistral),
            ("mistral:7b", Target::Other),
            ("mistralai/mistral-large", Target::Other),
            ("", Target::Other),
        ] {
            assert_eq!(Target::of(model), target, "{model}");
        }
    }
}
