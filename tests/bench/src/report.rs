//! The Markdown table of a run: medians of every measure, and the median of the ratios pair by pair.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::Failure;
use crate::stats::median;

/// One line of the records that the `run` script writes.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Record {
    /// Something about the machine or the programs.
    Fact { name: String, value: String },
    /// One run of the load client, the CPU time that the target took for it, and the time that core 0 was busy meanwhile.
    Load { target: Target, shape: Shape, connections: u32, cpu_us: f64, core_us: f64, load: Load },
    /// One start, and the resident memory two seconds later.
    Start { target: Target, us: f64, idle_kib: f64 },
    /// Resident memory without and with held streams.
    Hold { target: Target, streams: f64, empty_kib: f64, held_kib: f64 },
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Target {
    Upstream,
    Nginx,
    Gateway,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Reply,
    Stream,
}

#[derive(Debug, Deserialize)]
struct Load {
    requests: f64,
    seconds: f64,
    rps: f64,
    p50_us: f64,
    p99_us: f64,
    ttfb_p50_us: f64,
    events_per_second: f64,
}

/// A measure of every repetition, in the order of the run.
type Values = Vec<f64>;

#[derive(Debug, Default)]
struct Table {
    text: String,
    /// Rows that a broken run left without values.
    missing: Vec<String>,
}

impl Table {
    fn row(&mut self, label: &str, unit: &str, digits: usize, nginx: &Values, gateway: &Values) {
        let ratios: Values = gateway.iter().zip(nginx).map(|(ours, theirs)| ours / theirs).collect();
        let (Some(theirs), Some(ours), Some(ratio)) = (median(nginx), median(gateway), median(&ratios)) else {
            self.missing.push(label.to_owned());
            return;
        };
        self.line(&format!("{label} | {theirs:.digits$}{unit} | {ours:.digits$}{unit} | {ratio:.3}"));
    }

    fn line(&mut self, cells: &str) {
        self.text.push_str("| ");
        self.text.push_str(cells);
        self.text.push_str(" |\n");
    }
}

/// The report of a file of records; fails when a measure is missing on one side.
pub(crate) fn table(lines: &str) -> Result<String, Failure> {
    let records: Vec<Record> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut table = Table::default();
    table.line("Measure (median) | nginx | llm-api | llm-api / nginx");
    table.line("--- | ---: | ---: | ---:");
    replies(&mut table, &records);
    streams(&mut table, &records);
    process(&mut table, &records);
    if !table.missing.is_empty() {
        return Err(format!("no records for: {}", table.missing.join("; ")).into());
    }
    let mut text = table.text;
    text.push('\n');
    for record in &records {
        if let Record::Fact { name, value } = record {
            writeln!(text, "- {name}: {value}")?;
        }
    }
    writeln!(
        text,
        "- quiet: other processes and the host took up to {:.0} % of core 0 in a measurement",
        disturbance(&records)
    )?;
    Ok(text)
}

/// The largest share of core 0 in percent that went to something else than what was measured there.
fn disturbance(records: &[Record]) -> f64 {
    let shares = records.iter().filter_map(|record| match record {
        Record::Load { target: Target::Nginx | Target::Gateway, cpu_us, core_us, load, .. } => {
            Some((core_us - cpu_us) / load.seconds / 10_000.0)
        }
        _ => None,
    });
    shares.fold(0.0, f64::max)
}

fn replies(table: &mut Table, records: &[Record]) {
    let counts = connection_counts(records, Shape::Reply);
    let both = |measure: fn(&Load, f64) -> f64, connections: u32| {
        [Target::Nginx, Target::Gateway].map(|target| loads(records, target, Shape::Reply, connections, measure))
    };
    for &count in &counts {
        let [nginx, gateway] = both(|load, _| load.rps, count);
        table.row(&format!("requests/s, {}", connections(count)), "", 0, &nginx, &gateway);
    }
    let direct = loads(records, Target::Upstream, Shape::Reply, 1, |load, _| load.p50_us);
    let added = both(|load, _| load.p50_us, 1)
        .map(|through| through.iter().zip(&direct).map(|(through, direct)| through - direct).collect());
    table.row("added latency, 1 connection, p50", " us", 0, &added[0], &added[1]);
    for &count in &counts {
        let [nginx, gateway] = both(|load, _| load.p99_us, count);
        table.row(&format!("whole latency, {}, p99", connections(count)), " us", 0, &nginx, &gateway);
    }
    for &count in &counts {
        let [nginx, gateway] = both(|load, cpu_us| cpu_us / load.requests, count);
        table.row(&format!("CPU per request, {}", connections(count)), " us", 1, &nginx, &gateway);
    }
    for &count in &counts {
        busy(table, records, Shape::Reply, count);
    }
}

fn streams(table: &mut Table, records: &[Record]) {
    for count in connection_counts(records, Shape::Stream) {
        let both = |measure: fn(&Load, f64) -> f64| {
            [Target::Nginx, Target::Gateway].map(|target| loads(records, target, Shape::Stream, count, measure))
        };
        let [nginx, gateway] = both(|load, _| load.ttfb_p50_us);
        table.row(&format!("time to first byte of a stream, {}, p50", connections(count)), " us", 0, &nginx, &gateway);
        let [nginx, gateway] = both(|load, _| load.events_per_second);
        table.row(&format!("stream events/s, {}", connections(count)), "", 0, &nginx, &gateway);
        let [nginx, gateway] = both(|load, cpu_us| cpu_us / (load.events_per_second * load.seconds));
        table.row(&format!("CPU per stream event, {}", connections(count)), " us", 2, &nginx, &gateway);
        busy(table, records, Shape::Stream, count);
    }
}

fn process(table: &mut Table, records: &[Record]) {
    let held = |wanted| -> Values {
        let each = records.iter().filter_map(|record| match record {
            Record::Hold { target, streams, empty_kib, held_kib } if *target == wanted => {
                Some((held_kib - empty_kib) / streams)
            }
            _ => None,
        });
        each.collect()
    };
    let starts = |wanted, measure: fn(f64, f64) -> f64| -> Values {
        let each = records.iter().filter_map(|record| match record {
            Record::Start { target, us, idle_kib } if *target == wanted => Some(measure(*us, *idle_kib)),
            _ => None,
        });
        each.collect()
    };
    table.row("memory per open stream", " KiB", 1, &held(Target::Nginx), &held(Target::Gateway));
    let [nginx, gateway] = [Target::Nginx, Target::Gateway].map(|target| starts(target, |_, kib| kib / 1024.0));
    table.row("idle memory", " MiB", 1, &nginx, &gateway);
    let [nginx, gateway] = [Target::Nginx, Target::Gateway].map(|target| starts(target, |us, _| us / 1000.0));
    table.row("start time", " ms", 1, &nginx, &gateway);
}

/// How much of its core each took: below 100 % something else was the limit, and the ratio flatters the slower one.
fn busy(table: &mut Table, records: &[Record], shape: Shape, count: u32) {
    let taken = |target| median(&loads(records, target, shape, count, |load, cpu_us| cpu_us / load.seconds / 10_000.0));
    if let (Some(nginx), Some(gateway)) = (taken(Target::Nginx), taken(Target::Gateway)) {
        let what = if shape == Shape::Reply { "replies" } else { "streams" };
        table.line(&format!("its core busy, {what}, {} | {nginx:.0} % | {gateway:.0} % |", connections(count)));
    }
}

fn loads(
    records: &[Record],
    wanted: Target,
    wanted_shape: Shape,
    count: u32,
    measure: fn(&Load, f64) -> f64,
) -> Values {
    let each = records.iter().filter_map(|record| match record {
        Record::Load { target, shape, connections, cpu_us, load, .. }
            if (*target, *shape, *connections) == (wanted, wanted_shape, count) =>
        {
            Some(measure(load, *cpu_us))
        }
        _ => None,
    });
    each.collect()
}

fn connection_counts(records: &[Record], wanted: Shape) -> Vec<u32> {
    let each = records.iter().filter_map(|record| match record {
        Record::Load { shape, connections, .. } if *shape == wanted => Some(*connections),
        _ => None,
    });
    let mut counts: Vec<u32> = each.collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn connections(count: u32) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(target: &str, shape: &str, rps: u32, p50: u32) -> String {
        format!(
            r#"{{"kind":"load","target":"{target}","shape":"{shape}","connections":1,"cpu_us":800000,"core_us":900000,"load":{{"requests":{rps},"errors":0,"seconds":1,"rps":{rps},"p50_us":{p50},"p99_us":{p50},"ttfb_p50_us":{p50},"events_per_second":{rps}}}}}"#
        )
    }

    fn complete() -> Vec<String> {
        let mut lines = vec![r#"{"kind":"fact","name":"CPU","value":"one"}"#.to_owned()];
        for [direct, nginx, gateway] in [[20, 100, 180], [20, 60, 120], [30, 130, 330]] {
            lines.push(load("upstream", "reply", 9000, direct));
            lines.push(load("nginx", "reply", 8000, nginx));
            lines.push(load("gateway", "reply", 2000, gateway));
        }
        for target in ["nginx", "gateway"] {
            lines.push(load(target, "stream", 500, 50));
            lines.push(format!(r#"{{"kind":"start","target":"{target}","us":5000,"idle_kib":2048}}"#));
            lines.push(format!(
                r#"{{"kind":"hold","target":"{target}","streams":200,"empty_kib":1000,"held_kib":3000}}"#
            ));
        }
        lines
    }

    #[test]
    fn rows_hold_medians_and_the_median_of_the_ratios() {
        let text = table(&complete().join("\n")).unwrap();
        for row in [
            "| requests/s, 1 connection | 8000 | 2000 | 0.250 |",
            // Added by nginx 80, 40, 100; by the gateway 160, 100, 300; ratios 2, 2.5, 3.
            "| added latency, 1 connection, p50 | 80 us | 160 us | 2.500 |",
            "| CPU per request, 1 connection | 100.0 us | 400.0 us | 4.000 |",
            "| its core busy, replies, 1 connection | 80 % | 80 % | |",
            "| memory per open stream | 10.0 KiB | 10.0 KiB | 1.000 |",
            "| idle memory | 2.0 MiB | 2.0 MiB | 1.000 |",
            "| start time | 5.0 ms | 5.0 ms | 1.000 |",
            "- CPU: one",
            "- quiet: other processes and the host took up to 10 % of core 0 in a measurement",
        ] {
            assert!(text.lines().any(|line| line == row), "no {row:?} in\n{text}");
        }
    }

    #[test]
    fn a_run_without_one_measure_gives_no_table() {
        let lines: Vec<String> = complete().into_iter().filter(|line| !line.contains(r#""hold""#)).collect();
        let failure = table(&lines.join("\n")).unwrap_err().to_string();
        assert_eq!(failure, "no records for: memory per open stream");
    }
}
