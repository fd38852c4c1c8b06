//! Lists of models, as OpenAI and its likenesses answer them.

use serde_json::Value;

/// One model of a provider's list. What the provider does not say stays unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// Seconds since the epoch.
    pub created: Option<i64>,
    pub owned_by: Option<String>,
    /// In tokens.
    pub context_length: Option<i64>,
}

/// `{"data":[…]}`, `{"models":[…]}` or a bare list; entries without an id are left out. `None` for anything else.
pub fn parse(body: &[u8]) -> Option<Vec<ListedModel>> {
    let entries = match serde_json::from_slice(body).ok()? {
        Value::Array(entries) => entries,
        Value::Object(mut members) => match members.remove("data").or_else(|| members.remove("models"))? {
            Value::Array(entries) => entries,
            // Ollama without a model.
            Value::Null => Vec::new(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    Some(entries.iter().filter_map(model).collect())
}

fn model(entry: &Value) -> Option<ListedModel> {
    Some(ListedModel {
        id: text(entry, "id")?,
        name: text(entry, "name").or_else(|| text(entry, "display_name")),
        created: entry.get("created").and_then(whole),
        owned_by: text(entry, "owned_by").or_else(|| text(entry, "organization")),
        context_length: context_length(entry),
    })
}

fn context_length(entry: &Value) -> Option<i64> {
    // llama.cpp tells how much it was started with, and else only how much the model was made for.
    const PLACES: [&str; 6] = [
        "/context_length",
        "/max_model_len",
        "/context_window",
        "/max_context_length",
        "/meta/n_ctx",
        "/meta/n_ctx_train",
    ];
    let tokens = |value: &Value| whole(value).filter(|tokens| *tokens > 0);
    let own = PLACES.into_iter().find_map(|place| entry.pointer(place).and_then(tokens));
    // Hugging Face's router names those who serve a model, and may choose any of them.
    let served =
        || entry.get("providers")?.as_array()?.iter().filter_map(|one| tokens(one.get("context_length")?)).min();
    own.or_else(served)
}

/// A text that is not empty.
fn text(entry: &Value, name: &str) -> Option<String> {
    entry.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A part of a list, and what to ask for the part behind it with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) models: Vec<ListedModel>,
    pub(crate) next: Option<String>,
}

impl Page {
    /// A list that comes in one piece.
    pub(crate) fn only(models: Vec<ListedModel>) -> Self {
        Self { models, next: None }
    }
}

/// Anthropic's `{"data":[…],"has_more","last_id"}`.
pub(crate) fn anthropic(body: &[u8]) -> Option<Page> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let entries = body.get("data")?.as_array()?;
    let models = entries.iter().filter_map(|entry| {
        Some(ListedModel {
            id: text(entry, "id")?,
            name: text(entry, "display_name"),
            created: entry
                .get("created_at")
                .and_then(|text| text.as_str()?.parse().ok())
                .map(jiff::Timestamp::as_second),
            owned_by: None,
            context_length: context_length(entry),
        })
    });
    let has_more = body.get("has_more").and_then(Value::as_bool).unwrap_or(false);
    Some(Page { models: models.collect(), next: text(&body, "last_id").filter(|_| has_more) })
}

/// Google's `{"models":[…],"nextPageToken"}`, of which those that generate text: names that begin with `gemini`.
pub(crate) fn gemini(body: &[u8]) -> Option<Page> {
    let body: Value = serde_json::from_slice(body).ok()?;
    // Google leaves an empty list out.
    let entries = body.as_object()?.get("models").map_or(Some(&[][..]), |list| list.as_array().map(Vec::as_slice))?;
    let models = entries.iter().filter_map(|entry| {
        let name = text(entry, "name")?;
        let id = name.strip_prefix("models/").unwrap_or(&name);
        let generates = entry.get("supportedGenerationMethods")?.as_array()?.iter().any(|one| one == "generateContent");
        (generates && id.starts_with("gemini")).then(|| ListedModel {
            id: id.to_owned(),
            name: text(entry, "displayName"),
            created: None,
            owned_by: None,
            context_length: entry.get("inputTokenLimit").and_then(whole).filter(|tokens| *tokens > 0),
        })
    });
    Some(Page { models: models.collect(), next: text(&body, "nextPageToken") })
}

/// An integer; `87.0` is one.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| super::openai::whole_number(value.as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_list_is_read() {
        let list = parse(
            br#"{"object":"list","data":[
                {"id":"a","created":1700000000,"owned_by":"x","context_length":8192.0},
                {"id":"b","name":"Bee","max_model_len":4096,"created":null},
                {"object":"model"},{"id":""},7]}"#,
        );
        let text = |text: &str| Some(text.to_owned());
        let model = |id: &str| ListedModel {
            id: id.to_owned(),
            name: None,
            created: None,
            owned_by: None,
            context_length: None,
        };
        let first =
            ListedModel { created: Some(1_700_000_000), owned_by: text("x"), context_length: Some(8192), ..model("a") };
        let second = ListedModel { name: text("Bee"), context_length: Some(4096), ..model("b") };
        assert_eq!(list, Some(vec![first, second]));
        let bare = parse(br#"[{"id":"t","display_name":"Tee","organization":"Org","context_length":0}]"#);
        assert_eq!(bare, Some(vec![ListedModel { name: text("Tee"), owned_by: text("Org"), ..model("t") }]));
        assert_eq!(parse(br#"{"object":"list","data":null}"#), Some(vec![]));
        for other in [&b"{}"[..], b"7", b"<html>", br#"{"data":{}}"#] {
            assert_eq!(parse(other), None);
        }
    }

    #[test]
    fn the_context_is_found_where_each_server_keeps_it() {
        let context = |entry: &str| context_length(&serde_json::from_str(entry).expect("JSON"));
        assert_eq!(context(r#"{"meta":{"n_ctx":4096,"n_ctx_train":131072}}"#), Some(4096));
        assert_eq!(context(r#"{"meta":{"n_ctx_train":131072}}"#), Some(131_072));
        let routed =
            r#"{"providers":[{"provider":"a","context_length":8192},{"provider":"b"},{"context_length":4096}]}"#;
        assert_eq!(context(routed), Some(4096));
        assert_eq!(context(r#"{"context_length":0,"context_window":7}"#), Some(7));
        assert_eq!(context(r#"{"meta":null,"providers":[]}"#), None);
    }

    #[test]
    fn anthropics_list_is_read_page_by_page() {
        let page = anthropic(
            br#"{"data":[{"type":"model","id":"claude-x","display_name":"Claude X","created_at":"2025-02-19T00:00:00Z"},{"id":""}],
                "has_more":true,"first_id":"claude-x","last_id":"claude-x"}"#,
        );
        let page = page.expect("a page");
        let model = &page.models[0];
        assert_eq!((page.models.len(), model.id.as_str(), model.name.as_deref()), (1, "claude-x", Some("Claude X")));
        assert_eq!((model.created, page.next.as_deref()), (Some(1_739_923_200), Some("claude-x")));
        let last = anthropic(br#"{"data":[],"has_more":false,"last_id":"x"}"#);
        assert_eq!(last, Some(Page::only(Vec::new())));
        assert_eq!(anthropic(b"{}"), None);
    }

    #[test]
    fn googles_list_is_read_page_by_page() {
        let page = gemini(
            br#"{"models":[
                {"name":"models/gemini-2.0-flash","displayName":"Gemini 2.0 Flash","inputTokenLimit":1048576,"supportedGenerationMethods":["generateContent","countTokens"]},
                {"name":"models/gemini-embedding-001","supportedGenerationMethods":["embedContent"]},
                {"name":"models/gemma-3-27b-it","supportedGenerationMethods":["generateContent"]},
                {"name":"models/gemini-no-methods"}],"nextPageToken":"t"}"#,
        );
        let page = page.expect("a page");
        let model = &page.models[0];
        assert_eq!((page.models.len(), model.id.as_str()), (1, "gemini-2.0-flash"));
        assert_eq!((model.name.as_deref(), model.context_length), (Some("Gemini 2.0 Flash"), Some(1_048_576)));
        assert_eq!(page.next.as_deref(), Some("t"));
        assert_eq!(gemini(b"{}"), Some(Page::only(Vec::new())));
        assert_eq!((gemini(b"[]"), gemini(br#"{"models":7}"#)), (None, None));
    }
}
