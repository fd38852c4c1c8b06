//! Pictures: made by OpenAI's images API or by Hugging Face.

use futures_util::stream;

use crate::{GenerateCall, GenerateEvent, Generated, Relay, RelayError};

impl Relay {
    pub(crate) async fn generate_image(&self, call: GenerateCall) -> Result<Generated, RelayError> {
        Err(RelayError::UnsupportedModality(call.modality))
    }

    pub(crate) async fn stream_image(&self, call: GenerateCall) -> Result<stream::Empty<GenerateEvent>, RelayError> {
        Err(RelayError::UnsupportedModality(call.modality))
    }
}
