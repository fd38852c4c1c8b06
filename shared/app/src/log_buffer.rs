//! The newest lines of this process's log, for administrators to look at.

use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt::{self, Debug, Write as _},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use llm_api_domain::{Clock, Timestamp};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Lines kept; older ones are dropped.
const MAX_LINES: usize = 500;
/// Bytes of one message.
const MAX_MESSAGE: usize = 2048;
/// Stands at the end of a message that was longer.
const CUT: char = '…';

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    /// As Python calls it: `INFO`, `WARNING` or `ERROR`.
    pub level: &'static str,
    /// The module or library that logged it.
    pub target: Cow<'static, str>,
    /// The sentence, then its fields and those of the spans around it as `key=value`; at most 2 KiB.
    pub message: String,
}

/// A layer that keeps the newest lines from INFO up. Cheap to clone: all clones are one buffer.
///
/// It has no filter of its own beyond that, so it holds no more than the log beside it.
#[derive(Clone, Debug, Default)]
pub struct LogBuffer(Arc<Mutex<VecDeque<LogLine>>>);

impl LogBuffer {
    /// The buffer that [`crate::init_logging`] fills. One for the whole process because its log is one, too: a line does not know
    /// for which of several applications in the process it was written. Empty until something fills it.
    pub fn of_process() -> &'static Self {
        static BUFFER: LazyLock<LogBuffer> = LazyLock::new(LogBuffer::default);
        &BUFFER
    }

    /// The newest `count` lines, oldest first.
    pub fn newest(&self, count: usize) -> Vec<LogLine> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }

    fn push(&self, line: LogLine) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// The fields of a span, written when it begins.
struct SpanFields(String);

impl<S> Layer<S> for LogBuffer
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|_| *attributes.metadata().level() <= Level::INFO) else { return };
        let mut message = Message::default();
        attributes.record(&mut message);
        span.extensions_mut().replace(SpanFields(message.text));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                message.add(format_args!("{fields}"));
            }
        }
        let target = message.target.take().map_or(Cow::Borrowed(metadata.target()), Cow::Owned);
        let level = python_level(*metadata.level());
        self.push(LogLine { at: Clock::system().now(), level, target, message: message.finish() });
    }
}

fn python_level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// A message in the making.
#[derive(Default)]
struct Message {
    text: String,
    is_cut: bool,
    /// Where a line of the `log` crate came from; its own target says only `log`.
    target: Option<String>,
}

impl Message {
    fn add(&mut self, part: fmt::Arguments<'_>) {
        let space = if self.text.is_empty() { "" } else { " " };
        // It fails when there is no more room, and then nothing is missing but what is to be cut.
        let _ = write!(self, "{space}{part}");
    }

    fn finish(mut self) -> String {
        if self.is_cut {
            self.text.push(CUT);
        }
        self.text
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        let room = (MAX_MESSAGE - CUT.len_utf8()).saturating_sub(self.text.len());
        let fitting = text.split_at(text.floor_char_boundary(room)).0;
        self.text.push_str(fitting);
        self.is_cut = fitting.len() < text.len();
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.add(format_args!("{value}")),
            "log.target" => self.target = Some(value.to_owned()),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.add(format_args!("{value:?}")),
            // The place in the source of a line of the `log` crate.
            name if name.starts_with("log.") => {}
            name => self.add(format_args!("{name}={value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{layer::SubscriberExt as _, registry};

    use super::*;

    fn logged(log: impl FnOnce()) -> LogBuffer {
        let buffer = LogBuffer::default();
        tracing::subscriber::with_default(registry().with(buffer.clone()), log);
        buffer
    }

    fn messages(buffer: &LogBuffer, count: usize) -> Vec<String> {
        buffer.newest(count).into_iter().map(|line| line.message).collect()
    }

    #[test]
    fn a_line_is_the_sentence_its_fields_and_those_around_it() {
        let before = Clock::system().now();
        let buffer = logged(|| {
            let _request = tracing::info_span!("request", request_id = %"r1").entered();
            let _hidden = tracing::debug_span!("hidden", inner = 1).entered();
            tracing::warn!(target: "a::place", status = 503, route = "/v1/x y", cause = %"gone", "a request failed");
            tracing::debug!("not kept");
        });
        let [line] = buffer.newest(10).try_into().expect("one line");
        assert_eq!((line.level, &*line.target), ("WARNING", "a::place"));
        assert_eq!(line.message, r#"a request failed status=503 route="/v1/x y" cause=gone request_id=r1"#);
        assert!(before <= line.at && line.at <= Clock::system().now());
    }

    #[test]
    fn levels_have_the_names_that_python_gives_them() {
        let buffer = logged(|| {
            tracing::trace!("0");
            tracing::info!("1");
            tracing::warn!("2");
            tracing::error!("3");
        });
        let levels: Vec<&str> = buffer.newest(10).iter().map(|line| line.level).collect();
        assert_eq!(levels, ["INFO", "WARNING", "ERROR"]);
    }

    #[test]
    fn the_newest_lines_stay() {
        let buffer = logged(|| (0..MAX_LINES + 3).for_each(|number| tracing::info!("{number}")));
        assert_eq!(messages(&buffer, 2), ["501", "502"]);
        let all = messages(&buffer, usize::MAX);
        assert_eq!((all.len(), all.first().map(String::as_str)), (MAX_LINES, Some("3")));
        assert!(messages(&buffer, 0).is_empty());
    }

    #[test]
    fn a_long_message_is_cut_between_letters() {
        let fits = "x".repeat(MAX_MESSAGE - CUT.len_utf8());
        let long = "ä".repeat(MAX_MESSAGE);
        let buffer = logged(|| {
            tracing::info!("{fits}");
            tracing::info!(after = "the end", "{fits}");
            tracing::info!(after = "the end", "{long}");
        });
        let [whole, full, cut] = messages(&buffer, 3).try_into().expect("three lines");
        assert_eq!(whole, fits);
        assert_eq!(full, format!("{fits}{CUT}"));
        assert_eq!(cut, format!("{}{CUT}", "ä".repeat((MAX_MESSAGE - CUT.len_utf8()) / 2)));
        assert!(cut.len() <= MAX_MESSAGE && full.len() == MAX_MESSAGE);
    }
}
