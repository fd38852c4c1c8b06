//! The process itself, under the names that Prometheus' own libraries use.

use std::{fs, time::Duration};

use crate::text::{Kind, Page};

/// What the kernel counts processor time in for programs, on every Linux.
const TICKS_PER_SECOND: u32 = 100;

/// Some file reads: for a page of figures, not for a request. What a host does not tell is left out.
pub(crate) fn write(page: &mut Page, started: Duration) {
    let help = "When the process started, in seconds since 1970";
    page.single("process_start_time_seconds", Kind::Gauge, help, started.as_secs_f64());
    if let Some(seconds) = processor_seconds() {
        let help = "Processor time spent, in seconds";
        page.single("process_cpu_seconds_total", Kind::Counter, help, seconds);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim_start_matches(':').trim().strip_suffix(" kB")?.parse().ok()
    };
    if let Some(resident) = kilobytes("VmRSS") {
        page.single("process_resident_memory_bytes", Kind::Gauge, "Memory in use", resident * 1024);
    }
    if let Some(size) = kilobytes("VmSize") {
        page.single("process_virtual_memory_bytes", Kind::Gauge, "Memory reserved", size * 1024);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Less the one that the count itself opens.
        page.single("process_open_fds", Kind::Gauge, "Open files and connections", open.count().saturating_sub(1));
    }
    if let Some(most) = most_open_files() {
        page.single("process_max_fds", Kind::Gauge, "The most files and connections there may be", most);
    }
}

/// User and system time: fields 14 and 15, counted from behind the name, which may hold anything.
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some((f64::from(user) + f64::from(system)) / f64::from(TICKS_PER_SECOND))
}

fn most_open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_everything() {
        let mut page = Page::default();
        write(&mut page, Duration::from_secs(1_795_348_800));
        let text = page.into_text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name}: {text}")).parse().expect("a number")
        };
        assert!(text.contains("\nprocess_start_time_seconds 1795348800\n"), "{text}");
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_resident_memory_bytes") > 1e5);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") >= value("process_open_fds"));
    }
}
