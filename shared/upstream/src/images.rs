//! Asks for images: OpenAI's form and Hugging Face's.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::Method;
use llm_api_domain::WireFamily;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use crate::{
    Auth, Client, Detail, Endpoint, UpstreamError, address,
    client::{check_json, media_type},
    request::Request,
    sniff::image_type,
};

/// Whose form a provider's images have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageApi {
    /// `{base}/images/generations`
    Openai,
    /// `hf-inference/models/{model}` at the base's origin.
    HuggingFace,
}

/// Images to ask for.
pub struct ImageCall<'a> {
    pub endpoint: &'a Endpoint,
    pub api: ImageApi,
    pub model: &'a str,
    pub auth: Option<&'a Auth>,
    pub prompt: &'a str,
    /// `num_images` or `n`, and `width` with `height` are put into the provider's words; others are sent as they are.
    pub parameters: Map<String, Value>,
}

impl fmt::Debug for ImageCall<'_> {
    /// Without the prompt: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageCall")
            .field("origin", self.endpoint.origin())
            .field("api", &self.api)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// One image that was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    pub bytes: Bytes,
    /// By the bytes, whatever the provider calls it.
    pub content_type: &'static str,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("bytes", &self.bytes.len()).field("content_type", &self.content_type).finish()
    }
}

impl Image {
    fn new(bytes: Bytes) -> Result<Self, UpstreamError> {
        let content_type = image_type(&bytes).ok_or_else(|| UpstreamError::bad("it has something that is no image"))?;
        Ok(Self { bytes, content_type })
    }
}

impl Client {
    /// Asks for images, within the limits of every call: at least one comes back.
    pub async fn images(&self, call: ImageCall<'_>) -> Result<Vec<Image>, UpstreamError> {
        match call.api {
            ImageApi::Openai => self.openai_images(call).await,
            ImageApi::HuggingFace => self.hugging_face_image(call).await,
        }
    }

    async fn openai_images(&self, call: ImageCall<'_>) -> Result<Vec<Image>, UpstreamError> {
        let ImageCall { endpoint, model, auth, prompt, parameters, .. } = call;
        let url = address::parse(&format!("{}/images/generations", endpoint.base_url()))?;
        let request = Request::new(Method::POST, Cow::Owned(url), WireFamily::OpenaiChat, auth)?
            .json(&openai_body(model, prompt, parameters));
        let (_, body) = self.ask_json(endpoint, &request, self.due()).await?;
        let answer: Answer<'_> =
            serde_json::from_slice(&body).map_err(|_| UpstreamError::bad("it is no list of images"))?;
        if answer.error.is_some() {
            return Err(UpstreamError::from_error_body(&body, request.secret()));
        }
        let images: Vec<_> = answer.data.into_iter().flatten().map(decode).collect::<Result<_, _>>()?;
        if images.is_empty() { Err(UpstreamError::bad("it has no image")) } else { Ok(images) }
    }

    async fn hugging_face_image(&self, call: ImageCall<'_>) -> Result<Vec<Image>, UpstreamError> {
        let ImageCall { endpoint, model, auth, prompt, parameters, .. } = call;
        let segments: Vec<_> = model.split('/').map(address::segment).collect::<Result<_, _>>()?;
        let url = address::at_origin(endpoint, &format!("hf-inference/models/{}", segments.join("/")))?;
        let request = Request::new(Method::POST, Cow::Owned(url), WireFamily::OpenaiChat, auth)?
            .json(&hugging_face_body(prompt, parameters)?)
            .accept("image/png");
        let due = self.due();
        let mut response = self.ask(endpoint, &request, due).await?;
        let is_image = media_type(response.headers())
            .is_some_and(|media_type| media_type.get(..6).is_some_and(|kind| kind.eq_ignore_ascii_case(b"image/")));
        if is_image {
            return Ok(vec![Image::new(self.read(&mut response, due.end).await?)?]);
        }
        // In place of an image only an error makes sense.
        check_json(response.headers())?;
        let body = self.read(&mut response, due.end).await?;
        match serde_json::from_slice(&body) {
            Ok(Answer { error: Some(_), .. }) => Err(UpstreamError::from_error_body(&body, request.secret())),
            _ => Err(UpstreamError::bad("it is no image")),
        }
    }
}

/// What OpenAI answers, and what all answer in place of images.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    data: Option<Vec<Entry<'a>>>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    b64_json: Option<Cow<'a, str>>,
}

fn decode(entry: Entry<'_>) -> Result<Image, UpstreamError> {
    // An address is nothing to us: we go nowhere that a provider names.
    let text = entry.b64_json.ok_or_else(|| UpstreamError::bad("it has an image that is not in it"))?;
    let bytes = BASE64_STANDARD.decode(&*text).map_err(|_| UpstreamError::bad("it has an image that is no base64"))?;
    Image::new(bytes.into())
}

fn openai_body(model: &str, prompt: &str, mut parameters: Map<String, Value>) -> Value {
    const OWN: [&str; 5] = ["model", "prompt", "response_format", "stream", "partial_images"];
    parameters.retain(|name, value| !value.is_null() && !OWN.contains(&name.as_str()));
    if let Some(count) = parameters.remove("num_images") {
        parameters.insert("n".to_owned(), count);
    }
    if let [Some(width), Some(height)] = ["width", "height"].map(|name| parameters.get(name).and_then(Value::as_u64)) {
        parameters.remove("width");
        parameters.remove("height");
        parameters.insert("size".to_owned(), format!("{width}x{height}").into());
    }
    let mut body = Map::from_iter([("model".to_owned(), model.into()), ("prompt".to_owned(), prompt.into())]);
    // DALL-E and Grok send addresses unless told otherwise; newer models know no such parameter.
    if model.starts_with("dall-e") || model.starts_with("grok") {
        body.insert("response_format".to_owned(), "b64_json".into());
    }
    body.extend(parameters);
    Value::Object(body)
}

fn hugging_face_body(prompt: &str, mut parameters: Map<String, Value>) -> Result<Value, UpstreamError> {
    parameters.retain(|name, value| !value.is_null() && name != "inputs");
    for name in ["num_images", "n"] {
        let Some(count) = parameters.remove(name) else { continue };
        if count.as_f64() != Some(1.0) {
            let message = "Hugging Face makes one image for a request.".to_owned();
            let detail = Detail { message, param: Some(name.to_owned()), ..Detail::default() };
            return Err(UpstreamError::Refused { status: 400, detail });
        }
    }
    let mut body = json!({ "inputs": prompt });
    if !parameters.is_empty() {
        body["parameters"] = Value::Object(parameters);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("no object: {other}"),
        }
    }

    #[test]
    fn parameters_are_put_into_openais_words() {
        let body = openai_body(
            "dall-e-3",
            "A boat",
            map(json!({"width": 1024, "height": 512, "num_images": 2, "quality": "hd", "style": null, "model": "x",
                "response_format": "url"})),
        );
        let expected = json!({"model": "dall-e-3", "prompt": "A boat", "n": 2, "size": "1024x512", "quality": "hd",
            "response_format": "b64_json"});
        assert_eq!(body, expected);
        let body = openai_body("gpt-image-1", "A boat", map(json!({"size": "auto", "n": 1, "width": 512})));
        assert_eq!(body, json!({"model": "gpt-image-1", "prompt": "A boat", "size": "auto", "n": 1, "width": 512}));
    }

    #[test]
    fn hugging_face_gets_parameters_as_they_are() {
        let body = hugging_face_body("A boat", map(json!({"num_images": 1, "width": 512, "seed": 7, "eta": null})));
        assert_eq!(body, Ok(json!({"inputs": "A boat", "parameters": {"width": 512, "seed": 7}})));
        assert_eq!(hugging_face_body("A boat", Map::new()), Ok(json!({"inputs": "A boat"})));
        let several = hugging_face_body("A boat", map(json!({"num_images": 4})));
        assert!(
            matches!(several, Err(UpstreamError::Refused { detail, .. }) if detail.param.as_deref() == Some("num_images"))
        );
    }
}
