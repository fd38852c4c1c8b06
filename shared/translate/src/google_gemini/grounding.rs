//! Sources of a reply, in OpenAI's form.

use serde_json::{Value, json};

use super::wire::{Chunk, Citation, Citations, Grounding, Place, Segment};

/// A source, and which bytes of which part it stands for; of the whole reply where that is not told.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) segment: Option<Segment>,
    place: Place,
}

impl Source {
    /// `text` is what the segment counts in, and `range` its bytes there: OpenAI counts characters.
    pub(super) fn annotation(&self, text: &str, range: (usize, usize)) -> Value {
        json!({
            "type": "url_citation",
            "url_citation": {
                "start_index": characters(text, range.0),
                "end_index": characters(text, range.1),
                "url": self.place.uri,
                "title": self.place.title.as_deref().unwrap_or_default(),
            }
        })
    }
}

fn characters(text: &str, bytes: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < bytes).count()
}

pub(super) fn sources(grounding: Option<Grounding>, citations: Option<Citations>) -> Vec<Source> {
    let mut sources = Vec::new();
    if let Some(Grounding { grounding_chunks, grounding_supports }) = grounding {
        let places: Vec<Option<Place>> = grounding_chunks.unwrap_or_default().into_iter().map(place).collect();
        let supports = grounding_supports.unwrap_or_default();
        if supports.is_empty() {
            sources.extend(places.into_iter().flatten().map(|place| Source { segment: None, place }));
        } else {
            for support in supports {
                let named = support.grounding_chunk_indices.iter().filter_map(|index| places.get(*index)?.as_ref());
                sources.extend(named.map(|Place { uri, title }| Source {
                    segment: support.segment,
                    place: Place { uri: uri.clone(), title: title.clone() },
                }));
            }
        }
    }
    let citations = citations.map(|citations| citations.citations).unwrap_or_default();
    sources.extend(citations.into_iter().filter(|citation| citation.uri.is_some()).map(cited));
    sources
}

fn place(chunk: Chunk) -> Option<Place> {
    let Chunk { web, maps, image, retrieved_context } = chunk;
    web.or(maps).or(image).or(retrieved_context).filter(|place| place.uri.is_some())
}

fn cited(citation: Citation) -> Source {
    let Citation { start_index, end_index, uri, title } = citation;
    Source { segment: Some(Segment { part: 0, start: start_index, end: end_index }), place: Place { uri, title } }
}
