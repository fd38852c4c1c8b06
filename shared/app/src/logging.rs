//! Log lines on standard error, for people or for machines.

use std::io::{self, IsTerminal};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry,
    util::{SubscriberInitExt, TryInitError},
};

use crate::{
    config::{Config, LogFormat, LogLevel, LoggingConfig},
    log_buffer::LogBuffer,
};

/// Libraries whose everyday lines say nothing to an operator.
const QUIET: [&str; 8] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tokio", "tower"];

/// Starts logging for the whole process; an error when it was started before.
pub fn init_logging(config: &Config) -> Result<(), TryInitError> {
    let buffer = LogBuffer::of_process().clone();
    subscriber(config.logging, io::stderr().is_terminal(), io::stderr, buffer).try_init()
}

fn subscriber<W>(logging: LoggingConfig, terminal: bool, writer: W, buffer: LogBuffer) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let json = match logging.format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let lines = fmt::layer().with_writer(writer);
    let lines = match (json, terminal) {
        (true, _) => lines.json().flatten_event(true).boxed(),
        // On a terminal the library decides, because it knows NO_COLOR.
        (false, true) => lines.boxed(),
        (false, false) => lines.with_ansi(false).boxed(),
    };
    // One filter for both, so that administrators see over HTTP what the log shows and nothing else.
    registry().with(lines).with(buffer).with(filter(logging))
}

fn filter(logging: LoggingConfig) -> Targets {
    if logging.verbose {
        return Targets::new().with_default(LevelFilter::DEBUG);
    }
    let level = match logging.level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let quiet = QUIET.map(|target| (target, level.min(LevelFilter::WARN)));
    Targets::new().with_default(level).with_targets(quiet)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written when a few libraries and we ourselves log.
    fn logged(logging: LoggingConfig, terminal: bool) -> String {
        logged_and_kept(logging, terminal).0
    }

    /// The same, and what administrators see of it over HTTP.
    fn logged_and_kept(logging: LoggingConfig, terminal: bool) -> (String, Vec<String>) {
        let lines = Lines::default();
        let writer = lines.clone();
        let buffer = LogBuffer::default();
        let subscriber = subscriber(logging, terminal, move || writer.clone(), buffer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("our debug");
            tracing::info!(request_id = "r1", "our info");
            tracing::error!("our error");
            tracing::info!(target: "sqlx::query", "a statement");
            tracing::debug!(target: "hyper_util::client", "a connection");
            tracing::warn!(target: "sqlx::pool", "a slow pool");
        });
        let bytes = lines.0.lock().expect("not poisoned").clone();
        let kept = buffer.newest(10).into_iter().map(|line| line.message).collect();
        (String::from_utf8(bytes).expect("text"), kept)
    }

    #[test]
    fn libraries_stay_quiet_unless_verbose() {
        let info = logged(LoggingConfig::default(), false);
        assert!(info.contains("our info") && info.contains("a slow pool"), "{info}");
        assert!(!info.contains("our debug") && !info.contains("a statement"), "{info}");

        let debug = logged(LoggingConfig { level: LogLevel::Debug, ..LoggingConfig::default() }, false);
        assert!(debug.contains("our debug") && !debug.contains("a connection"), "{debug}");

        let error = logged(LoggingConfig { level: LogLevel::Error, ..LoggingConfig::default() }, false);
        assert_eq!(error.lines().count(), 1, "{error}");

        let verbose = LoggingConfig { level: LogLevel::Error, verbose: true, ..LoggingConfig::default() };
        assert_eq!(logged(verbose, false).lines().count(), 6);
    }

    #[test]
    fn administrators_see_what_is_logged_from_info_up() {
        let kept =
            |level, verbose| logged_and_kept(LoggingConfig { level, verbose, ..LoggingConfig::default() }, false).1;
        assert_eq!(kept(LogLevel::Info, false), [r#"our info request_id="r1""#, "our error", "a slow pool"]);
        assert_eq!(kept(LogLevel::Debug, false), kept(LogLevel::Info, false));
        assert_eq!(kept(LogLevel::Error, false), ["our error"]);
        let verbose = [r#"our info request_id="r1""#, "our error", "a statement", "a slow pool"];
        assert_eq!(kept(LogLevel::Error, true), verbose);
    }

    #[test]
    fn machines_read_json_and_people_read_lines() {
        let auto = LoggingConfig::default();
        let first = logged(auto, false).lines().next().map(str::to_owned).expect("a line");
        let line: serde_json::Value = serde_json::from_str(&first).expect("JSON");
        assert_eq!(
            (&line["level"], &line["message"], &line["request_id"]),
            (&"INFO".into(), &"our info".into(), &"r1".into())
        );

        let human = logged(auto, true);
        assert!(serde_json::from_str::<serde_json::Value>(human.lines().next().expect("a line")).is_err(), "{human}");
        let human = logged(LoggingConfig { format: LogFormat::Human, ..auto }, false);
        assert!(human.contains("our info") && !human.contains('\u{1b}'), "{human}");
        assert!(logged(LoggingConfig { format: LogFormat::Json, ..auto }, true).starts_with('{'));
    }
}
