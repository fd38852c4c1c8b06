//! What differs between generations of Google's models.

use crate::Effort;

/// What stands for a seal on calls that another provider's model made: Google's documented word for it.
const NO_SEAL: &str = "skip_thought_signature_validator";

/// Flash models that know the level below `LOW`.
const KNOW_MINIMAL: [&str; 3] = ["gemini-3-flash", "gemini-3.1-flash", "gemini-3.5-flash"];

#[derive(Clone, Copy, Debug)]
pub(super) struct Model<'m>(&'m str);

impl<'m> Model<'m> {
    /// `name` may have a path before it, such as `models/`.
    pub(super) fn of(name: &'m str) -> Self {
        Self(name.rsplit('/').next().unwrap_or(name))
    }

    /// Before Gemini 3: it thinks by token budgets, later ones by levels.
    pub(super) fn is_old(self) -> bool {
        self.0.starts_with("gemini-1") || self.0.starts_with("gemini-2")
    }

    /// The budget that it takes nearest to the one wanted.
    pub(super) fn budget(self, tokens: i64) -> i64 {
        if self.0.contains("flash-lite") {
            if tokens <= 0 { 0 } else { tokens.clamp(512, 24_576) }
        } else if self.0.contains("flash") {
            tokens.clamp(0, 24_576)
        } else {
            tokens.clamp(128, 32_768)
        }
    }

    /// The level nearest to an effort, and whether it is the same. None of these models can be kept from thinking, and
    /// `LOW` and `HIGH` are the ends of what all of them know.
    pub(super) fn level(self, effort: Effort) -> (&'static str, bool) {
        let lowest = if KNOW_MINIMAL.iter().any(|name| self.0.starts_with(name)) { "MINIMAL" } else { "LOW" };
        match effort {
            Effort::None => (lowest, false),
            Effort::Minimal => (lowest, lowest == "MINIMAL"),
            Effort::Low => ("LOW", true),
            Effort::Medium => ("MEDIUM", true),
            Effort::High => ("HIGH", true),
            Effort::Max => ("HIGH", false),
        }
    }

    /// What the first call of a turn bears where no seal came with it: without one, newer models refuse the request.
    pub(super) fn stand_in_seal(self) -> Option<&'static str> {
        (self.0.starts_with("gemini-") && !self.is_old()).then_some(NO_SEAL)
    }
}
