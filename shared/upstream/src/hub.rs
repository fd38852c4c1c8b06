//! The search of the Hugging Face hub.

use http::{HeaderMap, Method, header::LINK};
use serde::Deserialize;
use url::Url;

use crate::{Client, Endpoint, UpstreamError, address, client::Due, request::Request};

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct HubQuery<'a> {
    /// Such as `https://huggingface.co`.
    pub base_url: &'a Endpoint,
    pub query: &'a str,
    /// Such as `text-generation`.
    pub pipeline_tag: Option<&'a str>,
    pub limit: u32,
    /// The `next_cursor` of the page before.
    pub cursor: Option<&'a str>,
}

/// One page of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubPage {
    pub models: Vec<HubModel>,
    pub next_cursor: Option<String>,
}

/// A model of the hub. What the hub does not say stays unknown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HubModel {
    /// `owner/name`
    pub id: String,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub pipeline_tag: Option<String>,
    #[serde(default)]
    pub library_name: Option<String>,
    /// Of the last 30 days.
    #[serde(default)]
    pub downloads: Option<i64>,
    #[serde(default)]
    pub likes: Option<i64>,
    /// RFC 3339.
    #[serde(default, rename = "lastModified")]
    pub last_modified: Option<String>,
}

impl Client {
    /// One page of models; at most 10 seconds.
    pub async fn hub_search(&self, query: HubQuery<'_>) -> Result<HubPage, UpstreamError> {
        let request = Request::open(Method::GET, search_url(query)?);
        let (headers, body) = self.ask_json(query.base_url, &request, Due::soon()).await?;
        let models = serde_json::from_slice(&body).map_err(|_| UpstreamError::bad("it is no list of models"))?;
        Ok(HubPage { models, next_cursor: next_cursor(&headers) })
    }
}

fn search_url(query: HubQuery<'_>) -> Result<Url, UpstreamError> {
    let mut url = address::parse(&format!("{}/api/models", query.base_url.base_url()))?;
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("search", query.query).append_pair("limit", &query.limit.to_string());
    if let Some(tag) = query.pipeline_tag {
        pairs.append_pair("pipeline_tag", tag);
    }
    // Only the full form has the time of the last change.
    pairs.append_pair("full", "true");
    if let Some(cursor) = query.cursor {
        pairs.append_pair("cursor", cursor);
    }
    drop(pairs);
    Ok(url)
}

/// The cursor in `Link: <https://…&cursor=…>; rel="next"`. The address itself is not followed.
fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|links| links.split(',')).find_map(cursor_of)
}

fn cursor_of(link: &str) -> Option<String> {
    let (target, attributes) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = |attribute: &str| matches!(attribute.trim(), "rel=\"next\"" | "rel=next");
    let target = Url::parse(attributes.split(';').any(is_next).then_some(target)?).ok()?;
    target.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_query_is_written_into_the_address() {
        let base = Endpoint::operator("https://hub.test/").expect("valid");
        let mut query = HubQuery { base_url: &base, query: "qwen & co", pipeline_tag: None, limit: 20, cursor: None };
        let url = search_url(query).expect("an address");
        assert_eq!(url.as_str(), "https://hub.test/api/models?search=qwen+%26+co&limit=20&full=true");
        (query.pipeline_tag, query.cursor) = (Some("text-generation"), Some("a=="));
        let url = search_url(query).expect("an address");
        assert!(url.as_str().ends_with("limit=20&pipeline_tag=text-generation&full=true&cursor=a%3D%3D"), "{url}");
    }

    #[test]
    fn the_next_cursor_is_found() {
        let cursor = |link: &'static str| next_cursor(&HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]));
        let next = "<https://hub.test/api/models?search=a&limit=1&cursor=eyJ%3D>; rel=\"next\"";
        assert_eq!(cursor(next).as_deref(), Some("eyJ="));
        assert_eq!(
            cursor("<https://hub.test/?cursor=0>; rel=\"prev\", <https://hub.test/?cursor=2>; rel=next").as_deref(),
            Some("2")
        );
        for none in [
            "<https://hub.test/?cursor=0>; rel=\"prev\"",
            "<nonsense>; rel=\"next\"",
            "",
            "<https://hub.test/>; rel=next",
        ] {
            assert_eq!(cursor(none), None, "{none}");
        }
        assert_eq!(next_cursor(&HeaderMap::new()), None);
    }

    #[test]
    fn a_sparse_model_is_a_model() {
        let models: Vec<HubModel> = serde_json::from_str(
            r#"[{"id":"a/b","modelId":"a/b","tags":["gguf"],"pipeline_tag":"text-generation","downloads":7,"likes":1,
                "lastModified":"2025-01-01T00:00:00.000Z","siblings":[{"rfilename":"x"}]},{"id":"c"}]"#,
        )
        .expect("a list");
        assert_eq!(
            (models[0].downloads, models[0].last_modified.as_deref()),
            (Some(7), Some("2025-01-01T00:00:00.000Z"))
        );
        assert_eq!((models[1].id.as_str(), models[1].downloads), ("c", None));
    }
}
