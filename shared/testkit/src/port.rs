//! Ports for servers that bind them themselves, and later than they are chosen.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below are the well-known ones and those that developers' own servers like.
const FIRST: u16 = 10_240;
/// Where Linux says which ports outgoing connections get, and what it says by default.
const OUTGOING: (&str, u16) = ("/proc/sys/net/ipv4/ip_local_port_range", 32_768);

/// A port that nothing listens on at this moment. No outgoing connection gets it, as one from `bind` to port 0 may before
/// the server binds it again, and this process chooses it once.
///
/// # Panics
/// When none is free.
pub fn free_port() -> u16 {
    static CHOSEN: AtomicU32 = AtomicU32::new(0);
    let ports = FIRST..first_outgoing().max(FIRST + 1024);
    // Several test programs at once begin at different places.
    let begin = std::process::id().wrapping_mul(61);
    let mut candidates = ports.clone().map(|_| {
        let step = begin.wrapping_add(CHOSEN.fetch_add(1, Ordering::Relaxed)) % u32::from(ports.end - ports.start);
        ports.start + u16::try_from(step).expect("less than the number of ports")
    });
    candidates.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}

fn first_outgoing() -> u16 {
    let told = std::fs::read_to_string(OUTGOING.0).ok();
    told.and_then(|told| told.split_whitespace().next()?.parse().ok()).unwrap_or(OUTGOING.1)
}
