//! The model for requests that name none.

use llm_api_domain::{Modality, UserId};
use llm_api_storage::{DefaultModel, StoreError};

use crate::Relay;

/// The operator's settings: ids, with or without a provider's prefix. Empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    pub text: String,
    pub image: String,
}

impl Defaults {
    fn of(&self, modality: Modality) -> Option<DefaultModel> {
        let model = match modality {
            Modality::Text => &self.text,
            Modality::Image => &self.image,
            Modality::ThreeD => return None,
        };
        // The prefix, when there is one, is read where the model is looked for.
        (!model.is_empty()).then(|| DefaultModel { modality, provider: None, model: model.clone() })
    }
}

impl Relay {
    /// The caller's own default, else the one set for all, else the operator's setting. Nothing makes 3D here.
    pub async fn default_model(&self, user: UserId, modality: Modality) -> Result<Option<DefaultModel>, StoreError> {
        if modality == Modality::ThreeD {
            return Ok(None);
        }
        let config = &self.0.config;
        let stored = config.store.default_models().effective(user, modality).await?;
        Ok(stored.or_else(|| config.defaults.of(modality)))
    }

    /// The defaults of all modalities that have one.
    pub(crate) async fn default_models(&self, user: UserId) -> Result<Vec<DefaultModel>, StoreError> {
        let mut defaults = Vec::new();
        for modality in Modality::ALL {
            defaults.extend(self.default_model(user, modality).await?);
        }
        Ok(defaults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_have_a_text_and_an_image_model() {
        let defaults = Defaults { text: "openai:gpt-4o".to_owned(), image: String::new() };
        let text = defaults.of(Modality::Text).expect("set");
        assert_eq!((text.modality, text.provider, text.model.as_str()), (Modality::Text, None, "openai:gpt-4o"));
        assert!(defaults.of(Modality::Image).is_none() && defaults.of(Modality::ThreeD).is_none());
    }
}
