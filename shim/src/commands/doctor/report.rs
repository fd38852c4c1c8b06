//! What was found: lines as they come for people, one list at the end for programs.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::exit::Exit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Warn,
    Fail,
    Skip,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    findings: Vec<Value>,
    failures: usize,
    settings_failed: bool,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, findings: Vec::new(), failures: 0, settings_failed: false }
    }

    pub(super) fn ok(&mut self, check: &str, detail: impl Display) {
        self.tell(Status::Ok, check, detail, "");
    }

    /// It works, and is worth a look. An empty remedy says that the detail is enough.
    pub(super) fn warn(&mut self, check: &str, detail: impl Display, remedy: &str) {
        self.tell(Status::Warn, check, detail, remedy);
    }

    pub(super) fn fail(&mut self, check: &str, detail: impl Display, remedy: &str) {
        self.tell(Status::Fail, check, detail, remedy);
    }

    /// The same for what only other settings can mend.
    pub(super) fn settings_fail(&mut self, check: &str, detail: impl Display, remedy: &str) {
        self.settings_failed = true;
        self.fail(check, detail, remedy);
    }

    pub(super) fn skip(&mut self, check: &str, because: impl Display) {
        self.tell(Status::Skip, check, because, "");
    }

    pub(super) fn tell(&mut self, status: Status, check: &str, detail: impl Display, remedy: &str) {
        self.failures += usize::from(status == Status::Fail);
        let (detail, remedy) = (printable(&detail.to_string()), printable(remedy));
        if self.json {
            let remedy = (!remedy.is_empty()).then_some(remedy);
            self.findings
                .push(json!({ "check": check, "status": status.as_str(), "detail": detail, "remedy": remedy }));
            return;
        }
        let because = if status == Status::Skip { "because " } else { "" };
        let remedy = if remedy.is_empty() { String::new() } else { format!(": {remedy}") };
        println!("{:<4} {check}: {because}{detail}{remedy}", status.as_str());
    }

    pub(super) fn end(self) -> Result<(), Exit> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(&self.findings).map_err(Exit::failed)?);
        }
        let checks = if self.failures == 1 { "check" } else { "checks" };
        match (self.failures, self.settings_failed) {
            (0, _) => Ok(()),
            (failures, true) => Err(Exit::new(78, format!("{failures} {checks} failed"))),
            (failures, false) => Err(Exit::failed(format!("{failures} {checks} failed"))),
        }
    }
}

/// Names and messages from elsewhere may hold what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
