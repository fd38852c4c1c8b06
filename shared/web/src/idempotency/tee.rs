use async_stream::stream;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use llm_api_storage::KeptReply;

use super::{Completion, Keeping};

/// A copy of what has passed, as long as it is not too large.
struct Copy {
    /// In bytes.
    largest: usize,
    so_far: Option<Vec<u8>>,
}

impl Copy {
    fn add(&mut self, piece: &Bytes) {
        let fits = |copy: &Vec<u8>| copy.len() + piece.len() <= self.largest;
        self.so_far = self.so_far.take().filter(fits);
        if let Some(copy) = &mut self.so_far {
            copy.extend_from_slice(piece);
        }
    }
}

/// The same body, which is kept once it has ended in order and complete, and before its last piece goes out: who has read
/// it all may repeat the request at once.
pub(super) fn tee(
    body: Body,
    keeping: Keeping,
    completion: Completion,
    reply: KeptReply,
) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send {
    stream! {
        let mut pieces = body.into_data_stream();
        let mut copy = Copy { largest: keeping.largest(), so_far: Some(Vec::new()) };
        let mut next = pieces.next().await;
        while let Some(piece) = next {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    keeping.release().await;
                    yield Err(error);
                    return;
                }
            };
            copy.add(&piece);
            // Looks ahead without waiting: a piece that is not known to be the last one must not be held up. Whoever is
            // woken for nothing here asks again below.
            next = match pieces.next().now_or_never() {
                Some(None) => {
                    end(keeping, &completion, reply, copy).await;
                    yield Ok(piece);
                    return;
                }
                Some(more) => {
                    yield Ok(piece);
                    more
                }
                None => {
                    yield Ok(piece);
                    pieces.next().await
                }
            };
        }
        end(keeping, &completion, reply, copy).await;
    }
}

async fn end(keeping: Keeping, completion: &Completion, reply: KeptReply, copy: Copy) {
    if completion.has_failed() {
        keeping.release().await;
    } else {
        keeping.finish(&KeptReply { body: copy.so_far, ..reply }).await;
    }
}
