//! Ollama's own API for the life of models, beside its OpenAI-compatible one.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::Method;
use llm_api_domain::Timestamp;
use memchr::memchr;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use crate::{
    Client, Endpoint, UpstreamError, address, chunks::Chunks, client::Due, request::Request, wire::models::whole,
};

/// Progress comes in lines much shorter than this.
const MAX_LINE_BYTES: usize = 64 << 10;

/// A model in memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LoadedModel {
    pub name: String,
    #[serde(default, rename = "size", deserialize_with = "count")]
    pub size_bytes: Option<i64>,
    /// The part of it on the graphics card.
    #[serde(default, rename = "size_vram", deserialize_with = "count")]
    pub vram_bytes: Option<i64>,
    /// When Ollama unloads it by itself; far in the future for one that stays.
    #[serde(default, deserialize_with = "moment")]
    pub expires_at: Option<Timestamp>,
}

/// A model on disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PulledModel {
    pub name: String,
    #[serde(default, rename = "size", deserialize_with = "count")]
    pub size_bytes: Option<i64>,
    #[serde(default, deserialize_with = "moment")]
    pub modified_at: Option<Timestamp>,
    #[serde(default)]
    pub details: PulledModelDetails,
}

/// What Ollama knows of a model's make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PulledModelDetails {
    /// Such as `gguf`.
    pub format: Option<String>,
    /// Such as `llama`.
    pub family: Option<String>,
    /// Such as `8.0B`.
    pub parameter_size: Option<String>,
    /// Such as `Q4_K_M`.
    pub quantization_level: Option<String>,
}

/// How far a download has come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullProgress {
    /// Such as `pulling manifest`; the last one is `success`.
    pub status: String,
    /// Bytes of the layer that is being loaded.
    #[serde(default, deserialize_with = "count")]
    pub total: Option<i64>,
    /// Of them, those that have come.
    #[serde(default, deserialize_with = "count")]
    pub completed: Option<i64>,
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(whole(&Value::deserialize(deserializer)?).filter(|count| *count >= 0))
}

/// A time; Go's year 1 is none.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let parsed = Value::deserialize(deserializer)?.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(parsed.map(jiff::Timestamp::as_microsecond).filter(|micros| *micros > 0).map(Timestamp::from_micros))
}

/// `endpoint` is that of the OpenAI-compatible API, `…/v1`; Ollama's own is beside it. No credential is sent.
impl Client {
    /// Ollama's version, or `None` where another server answers. At most 10 seconds, as all that loads nothing.
    pub async fn ollama_version(&self, endpoint: &Endpoint) -> Result<Option<String>, UpstreamError> {
        #[derive(Deserialize)]
        struct Answer {
            version: String,
        }
        match self.ollama_get::<Answer>(endpoint, "version").await {
            Ok(answer) => Ok(Some(answer.version)),
            // Others have no such page, or want a key before they say so.
            Err(
                UpstreamError::Refused { .. } | UpstreamError::KeyRejected { .. } | UpstreamError::BadResponse { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The models in memory.
    pub async fn ollama_loaded(&self, endpoint: &Endpoint) -> Result<Vec<LoadedModel>, UpstreamError> {
        self.ollama_get::<List<LoadedModel>>(endpoint, "ps").await.map(List::into_models)
    }

    /// The models on disk.
    pub async fn ollama_tags(&self, endpoint: &Endpoint) -> Result<Vec<PulledModel>, UpstreamError> {
        self.ollama_get::<List<PulledModel>>(endpoint, "tags").await.map(List::into_models)
    }

    /// Loads a model into memory, where it stays, and waits until it is there; at most as long as a generation may take.
    pub async fn ollama_load(&self, endpoint: &Endpoint, model: &str) -> Result<(), UpstreamError> {
        self.ollama_keep(endpoint, model, -1).await
    }

    /// Removes a model from memory.
    pub async fn ollama_unload(&self, endpoint: &Endpoint, model: &str) -> Result<(), UpstreamError> {
        self.ollama_keep(endpoint, model, 0).await
    }

    /// Downloads a model. Dropping the stream ends the download; Ollama keeps what has come for the next try.
    pub async fn ollama_pull(&self, endpoint: &Endpoint, model: &str) -> Result<PullStream, UpstreamError> {
        let body = json!({ "model": model, "stream": true });
        let request = Request::open(Method::POST, url(endpoint, "pull")?).json(&body).accept("application/x-ndjson");
        let response = self.ask(endpoint, &request, self.due()).await?;
        let chunks = Chunks::new(response, self.config().idle_timeout, None);
        Ok(PullStream { chunks, pending: BytesMut::new(), has_succeeded: false })
    }

    /// Removes a model from disk.
    pub async fn ollama_delete(&self, endpoint: &Endpoint, model: &str) -> Result<(), UpstreamError> {
        let request = Request::open(Method::DELETE, url(endpoint, "delete")?).json(&json!({ "model": model }));
        let due = Due::soon();
        let mut response = self.ask(endpoint, &request, due).await?;
        self.read(&mut response, due.end).await.map(drop)
    }

    async fn ollama_get<T: DeserializeOwned>(&self, endpoint: &Endpoint, path: &str) -> Result<T, UpstreamError> {
        let request = Request::open(Method::GET, url(endpoint, path)?);
        let (_, body) = self.ask_json(endpoint, &request, Due::soon()).await?;
        serde_json::from_slice(&body).map_err(|_| UpstreamError::bad("it is none of Ollama's"))
    }

    /// Without a prompt nothing is generated: only how long the model stays is set, in seconds; -1 is for ever.
    async fn ollama_keep(&self, endpoint: &Endpoint, model: &str, keep_alive: i8) -> Result<(), UpstreamError> {
        let body = json!({ "model": model, "keep_alive": keep_alive, "stream": false });
        let request = Request::open(Method::POST, url(endpoint, "generate")?).json(&body);
        // Nothing comes until the model is loaded, and large ones take minutes.
        let end = self.due().end;
        let (_, body) = self.ask_json(endpoint, &request, Due { head: end, end }).await?;
        match error_of(&body) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct List<T> {
    /// Go writes an empty list as `null`.
    models: Option<Vec<T>>,
}

impl<T> List<T> {
    fn into_models(self) -> Vec<T> {
        self.models.unwrap_or_default()
    }
}

fn url(endpoint: &Endpoint, path: &str) -> Result<Url, UpstreamError> {
    address::parse(&format!("{}/api/{path}", address::without_version(endpoint)))
}

/// The error that a body or a line is.
fn error_of(data: &[u8]) -> Option<UpstreamError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        error: Option<Value>,
    }
    let Answer { error } = serde_json::from_slice(data).ok()?;
    error.map(|_| UpstreamError::from_error_body(data, None))
}

/// The progress of a download.
pub struct PullStream {
    chunks: Chunks,
    /// What has come of the lines that were not handed out yet.
    pending: BytesMut,
    has_succeeded: bool,
}

impl fmt::Debug for PullStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullStream").field("ended", &self.chunks.has_ended()).finish_non_exhaustive()
    }
}

impl PullStream {
    /// The next progress; `None` at the end of a download that succeeded, and after an error. It may take as long as it
    /// likes, but a silence of the idle timeout is an error. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<PullProgress, UpstreamError>> {
        loop {
            match self.line() {
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some(self.progress(&line)),
                Err(error) => return Some(Err(self.close(error))),
                Ok(None) => match self.chunks.next().await? {
                    Ok(Some(chunk)) => self.pending.extend_from_slice(&chunk),
                    Ok(None) => return self.last(),
                    Err(error) => return Some(Err(self.close(error))),
                },
            }
        }
    }

    /// The next whole line.
    fn line(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let end = memchr(b'\n', &self.pending);
        if end.unwrap_or(self.pending.len()) > MAX_LINE_BYTES {
            return Err(UpstreamError::bad("a line of it is too long"));
        }
        Ok(end.map(|end| self.pending.split_to(end + 1).freeze()))
    }

    /// What the end of the body left over.
    fn last(&mut self) -> Option<Result<PullProgress, UpstreamError>> {
        let rest = self.pending.split().freeze();
        if !rest.trim_ascii().is_empty() {
            let last = self.progress(&rest);
            if last.is_err() || self.has_succeeded {
                return Some(last);
            }
        }
        (!self.has_succeeded).then(|| Err(UpstreamError::died("the download ended before it was done")))
    }

    fn progress(&mut self, line: &[u8]) -> Result<PullProgress, UpstreamError> {
        if let Some(error) = error_of(line) {
            return Err(self.close(error));
        }
        let progress: PullProgress = serde_json::from_slice(line)
            .map_err(|_| self.close(UpstreamError::bad("a line of it is no progress of a download")))?;
        self.has_succeeded |= progress.status == "success";
        Ok(progress)
    }

    fn close(&mut self, error: UpstreamError) -> UpstreamError {
        self.chunks.close();
        self.pending.clear();
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_beside_the_compatible_one() {
        for (base, expected) in [
            ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/api/ps"),
            ("http://127.0.0.1:11434", "http://127.0.0.1:11434/api/ps"),
            ("http://gpu.test/ollama/v1/", "http://gpu.test/ollama/api/ps"),
        ] {
            let endpoint = Endpoint::operator(base).expect("valid");
            assert_eq!(url(&endpoint, "ps").expect("an address").as_str(), expected);
        }
    }

    #[test]
    fn lists_are_read() {
        let list: List<LoadedModel> = serde_json::from_str(
            r#"{"models":[{"name":"llama3:8b","model":"llama3:8b","size":5137025024,"size_vram":5137025024.0,
                "expires_at":"2024-06-04T14:38:31.83753-07:00"},{"name":"b","expires_at":"0001-01-01T00:00:00Z"}]}"#,
        )
        .expect("a list");
        let models = list.into_models();
        assert_eq!((models[0].size_bytes, models[0].vram_bytes), (Some(5_137_025_024), Some(5_137_025_024)));
        assert_eq!(models[0].expires_at, Some(Timestamp::from_micros(1_717_537_111_837_530)));
        assert_eq!((models[1].size_bytes, models[1].expires_at), (None, None));
        let list: List<PulledModel> = serde_json::from_str(
            r#"{"models":[{"name":"a","size":7,"modified_at":"2023-11-04T14:56:49Z","details":{"format":"gguf","families":null,
                "parameter_size":"8.0B","quantization_level":"Q4_0"}}]}"#,
        )
        .expect("a list");
        let models = list.into_models();
        assert_eq!(models[0].details.parameter_size.as_deref(), Some("8.0B"));
        let empty: List<PulledModel> = serde_json::from_str(r#"{"models":null}"#).expect("a list");
        assert!(empty.into_models().is_empty());
    }
}
