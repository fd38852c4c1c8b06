//! What is known of a model by its id. Converse is one API, but not every model behind it takes all of it.

/// Who made a model, as far as requests differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Claude(Claude),
    /// Amazon's own; the second generation thinks.
    Nova {
        thinks: bool,
    },
    /// OpenAI's; of the open ones each thinks always.
    Openai {
        open: bool,
    },
    Mistral,
    /// Models from before tools and replies could be held to a schema.
    Older,
    /// Other models, and addresses that do not tell their model.
    Other,
}

/// Anthropic's, by generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claude {
    /// Such as `(4, 5)`.
    generation: (u8, u8),
    /// Whether it thinks whatever it is told.
    always_thinks: bool,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaudeThinking {
    Never,
    /// In so many tokens.
    Budget,
    /// As much as it finds right for an effort.
    Adaptive,
}

impl Claude {
    fn of(id: &str) -> Self {
        let name = id.rsplit("claude-").next().unwrap_or_default();
        let small = |word: &str| word.parse::<u8>().ok().filter(|number| *number < 100);
        let mut words = name.split('-').skip_while(|word| small(word).is_none());
        let generation = match words.next().and_then(small) {
            Some(major) => (major, words.next().and_then(small).unwrap_or(0)),
            // `claude-v2`, `claude-instant-v1`; a name without a number is that of a new one.
            None if name.contains("instant") || name.starts_with('v') => (2, 0),
            None => (u8::MAX, 0),
        };
        Self { generation, always_thinks: name.contains("fable") || name.contains("mythos") }
    }

    pub(super) fn thinking(self) -> ClaudeThinking {
        match self.generation {
            older if older < (3, 7) => ClaudeThinking::Never,
            older if older < (4, 6) => ClaudeThinking::Budget,
            _ => ClaudeThinking::Adaptive,
        }
    }

    pub(super) fn always_thinks(self) -> bool {
        self.always_thinks
    }

    /// Whether it thinks where nothing is said of it.
    pub(super) fn thinks_unasked(self) -> bool {
        self.generation >= (5, 0)
    }

    /// Since Claude Opus 4.7 any temperature, top-p or top-k but the default is refused.
    pub(super) fn takes_sampling(self) -> bool {
        self.generation < (4, 7)
    }

    /// Whether calls of tools can be kept to one at a time.
    pub(super) fn takes_single_calls(self) -> bool {
        self.generation >= (4, 5)
    }
}

impl Family {
    /// By a model's id, or an ARN that has it.
    pub(super) fn of(model: &str) -> Self {
        let id = model.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| id.contains(word));
        if has(&["claude"]) {
            Self::Claude(Claude::of(&id))
        } else if has(&["amazon.nova"]) {
            Self::Nova { thinks: has(&["nova-2"]) }
        } else if has(&["openai."]) {
            Self::Openai { open: has(&["gpt-oss"]) }
        } else if has(&["mistral."]) {
            Self::Mistral
        } else if has(&["meta.", "cohere.", "ai21.", "amazon.titan"]) {
            Self::Older
        } else {
            Self::Other
        }
    }

    /// Whether points of the request can be named up to which it is cached.
    pub(super) fn caches(self) -> bool {
        match self {
            Self::Claude(claude) => claude.generation >= (3, 5),
            Self::Nova { .. } => true,
            Self::Openai { .. } | Self::Mistral | Self::Older | Self::Other => false,
        }
    }

    /// Whether arguments and replies can be held to a schema.
    pub(super) fn enforces_schemas(self) -> bool {
        match self {
            Self::Claude(claude) => claude.generation >= (4, 5),
            Self::Nova { .. } | Self::Older => false,
            Self::Openai { .. } | Self::Mistral | Self::Other => true,
        }
    }

    /// Whether it is told that a tool failed.
    pub(super) fn takes_result_status(self) -> bool {
        matches!(self, Self::Claude(_) | Self::Nova { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_id_tells_its_generation() {
        for (id, generation) in [
            ("anthropic.claude-v2:1", (2, 0)),
            ("anthropic.claude-3-haiku-20240307-v1:0", (3, 0)),
            ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", (3, 7)),
            ("anthropic.claude-opus-4-20250514-v1:0", (4, 0)),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0", (4, 5)),
            ("global.anthropic.claude-opus-4-6-v1", (4, 6)),
            ("anthropic.claude-sonnet-5", (5, 0)),
            ("anthropic.claude-fable-5-1", (5, 1)),
            ("anthropic.claude-mythos-preview", (u8::MAX, 0)),
        ] {
            assert!(matches!(Family::of(id), Family::Claude(claude) if claude.generation == generation), "{id}");
        }
    }

    #[test]
    fn the_others_are_told_apart() {
        for (id, family) in [
            ("us.amazon.nova-2-lite-v1:0", Family::Nova { thinks: true }),
            ("amazon.nova-pro-v1:0", Family::Nova { thinks: false }),
            ("openai.gpt-oss-120b-1:0", Family::Openai { open: true }),
            ("mistral.mistral-large-2407-v1:0", Family::Mistral),
            ("us.meta.llama4-scout-17b-instruct-v1:0", Family::Older),
            ("deepseek.v3-v1:0", Family::Other),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", Family::Other),
        ] {
            assert_eq!(Family::of(id), family, "{id}");
        }
    }
}
