//! What the name of a model tells of what it takes.

/// The version in a name such as `claude-opus-4-6`, `claude-3-7-sonnet-20250219` or `us.anthropic.claude-opus-4-8-v1:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

/// What is known of a model; of one that is not Anthropic's, or has no number in its name, nothing is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    version: Option<Version>,
    always_thinks: bool,
}

impl Model {
    pub(super) fn of_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let Some((_, rest)) = name.split_once("claude-") else { return Self { version: None, always_thinks: false } };
        // Both families have no other mode, also where their names have no number.
        let always_thinks = rest.starts_with("mythos") || rest.starts_with("fable");
        Self { version: version(rest).or(always_thinks.then_some(Version(5, 0))), always_thinks }
    }

    fn since(self, major: u32, minor: u32) -> bool {
        self.version.is_some_and(|version| version >= Version(major, minor))
    }

    fn before(self, major: u32, minor: u32) -> bool {
        self.version.is_some_and(|version| version < Version(major, minor))
    }

    pub(super) fn is_known(self) -> bool {
        self.version.is_some()
    }

    /// Claude 3.7 was the first.
    pub(super) fn cannot_think(self) -> bool {
        self.before(3, 7)
    }

    /// `thinking: adaptive` and `output_config.effort` came with 4.6; 4.7 refuses a budget.
    pub(super) fn thinks_adaptively(self) -> bool {
        self.since(4, 6)
    }

    /// `thinking: disabled` is refused.
    pub(super) fn always_thinks(self) -> bool {
        self.always_thinks
    }

    /// "Models released after Claude Opus 4.6" take only the defaults of `temperature`, `top_p` and `top_k`.
    pub(super) fn has_fixed_sampling(self) -> bool {
        self.since(4, 7)
    }

    /// Since 4.1 one of `temperature` and `top_p` is taken, not both.
    pub(super) fn takes_one_of_temperature_and_top_p(self) -> bool {
        self.since(4, 1)
    }

    /// Messages of the role `system` came with 4.8.
    pub(super) fn takes_system_in_the_middle(self) -> bool {
        self.since(4, 8)
    }

    /// Structured output came with Opus 4.1 and Sonnet 4.5.
    pub(super) fn cannot_follow_schemas(self) -> bool {
        self.before(4, 1)
    }
}

/// The first number is the major one, one right behind it the minor one; a date is neither.
fn version(name: &str) -> Option<Version> {
    let mut words = name.split(['-', '.', '@', ':', '_', '/']).map(|word| word.parse().ok().filter(|n: &u32| *n < 100));
    let major = words.by_ref().flatten().next()?;
    Some(Version(major, words.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        for (name, expected) in [
            ("claude-opus-4-6", Some((4, 6))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-3-opus-20240229", Some((3, 0))),
            ("us.anthropic.claude-opus-4-8-v1:0", Some((4, 8))),
            ("anthropic/claude-4.6-opus", Some((4, 6))),
            ("claude-haiku-4-5@20251001", Some((4, 5))),
            ("claude-mythos-preview", Some((5, 0))),
            ("claude-fable-5", Some((5, 0))),
            ("claude-latest", None),
            ("glm-4.6", None),
        ] {
            let expected = expected.map(|(major, minor)| Version(major, minor));
            assert_eq!(Model::of_name(name).version, expected, "{name}");
        }
    }
}
