//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use crate::histogram::Histogram;

/// What a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// A page of figures. Writing into it cannot fail.
#[derive(Debug, Default)]
pub struct Page(String);

/// The names and values of a sample's labels.
pub type Labels<'l> = &'l [(&'static str, &'l str)];

impl Page {
    pub fn into_text(self) -> String {
        self.0
    }

    /// Begins a family; its samples come next.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
    }

    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.0, " {value}");
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    pub(crate) fn histogram(&mut self, name: &str, labels: Labels<'_>, histogram: &Histogram) {
        let reading = histogram.read();
        for (bound, count) in reading.up_to.iter().copied().chain([("+Inf", reading.count)]) {
            let _ = write!(self.0, "{name}_bucket");
            self.labels(labels, Some(bound));
            let _ = writeln!(self.0, " {count}");
        }
        for (part, value) in [("sum", &reading.seconds as &dyn Display), ("count", &reading.count)] {
            let _ = write!(self.0, "{name}_{part}");
            self.labels(labels, None);
            let _ = writeln!(self.0, " {value}");
        }
    }

    fn labels(&mut self, labels: Labels<'_>, up_to: Option<&str>) {
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(up_to.map(|bound| ("le", bound))) {
            let _ = write!(self.0, "{before}{name}=\"");
            before = ',';
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str(r"\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str(r"\n"),
                    character => self.0.push(character),
                }
            }
            self.0.push('"');
        }
        if before == ',' {
            self.0.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::histogram::REQUEST_BOUNDS;

    #[test]
    fn a_family_says_what_it_is_before_its_samples() {
        let mut page = Page::default();
        page.single("a_total", Kind::Counter, "Things", 3);
        page.family("b", Kind::Gauge, "Others");
        page.sample("b", &[("name", "x"), ("odd", "a\"b\\c\nd")], 0.5);
        let expected = "# HELP a_total Things\n# TYPE a_total counter\na_total 3\n# HELP b Others\n# TYPE b gauge\n\
            b{name=\"x\",odd=\"a\\\"b\\\\c\\nd\"} 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_histogram_ends_with_all_of_them() {
        let histogram = Histogram::new(REQUEST_BOUNDS);
        histogram.note(Duration::from_millis(1500));
        let mut page = Page::default();
        page.histogram("h", &[("route", "/x")], &histogram);
        let text = page.into_text();
        assert!(text.contains("h_bucket{route=\"/x\",le=\"1\"} 0\nh_bucket{route=\"/x\",le=\"2.5\"} 1\n"), "{text}");
        let end = "h_bucket{route=\"/x\",le=\"+Inf\"} 1\nh_sum{route=\"/x\"} 1.5\nh_count{route=\"/x\"} 1\n";
        assert!(text.ends_with(end), "{text}");
    }
}
