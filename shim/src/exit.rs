//! Exit codes: 0 done, 1 failed, 2 usage, 75 another server holds the file, 78 configuration.

use std::{error::Error, fmt};

use llm_api_app::StartError;

/// One sentence for the operator, and the code for scripts.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    message: String,
}

impl Exit {
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    pub(crate) fn new(code: u8, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Exit {}

impl<E: Into<StartError>> From<E> for Exit {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { code: error.exit_code(), message: error.to_string() }
    }
}
