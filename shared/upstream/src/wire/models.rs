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
    let text = |name: &str| entry.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(ListedModel {
        id: text("id")?,
        name: text("name").or_else(|| text("display_name")),
        created: entry.get("created").and_then(whole),
        owned_by: text("owned_by").or_else(|| text("organization")),
        context_length: ["context_length", "max_model_len", "context_window", "max_context_length"]
            .into_iter()
            .find_map(|name| entry.get(name).and_then(whole))
            .filter(|tokens| *tokens > 0),
    })
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
}
