use std::{fmt, str::FromStr};

use crate::ProviderId;

/// A model with its provider, written `provider:model`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelName {
    pub provider: ProviderId,
    /// The provider's own name of it, never empty; it may hold colons.
    pub model: String,
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.model)
    }
}

/// The text does not begin with a provider that we know and a colon, or names no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected provider:model with a known provider")]
pub struct NoModelName;

impl FromStr for ModelName {
    type Err = NoModelName;

    fn from_str(text: &str) -> Result<Self, NoModelName> {
        let (provider, model) = text.split_once(':').ok_or(NoModelName)?;
        let provider = provider.parse().map_err(|_| NoModelName)?;
        if model.is_empty() { Err(NoModelName) } else { Ok(Self { provider, model: model.to_owned() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_provider_makes_a_name() {
        let name: ModelName = "Local:llama3:8b".parse().expect("a name");
        assert_eq!((name.provider, name.model.as_str()), (ProviderId::Local, "llama3:8b"));
        assert_eq!(name.to_string(), "local:llama3:8b");
        for text in ["llama3:8b", "openai:", "gpt-4o", ""] {
            assert_eq!(text.parse::<ModelName>(), Err(NoModelName), "{text}");
        }
    }
}
