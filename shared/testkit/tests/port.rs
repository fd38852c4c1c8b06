//! Ports are chosen once, and where no outgoing connection takes them.

use std::collections::BTreeSet;
use std::net::TcpListener;

use llm_api_testkit::free_port;

#[test]
fn no_port_is_chosen_twice_or_given_to_an_outgoing_connection() {
    let chosen: BTreeSet<u16> = (0..100).map(|_| free_port()).collect();
    assert_eq!(chosen.len(), 100);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or("32768 60999".to_owned());
    let outgoing: u16 = range.split_whitespace().next().and_then(|first| first.parse().ok()).expect("a number");
    assert!(chosen.iter().all(|port| *port < outgoing.max(11_264)), "{chosen:?}");
    let listeners: Vec<_> = chosen.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).expect("free")).collect();
    assert_eq!(listeners.len(), 100);
}
