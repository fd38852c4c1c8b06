//! The parameters that clients offer for a model, in the order of their forms.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use llm_api_domain::Modality;
use llm_api_relay::{Relay, modality_of};
use llm_api_web::{ApiError, Caller, Generate, Json, Query};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SchemaQuery {
    /// A model's id; slashes in it are taken as they are.
    model: Option<String>,
}

/// The parameters of one model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelSchema {
    model_id: String,
    #[schema(example = "latest")]
    version: &'static str,
    #[schema(value_type = BTreeMap<String, Property>)]
    properties: Properties,
}

/// The parameters of every modality.
#[derive(Debug, Serialize, ToSchema)]
struct AllSchemas {
    description: &'static str,
    #[schema(value_type = BTreeMap<String, Object>)]
    modalities: BTreeMap<&'static str, Properties>,
}

/// A JSON object that keeps its order.
#[derive(Clone, Copy, Debug)]
struct Properties(&'static [Property]);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|property| (property.name, property)))
    }
}

/// One parameter: what a form needs to ask for it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct Property {
    #[serde(skip)]
    name: &'static str,
    #[serde(rename = "type")]
    #[schema(example = "number")]
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    default: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    minimum: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    maximum: Option<Plain>,
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    choices: Option<&'static [&'static str]>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum Plain {
    Whole(i64),
    Number(f64),
    Text(&'static str),
}

impl Property {
    const fn text(name: &'static str, title: &'static str, description: &'static str) -> Self {
        Self { name, kind: "string", title, description, default: None, minimum: None, maximum: None, choices: None }
    }

    const fn choice(self, choices: &'static [&'static str], default: Option<&'static str>) -> Self {
        let default = match default {
            Some(default) => Some(Plain::Text(default)),
            None => None,
        };
        Self { choices: Some(choices), default, ..self }
    }

    const fn number(self, least: f64, most: f64, default: f64) -> Self {
        let (minimum, maximum) = (Some(Plain::Number(least)), Some(Plain::Number(most)));
        Self { kind: "number", minimum, maximum, default: Some(Plain::Number(default)), ..self }
    }

    const fn whole(self, least: i64, most: Option<i64>, default: i64) -> Self {
        let maximum = match most {
            Some(most) => Some(Plain::Whole(most)),
            None => None,
        };
        let (minimum, default) = (Some(Plain::Whole(least)), Some(Plain::Whole(default)));
        Self { kind: "integer", minimum, maximum, default, ..self }
    }
}

const TEXT: [Property; 4] = [
    Property::text("temperature", "Temperature", "How freely the model chooses its words").number(0.0, 2.0, 0.7),
    Property::text("max_tokens", "Max tokens", "The longest reply, in tokens").whole(1, Some(128_000), 4096),
    Property::text("top_p", "Top P", "Only the likeliest words that together have this probability")
        .number(0.0, 1.0, 1.0),
    Property::text("format", "Format", "The form of the reply").choice(&["text", "json", "markdown"], None),
];

const SCHEDULERS: [&str; 9] = ["euler", "euler_a", "ddim", "dpm", "dpm++", "lms", "pndm", "heun", "unipc"];

const IMAGE: [Property; 11] = [
    Property::text("width", "Width", "In pixels").whole(256, Some(4096), 512),
    Property::text("height", "Height", "In pixels").whole(256, Some(4096), 512),
    Property::text("num_inference_steps", "Steps", "More steps take longer and show more detail").whole(
        1,
        Some(150),
        4,
    ),
    Property::text("guidance_scale", "Guidance scale", "How closely the image keeps to the prompt")
        .number(0.0, 20.0, 0.0),
    Property::text("negative_prompt", "Negative prompt", "What the image must not show"),
    Property::text("seed", "Seed", "The same seed gives the same image; -1 is a random one").whole(-1, None, -1),
    Property::text("scheduler", "Scheduler", "How noise becomes an image").choice(&SCHEDULERS, Some("euler")),
    Property::text("clip_skip", "CLIP skip", "How many layers of the text encoder are left out").whole(0, Some(12), 0),
    Property::text("num_images", "Images", "How many images to make").whole(1, Some(4), 1),
    Property::text("strength", "Strength", "How far the image may depart from the one given").number(0.0, 1.0, 0.8),
    Property::text("eta", "Eta", "Noise added at each step, for some schedulers").number(0.0, 1.0, 0.0),
];

const THREE_D: [Property; 2] = [
    Property::text("num_inference_steps", "Steps", "More steps take longer and show more detail").whole(
        1,
        Some(256),
        64,
    ),
    Property::text("guidance_scale", "Guidance scale", "How closely the mesh keeps to the prompt")
        .number(1.0, 100.0, 15.0),
];

fn properties(modality: Modality) -> Properties {
    match modality {
        Modality::Text => Properties(&TEXT),
        Modality::Image => Properties(&IMAGE),
        Modality::ThreeD => Properties(&THREE_D),
    }
}

/// The parameters of a model, chosen by what it makes; without one, those of every modality.
#[utoipa::path(get, path = "/v1/schema", tag = "models", params(SchemaQuery),
    responses((status = 200, body = ModelSchema), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn schema(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    Query(query): Query<SchemaQuery>,
) -> Result<Response, ApiError> {
    let Some(model_id) = query.model.filter(|id| !id.is_empty()) else {
        return Ok(Json(all()).into_response());
    };
    let listed = relay.whole_catalogue(caller.user).await?.into_iter().find(|entry| entry.is_asked_for_by(&model_id));
    // A model that is not listed is known by its name alone.
    let modality = listed.map_or_else(|| modality_of(&model_id), |entry| entry.modality);
    Ok(Json(ModelSchema { model_id, version: "latest", properties: properties(modality) }).into_response())
}

fn all() -> AllSchemas {
    AllSchemas {
        description: "The parameters that a generate request may carry, by modality; ask with ?model= for one model's. \
                      What a provider takes beyond them is sent on as it is.",
        modalities: Modality::ALL.into_iter().map(|modality| (modality.as_str(), properties(modality))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_property_tells_only_what_it_has() {
        let text = serde_json::to_value(properties(Modality::Text)).expect("serializes");
        let temperature = &text["temperature"];
        assert_eq!([&temperature["minimum"], &temperature["maximum"], &temperature["default"]], [0.0, 2.0, 0.7]);
        assert_eq!((&text["max_tokens"]["type"], &text["max_tokens"]["maximum"]), (&json!("integer"), &json!(128_000)));
        let format = text["format"].as_object().expect("an object");
        assert_eq!(format["enum"], json!(["text", "json", "markdown"]));
        assert!(!format.contains_key("default") && !format.contains_key("minimum") && !format.contains_key("name"));
        let image = serde_json::to_value(properties(Modality::Image)).expect("serializes");
        let seed = image["seed"].as_object().expect("an object");
        assert_eq!((&seed["minimum"], seed.get("maximum")), (&json!(-1), None));
        assert_eq!(image["scheduler"]["default"], "euler");
    }

    #[test]
    fn a_form_keeps_its_order() {
        let text = serde_json::to_string(&properties(Modality::Text)).expect("serializes");
        let places: Vec<_> = TEXT.iter().map(|property| text.find(&format!("\"{}\":{{", property.name))).collect();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
    }

    #[test]
    fn without_a_model_every_modality_is_told() {
        let all = serde_json::to_value(all()).expect("serializes");
        for (modality, parameter) in [("text", "top_p"), ("image", "strength"), ("3d", "guidance_scale")] {
            assert!(all["modalities"][modality][parameter].is_object(), "{modality}");
        }
    }
}
