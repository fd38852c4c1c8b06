//! Bodies that come slowly, in small pieces, by half or never.

use std::sync::Arc;

use async_stream::stream;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream as streams};
use tokio::task::yield_now;

use super::{Presence, Script};
use crate::serve::{Body, Reset, pieces};

pub(super) const HUGE: usize = 64 * 1024 * 1024;

/// Each text is a write of its own.
pub(super) fn one_by_one(texts: Vec<String>) -> Body {
    pieces(streams::iter(texts).then(|text| async move {
        yield_now().await;
        Ok(Bytes::from(text))
    }))
}

/// The first texts, the rest when released, and a record of the client when it leaves before that.
pub(super) fn slow(script: &Arc<Script>, first: Vec<String>, rest: Vec<String>) -> Body {
    let presence = Presence::of(script);
    let script = Arc::clone(script);
    pieces(stream! {
        for text in first {
            yield Ok(Bytes::from(text));
        }
        script.gate.acquire().await.expect("a semaphore that is never closed").forget();
        for text in rest {
            yield Ok(Bytes::from(text));
        }
        presence.complete();
    })
}

pub(super) fn then_reset(texts: Vec<String>) -> Body {
    pieces(stream! {
        for text in texts {
            yield Ok(Bytes::from(text));
            // Lets the server send what it has before the reset.
            yield_now().await;
        }
        yield Err(Reset);
    })
}

pub(super) fn then_nothing(script: &Arc<Script>, text: String) -> Body {
    let presence = Presence::of(script);
    let never = streams::once(async move {
        let _presence = presence;
        std::future::pending().await
    });
    pieces(streams::once(async { Ok(Bytes::from(text)) }).chain(never))
}

/// Every byte travels alone, so no character and no line ending arrives whole.
pub(super) fn cut_into_bytes(text: String) -> Body {
    let bytes = streams::iter(text.into_bytes());
    pieces(bytes.then(|byte| async move {
        yield_now().await;
        Ok(Bytes::copy_from_slice(&[byte]))
    }))
}

/// `start`, then [`HUGE`] bytes.
pub(super) fn huge(start: &'static str, filler: u8) -> Body {
    let start = streams::iter((!start.is_empty()).then(|| Ok(Bytes::from_static(start.as_bytes()))));
    pieces(start.chain(repeated(filler)))
}

fn repeated(byte: u8) -> impl Stream<Item = Result<Bytes, Reset>> + Send {
    let piece = Bytes::from(vec![byte; 64 * 1024]);
    streams::iter(std::iter::repeat_n(piece, HUGE / (64 * 1024)).map(Ok))
}
