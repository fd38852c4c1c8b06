//! Embeddings, asked for as OpenAI does, of providers that have another way.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Unreadable, Unsupported};

/// OpenAI's request.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    input: Value,
    #[serde(default)]
    dimensions: Option<i64>,
    #[serde(default)]
    encoding_format: Option<String>,
    /// Tells the provider who asks: a hint.
    #[serde(default, rename = "user")]
    _user: Option<Value>,
    #[serde(default, rename = "model")]
    _model: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Request {
    fn parse(body: &[u8]) -> Result<Self, Unsupported> {
        serde_json::from_slice(body)
            .map_err(|_| cannot("input", "The request is not of the form of OpenAI's embeddings."))
    }

    fn wants_base64(&self) -> bool {
        self.encoding_format.as_deref() == Some("base64")
    }
}

fn cannot(param: &str, message: &str) -> Unsupported {
    Unsupported { param: param.to_owned(), message: message.to_owned() }
}

/// The body of Google's `batchEmbedContents`. `model` is Google's name of the model.
///
/// # Errors
/// Where `input` is no text or list of texts, and for members that Google has no place for.
pub fn to_google(body: &[u8], model: &str) -> Result<Value, Unsupported> {
    let request = Request::parse(body)?;
    if let Some((name, _)) = request.others.iter().find(|(_, value)| !value.is_null()) {
        return Err(cannot(name, &format!("`{name}` cannot be sent to this model: Google's API has nothing like it.")));
    }
    if !matches!(request.encoding_format.as_deref(), None | Some("float" | "base64")) {
        return Err(cannot("encoding_format", "`encoding_format` must be \"float\" or \"base64\"."));
    }
    let model = if model.starts_with("models/") { model.to_owned() } else { format!("models/{model}") };
    let requests: Result<Vec<Value>, Unsupported> = texts(&request.input)?
        .into_iter()
        .map(|text| {
            let mut one = json!({ "model": model, "content": { "parts": [{ "text": text }] } });
            if let (Some(dimensions), Some(one)) = (request.dimensions, one.as_object_mut()) {
                one.insert("outputDimensionality".to_owned(), dimensions.into());
            }
            Ok(one)
        })
        .collect();
    Ok(json!({ "requests": requests? }))
}

fn texts(input: &Value) -> Result<Vec<&str>, Unsupported> {
    const FORM: &str = "`input` must be a text or a list of texts: lists of token ids are OpenAI's alone.";
    match input {
        Value::String(text) => Ok(vec![text]),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().ok_or_else(|| cannot("input", FORM))).collect()
        }
        _ => Err(cannot("input", FORM)),
    }
}

/// OpenAI's reply from Google's. Google counts no tokens here, so the counts are zero, which OpenAI's schema demands.
///
/// # Errors
/// Where the body is no such reply.
pub fn from_google(body: &[u8], asked: &[u8], model: &str) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default)]
        embeddings: Option<Vec<Embedding>>,
        #[serde(default)]
        error: Option<Value>,
    }
    #[derive(Deserialize)]
    struct Embedding {
        values: Vec<f64>,
    }
    let reply: Reply =
        serde_json::from_slice(body).map_err(|_| Unreadable::OtherForm("it is no list of embeddings"))?;
    if reply.error.is_some() {
        return Err(Unreadable::Provider);
    }
    let embeddings = reply.embeddings.ok_or(Unreadable::OtherForm("it is no list of embeddings"))?;
    let wants_base64 = Request::parse(asked).is_ok_and(|request| request.wants_base64());
    let data: Vec<Value> = embeddings
        .into_iter()
        .enumerate()
        .map(|(index, embedding)| {
            let values = if wants_base64 { base64_of(&embedding.values).into() } else { json!(embedding.values) };
            json!({ "object": "embedding", "index": index, "embedding": values })
        })
        .collect();
    Ok(json!({
        "object": "list", "data": data, "model": model, "usage": { "prompt_tokens": 0, "total_tokens": 0 },
    }))
}

/// Single-precision floats, little endian, as OpenAI packs them.
#[expect(clippy::cast_possible_truncation, reason = "the format has single precision")]
fn base64_of(values: &[f64]) -> String {
    STANDARD.encode(values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_asked_for_at_once() {
        let body = br#"{"model":"google:gemini-embedding-001","input":["a","b"],"dimensions":3,"user":"u"}"#;
        let sent = to_google(body, "gemini-embedding-001").expect("a body");
        assert_eq!(sent["requests"][1]["content"]["parts"][0]["text"], "b");
        assert_eq!(sent["requests"][0]["model"], "models/gemini-embedding-001");
        assert_eq!(sent["requests"][0]["outputDimensionality"], 3);
        let one = to_google(br#"{"input":"a"}"#, "models/m").expect("a body");
        assert_eq!(one["requests"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn what_google_cannot_be_told_is_refused_by_name() {
        for (body, param) in [
            (&br#"{"input":[1,2]}"#[..], "input"),
            (br#"{"input":[]}"#, "input"),
            (b"{}", "input"),
            (br#"{"input":"a","encoding_format":"int8"}"#, "encoding_format"),
            (br#"{"input":"a","input_type":"query"}"#, "input_type"),
        ] {
            assert_eq!(to_google(body, "m").expect_err("refused").param, param);
        }
    }

    #[test]
    fn vectors_come_as_openai_gives_them() {
        let answer = br#"{"embeddings":[{"values":[0.5,-1.0]},{"values":[1.0,2.0]}]}"#;
        let reply = from_google(answer, br#"{"input":"a"}"#, "m").expect("a reply");
        assert_eq!(reply["data"][1]["embedding"], json!([1.0, 2.0]));
        assert_eq!(reply["data"][1]["index"], 1);
        let packed = from_google(answer, br#"{"input":"a","encoding_format":"base64"}"#, "m").expect("a reply");
        assert_eq!(packed["data"][0]["embedding"], "AAAAPwAAgL8=");
        assert_eq!(from_google(br#"{"error":{"code":400}}"#, b"{}", "m"), Err(Unreadable::Provider));
        assert!(matches!(from_google(b"{}", b"{}", "m"), Err(Unreadable::OtherForm(_))));
    }
}
