//! Anthropic's citations and OpenAI's annotations.
//!
//! A result of a web search is a `url_citation`; what Anthropic wants back of it (`cited_text`, `encrypted_index`) stands
//! beside OpenAI's members. Places in documents have no such form: they stay as they are, told by their own `type`.

use serde_json::{Value, json};

use super::object;
use crate::fields::Fields;

const WEB: &str = "web_search_result_location";
const PLACES: [&str; 4] = [WEB, "char_location", "page_location", "content_block_location"];
const SEARCH_RESULT: &str = "search_result_location";

/// `characters` is the length of the text that names the source: Anthropic's hold for the whole of it.
pub(super) fn annotation(mut citation: Value, characters: usize) -> Value {
    if citation.get("type").and_then(Value::as_str) != Some(WEB) {
        return citation;
    }
    let mut take = |name: &str| citation.get_mut(name).map(Value::take).unwrap_or_default();
    let title = match take("title") {
        Value::Null => "".into(),
        title => title,
    };
    let source = object([
        ("url", take("url")),
        ("title", title),
        ("start_index", 0.into()),
        ("end_index", characters.into()),
        ("cited_text", take("cited_text")),
        ("encrypted_index", take("encrypted_index")),
    ]);
    object([("type", "url_citation".into()), ("url_citation", source)])
}

/// What of a caller's citation has a place in [`annotation`].
pub(super) fn known(mut citation: Fields) -> Value {
    if citation.text("type") != Some(WEB) {
        return citation.into_value();
    }
    let names = ["type", "cited_text", "encrypted_index", "title", "url"];
    names.into_iter().filter_map(|name| Some((name.to_owned(), citation.take(name)?))).collect()
}

/// For a provider: nothing where Anthropic did not make it, for it takes no other.
pub(super) fn for_provider(annotation: Value) -> Option<Value> {
    let sealed = annotation.pointer("/url_citation/encrypted_index").and_then(Value::as_str);
    if is_own(&annotation) {
        return Some(annotation);
    }
    sealed.filter(|seal| !seal.is_empty())?;
    let mut citation = web(&annotation, "")?;
    // The provider takes no empty title; callers' SDKs take no `null`.
    if citation.get("title").is_some_and(|title| title == "") {
        citation["title"] = Value::Null;
    }
    Some(citation)
}

/// For a caller, of a reply's `text`.
pub(super) fn for_caller(annotation: Value, text: &str) -> Option<Value> {
    if is_own(&annotation) { Some(annotation) } else { web(&annotation, text) }
}

fn is_own(annotation: &Value) -> bool {
    let kind = annotation.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| PLACES.contains(&kind) || kind == SEARCH_RESULT)
}

fn web(annotation: &Value, text: &str) -> Option<Value> {
    let source = annotation.get("url_citation").unwrap_or(annotation);
    let url = source.get("url")?.as_str()?;
    let given = |name: &str| source.get(name).and_then(Value::as_str);
    let place = |name: &str| source.get(name).and_then(Value::as_u64).and_then(|place| usize::try_from(place).ok());
    let cited = given("cited_text").map(str::to_owned).or_else(|| {
        let (start, end) = (place("start_index")?, place("end_index")?);
        Some(text.chars().skip(start).take(end.saturating_sub(start)).collect())
    });
    Some(json!({
        "type": WEB,
        "cited_text": cited.unwrap_or_default(),
        "encrypted_index": given("encrypted_index").unwrap_or_default(),
        "title": given("title").unwrap_or_default(),
        "url": url,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_citation_goes_there_and_back() {
        let citation = json!({"type": WEB, "cited_text": "Paris is", "encrypted_index": "Eo8B", "title": "P",
            "url": "https://example.com/p"});
        let annotation = annotation(citation.clone(), 12);
        assert_eq!(annotation["url_citation"]["end_index"], 12);
        assert_eq!(for_provider(annotation.clone()), Some(citation.clone()));
        assert_eq!(for_caller(annotation, "x"), Some(citation));
    }

    #[test]
    fn an_openai_annotation_is_cited_for_a_caller_only() {
        let annotation = json!({"type": "url_citation", "url_citation":
            {"url": "https://example.com", "title": "T", "start_index": 2, "end_index": 5}});
        let cited = for_caller(annotation.clone(), "äbçdéf").expect("a citation");
        assert_eq!((&cited["cited_text"], &cited["encrypted_index"]), (&json!("çdé"), &json!("")));
        assert_eq!(for_provider(annotation), None);
        assert_eq!(for_caller(json!({"type": "file_citation", "file_id": "f"}), ""), None);
    }

    #[test]
    fn a_place_in_a_document_stays_as_it_is() {
        let place = json!({"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": null,
            "start_char_index": 0, "end_char_index": 1});
        assert_eq!(for_provider(annotation(place.clone(), 3)), Some(place));
    }
}
