//! One line on a terminal that is written over and over.

use std::{
    fmt,
    io::{IsTerminal as _, Write as _},
    sync::Mutex,
    time::{Duration, Instant},
};

/// How often it is written.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// On standard error, and only where that is a terminal.
pub(crate) struct ProgressLine {
    is_shown: bool,
    last: Mutex<Option<Instant>>,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), last: Mutex::new(None) }
    }

    pub(crate) fn tell(&self, text: fmt::Arguments<'_>) {
        let Ok(mut last) = self.last.lock() else { return };
        if !self.is_shown || last.is_some_and(|last| last.elapsed() < TELL_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        eprint!("\r\x1b[K{text}");
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().flush();
    }

    pub(crate) fn clear(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
