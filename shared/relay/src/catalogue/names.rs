//! What names alone tell: which models of a list are of use here, what a model makes, and which ones are well known.

use llm_api_domain::{Modality, ProviderId};

/// What a model makes by its name, where nothing else is known of it.
pub fn modality_of(model: &str) -> Modality {
    const IMAGE: [&str; 8] =
        ["dall-e", "gpt-image", "chatgpt-image", "imagen", "flux", "stable-diffusion", "sdxl", "sd-turbo"];
    let name = model.rsplit(['/', ':']).next().unwrap_or(model).to_ascii_lowercase();
    if name.starts_with("shap-e") {
        return Modality::ThreeD;
    }
    if IMAGE.iter().any(|prefix| name.starts_with(prefix)) { Modality::Image } else { Modality::Text }
}

/// Whether a model of the provider's list can answer a conversation or make an image. Names that say nothing stay: the
/// operator's address for the provider may lead elsewhere.
pub(super) fn is_offered(provider: ProviderId, model: &str) -> bool {
    let name = model.to_ascii_lowercase();
    match provider {
        ProviderId::Openai => is_offered_by_openai(&name),
        ProviderId::Groq => !["whisper", "tts", "orpheus", "guard"].iter().any(|word| name.contains(word)),
        _ => true,
    }
}

fn is_offered_by_openai(name: &str) -> bool {
    const CHAT: [&str; 5] = ["gpt-", "chatgpt-", "o1", "o3", "o4"];
    // Speech, old completions, and what searches the web by itself: other endpoints than the ones called here.
    const OTHER_USE: [&str; 6] = ["audio", "realtime", "tts", "transcribe", "instruct", "search"];
    const OTHER_KIND: [&str; 12] = [
        "whisper",
        "tts-",
        "text-embedding",
        "text-moderation",
        "omni-moderation",
        "text-davinci",
        "text-curie",
        "text-babbage",
        "text-ada",
        "davinci-",
        "babbage-",
        "sora",
    ];
    let is_chat = CHAT.iter().any(|prefix| name.starts_with(prefix));
    let is_other_use = is_chat && OTHER_USE.iter().any(|word| name.contains(word));
    !is_other_use && !OTHER_KIND.iter().any(|prefix| name.starts_with(prefix))
}

/// The ids that stand for a provider which told none; present ones first.
pub(super) fn well_known(provider: ProviderId, with_key: bool) -> impl Iterator<Item = &'static str> {
    let only_with_key = if with_key { known_to_clients_with_key(provider) } else { &[] };
    present(provider).iter().chain(known_to_clients(provider)).chain(only_with_key).copied()
}

/// A choice of what the provider offers today.
fn present(provider: ProviderId) -> &'static [&'static str] {
    match provider {
        ProviderId::Openai => &["gpt-6.1-sol", "gpt-6.1-terra", "gpt-6-luna", "gpt-image-2"],
        ProviderId::Anthropic => &["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"],
        ProviderId::Google => &["gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite", "gemini-2.5-pro"],
        ProviderId::Xai => &["grok-4.7", "grok-4.3", "grok-build-latest"],
        ProviderId::Deepseek => &["deepseek-v4-pro", "deepseek-v4-flash"],
        ProviderId::Groq => &["openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3.8-27b"],
        ProviderId::Mistral => {
            &["mistral-large-latest", "mistral-medium-latest", "mistral-small-latest", "codestral-latest"]
        }
        ProviderId::Together => &["moonshotai/Kimi-K3", "deepseek-ai/DeepSeek-V4.1-Flash", "zai-org/GLM-5.3-Flash"],
        ProviderId::Fireworks => &[
            "accounts/fireworks/models/kimi-k3",
            "accounts/fireworks/models/deepseek-v4p1-flash",
            "accounts/fireworks/models/glm-5p3-flash",
        ],
        // Their models are the user's own, or too many to choose from.
        ProviderId::Azure
        | ProviderId::Huggingface
        | ProviderId::Openrouter
        | ProviderId::Custom
        | ProviderId::Local
        | ProviderId::Bedrock
        | ProviderId::Other => &[],
    }
}

/// What the Python service listed, and its clients know by name. Some are gone at the provider.
fn known_to_clients(provider: ProviderId) -> &'static [&'static str] {
    match provider {
        ProviderId::Openai => &["gpt-4o", "gpt-4o-mini", "o3", "dall-e-3"],
        ProviderId::Anthropic => {
            &["claude-3-7-sonnet-20250219", "claude-3-5-sonnet-20241022", "claude-3-5-haiku-20241022"]
        }
        ProviderId::Google => &["gemini-2.0-flash", "gemini-1.5-pro"],
        ProviderId::Xai => &["grok-3", "grok-3-mini"],
        ProviderId::Deepseek => &["deepseek-chat", "deepseek-reasoner"],
        ProviderId::Groq => &["llama-3.3-70b-versatile", "llama-3.1-8b-instant", "mixtral-8x7b-32768", "gemma2-9b-it"],
        _ => &[],
    }
}

/// What it listed besides for those with a key.
fn known_to_clients_with_key(provider: ProviderId) -> &'static [&'static str] {
    match provider {
        ProviderId::Anthropic => &["claude-3-opus-20240229"],
        ProviderId::Xai => &["grok-2"],
        _ => &[],
    }
}

/// Hugging Face's list is about text; these are the images: the operator's default, where it is one of its own, and the
/// one that the Python service always offered.
pub(super) fn huggingface_images(default: &str) -> Vec<String> {
    const ALWAYS: &str = "stabilityai/stable-diffusion-xl-base-1.0";
    let default = match crate::route::split_prefix(default) {
        Some((ProviderId::Huggingface, id)) => id,
        Some(_) => "",
        None => default,
    };
    let mut ids = Vec::new();
    // Only Hugging Face's ids have an owner before the name.
    if default.contains('/') && default != ALWAYS {
        ids.push(default.to_owned());
    }
    ids.push(ALWAYS.to_owned());
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_images_from_text() {
        for model in ["dall-e-3", "gpt-image-1.5", "stabilityai/sdxl-turbo", "black-forest-labs/FLUX.1-schnell"] {
            assert_eq!(modality_of(model), Modality::Image, "{model}");
        }
        for model in ["gpt-4o", "echo", "llama3:8b", "my-flux-capacitor", "", "imaginary"] {
            assert_eq!(modality_of(model), Modality::Text, "{model}");
        }
        assert_eq!(modality_of("huggingface:stabilityai/sdxl-turbo"), Modality::Image);
        assert_eq!(modality_of("openai/shap-e"), Modality::ThreeD);
    }

    #[test]
    fn openais_list_keeps_what_can_be_called_and_what_it_does_not_know() {
        for model in [
            "gpt-4o",
            "o3-mini",
            "chatgpt-4o-latest",
            "dall-e-3",
            "gpt-image-1",
            "gpt-6-luna",
            "echo",
            "meta-llama/Llama-3-8B-Instruct",
            "ft:gpt-4o-2024-08-06:me::x",
            "research-7b",
        ] {
            assert!(is_offered(ProviderId::Openai, model), "{model}");
        }
        for model in [
            "gpt-4o-audio-preview",
            "gpt-realtime",
            "gpt-4o-mini-tts",
            "tts-1-hd",
            "whisper-1",
            "davinci-002",
            "babbage-002",
            "text-embedding-3-large",
            "omni-moderation-latest",
            "gpt-3.5-turbo-instruct",
            "sora-2",
            "gpt-4o-transcribe",
            "gpt-4o-search-preview",
            "o4-mini-deep-research",
            "text-davinci-003",
        ] {
            assert!(!is_offered(ProviderId::Openai, model), "{model}");
        }
    }

    #[test]
    fn other_lists_are_narrowed_only_where_it_is_needed() {
        assert!(!is_offered(ProviderId::Groq, "whisper-large-v3") && !is_offered(ProviderId::Groq, "playai-tts"));
        assert!(!is_offered(ProviderId::Groq, "meta-llama/Llama-Guard-4-12B"));
        assert!(is_offered(ProviderId::Groq, "llama-3.3-70b-versatile"));
        assert!(is_offered(ProviderId::Xai, "grok-4.7") && is_offered(ProviderId::Custom, "whisper-1"));
    }

    #[test]
    fn present_models_are_known_and_not_switched_off() {
        for provider in ProviderId::ALL {
            for model in present(provider) {
                let facts = llm_api_facts::find(provider, model).unwrap_or_else(|| panic!("{provider} {model}"));
                assert_eq!(facts.deprecated_on, None, "{model}");
                assert_eq!(facts.modality, modality_of(model), "{model}");
            }
        }
    }

    #[test]
    fn the_old_lists_are_whole() {
        let locked: Vec<_> = well_known(ProviderId::Anthropic, false).collect();
        let open: Vec<_> = well_known(ProviderId::Anthropic, true).collect();
        assert!(locked.contains(&"claude-3-5-haiku-20241022") && !locked.contains(&"claude-3-opus-20240229"));
        assert!(open.starts_with(&locked) && open.contains(&"claude-3-opus-20240229"));
        assert_eq!(well_known(ProviderId::Azure, true).count() + well_known(ProviderId::Local, true).count(), 0);
    }

    #[test]
    fn the_default_image_model_is_hugging_faces_only_by_its_form() {
        let always = "stabilityai/stable-diffusion-xl-base-1.0";
        assert_eq!(huggingface_images("stabilityai/sdxl-turbo"), ["stabilityai/sdxl-turbo", always]);
        assert_eq!(huggingface_images("huggingface:a/b"), ["a/b", always]);
        for other in ["dall-e-3", "openai:gpt-image-1", "together:a/b", always] {
            assert_eq!(huggingface_images(other), [always], "{other}");
        }
    }
}
