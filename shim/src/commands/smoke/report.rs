//! A line for each step, and how it ended.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exit::Exit;

/// Why a step did not pass.
#[derive(Debug)]
pub(super) enum Problem {
    /// What came instead, and what to do.
    Failed(String),
    /// Why it was not tried.
    Skipped(String),
}

/// What a step found, and what is said of it; nothing more than that it passed when empty.
pub(super) type Step<T> = Result<(T, String), Problem>;

pub(super) fn failed<T>(text: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Failed(text.into()))
}

pub(super) fn skipped<T>(text: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Skipped(text.into()))
}

#[derive(Debug)]
struct Line {
    step: &'static str,
    status: &'static str,
    took: Duration,
    detail: String,
}

#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    lines: Vec<Line>,
    /// Of the deployment.
    pub(super) version: Option<String>,
    /// What `/ready` says of a freeze.
    pub(super) frozen: Option<Value>,
    stopped: bool,
    left: Vec<String>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, lines: Vec::new(), version: None, frozen: None, stopped: false, left: Vec::new() }
    }

    /// Tells how a step ended; gives what it found.
    pub(super) fn tell<T>(&mut self, step: &'static str, begun: Instant, done: Step<T>) -> Option<T> {
        let (found, status, detail) = match done {
            Ok((found, detail)) => (Some(found), "ok", detail),
            Err(Problem::Failed(detail)) => (None, "fail", detail),
            Err(Problem::Skipped(detail)) => (None, "skip", detail),
        };
        let line = Line { step, status, took: begun.elapsed(), detail: shown(&detail) };
        if !self.json {
            println!("{}", line.text());
        }
        self.lines.push(line);
        found
    }

    /// The user asked for the end.
    pub(super) fn stopped(&mut self) {
        self.stopped = true;
    }

    /// What could not be removed.
    pub(super) fn left(&mut self, what: &[String]) {
        self.left.extend(what.iter().map(|what| shown(what)));
    }

    /// The last line, and the exit.
    pub(super) fn end(self, url: &str) -> Result<(), Exit> {
        let of = |status| self.lines.iter().filter(move |line| line.status == status).map(|line| line.step);
        let (passed, failed): (usize, Vec<&str>) = (of("ok").count(), of("fail").collect());
        let all_passed = failed.is_empty() && !self.stopped && self.left.is_empty();
        if self.json {
            println!("{}", self.json(url, all_passed));
        } else {
            for left in &self.left {
                println!("left behind: {left}");
            }
        }
        if all_passed {
            if !self.json {
                println!("{}", self.praise(url, passed));
            }
            return Ok(());
        }
        Err(Exit::failed(match (failed.as_slice(), self.stopped) {
            (_, true) => "it was stopped before its end".to_owned(),
            ([], false) => "not everything that was made could be removed".to_owned(),
            ([one], false) => format!("1 of {} steps failed: {one}", passed + 1),
            (all, false) => format!("{} of {} steps failed: {}", all.len(), passed + all.len(), all.join(", ")),
        }))
    }

    fn praise(&self, url: &str, passed: usize) -> String {
        let skipped = self.lines.iter().filter(|line| line.status == "skip").count();
        let skipped = if skipped > 0 { format!(", {skipped} were skipped") } else { String::new() };
        match &self.frozen {
            None => format!("All is well at {url}: {passed} steps passed{skipped}."),
            Some(freeze) => {
                let reason = freeze["reason"].as_str().map(|reason| format!(" ({})", shown(reason)));
                let reason = reason.unwrap_or_default();
                let was_read = self.lines.iter().any(|line| line.status == "ok" && line.step.starts_with("read "));
                let read = if was_read { "it can be read, and " } else { "" };
                format!(
                    "{url} is frozen{reason}: {read}writes are refused as they should be; {passed} steps passed{skipped}."
                )
            }
        }
    }

    fn json(&self, url: &str, passed: bool) -> Value {
        let steps = self.lines.iter().map(|line| {
            json!({
                "step": line.step,
                "status": line.status,
                "milliseconds": u64::try_from(line.took.as_millis()).unwrap_or(u64::MAX),
                "detail": line.detail,
            })
        });
        json!({
            "url": url,
            "version": self.version,
            "frozen": self.frozen,
            "passed": passed,
            "stopped": self.stopped,
            "steps": steps.collect::<Vec<_>>(),
            "left_behind": self.left,
        })
    }
}

impl Line {
    fn text(&self) -> String {
        let Self { step, status, took, detail } = self;
        let time = if *status == "skip" { String::new() } else { format!("{} ms", took.as_millis()) };
        let colon = if detail.is_empty() { "" } else { ": " };
        format!("{status:<4} {time:>9}  {step}{colon}{detail}")
    }
}

/// What servers say may hold what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_a_step_ended() {
        let line = |status, detail: &str| {
            let detail = detail.to_owned();
            Line { step: "login", status, took: Duration::from_millis(12), detail }.text()
        };
        assert_eq!(line("ok", ""), "ok       12 ms  login");
        assert_eq!(line("fail", "401"), "fail     12 ms  login: 401");
        assert_eq!(line("skip", "no token"), "skip            login: no token");
    }

    #[test]
    fn only_a_whole_run_without_failures_is_good() {
        let report = |done: Step<()>| {
            let mut report = Report::new(true);
            report.tell("health", Instant::now(), done);
            report
        };
        assert!(report(Ok(((), String::new()))).end("http://a").is_ok());
        assert!(report(skipped("no")).end("http://a").is_ok());
        let exit = report(failed("no")).end("http://a").expect_err("it failed");
        assert_eq!((exit.code(), exit.to_string().as_str()), (1, "1 of 1 steps failed: health"));
        let mut stopped = report(Ok(((), String::new())));
        stopped.stopped();
        assert!(stopped.end("http://a").is_err());
        let mut left = report(Ok(((), String::new())));
        left.left(&["an account".to_owned()]);
        assert!(left.end("http://a").is_err());
    }
}
