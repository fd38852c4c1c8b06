//! From a host name to an open connection.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _, UdpSocket},
    time::Duration,
};

use tokio::{net::TcpStream, sync::oneshot, time::timeout};

use super::{Failed, Run, report::Status};

/// Asks the system's resolver. It cannot be told to stop, so it gets a thread that the end of the program does not wait
/// for.
pub(super) async fn resolve(host: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    let (tell, told) = oneshot::channel();
    let name = host.to_owned();
    std::thread::Builder::new().spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody may wait any more.
        let _ = tell.send(found);
    })?;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()));
    let mut found = timeout(limit, told).await.map_err(|_| late())?.map_err(|_| late())??;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether this machine knows a way there. Connecting a UDP socket looks one up, and sends nothing.
fn has_route(to: SocketAddr) -> bool {
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(from).and_then(|socket| socket.connect(to)).is_ok()
}

/// The addresses of a host that this machine can reach.
pub(super) async fn host(run: &mut Run<'_>, name: &str, port: u16) -> Result<Vec<SocketAddr>, Failed> {
    const CHECK: &str = "host";
    let found = match resolve(name, port, run.limit).await {
        Ok(found) => found,
        Err(error) => {
            let remedy = "check its spelling and this machine's name servers; in a password, reserved characters are \
                          written @ as %40, : as %3A, / as %2F, # as %23, ? as %3F";
            run.report.fail(CHECK, format!("{name} has no address ({error})"), remedy);
            return Err(Failed(CHECK));
        }
    };
    let found: Vec<_> = found.into_iter().map(|address| (address, has_route(address))).collect();
    let (status, detail, remedy) = judge(name, &found);
    run.report.tell(status, CHECK, detail, remedy);
    match status {
        Status::Fail => Err(Failed(CHECK)),
        Status::Ok | Status::Warn | Status::Skip => {
            Ok(found.into_iter().filter_map(|(address, is_reachable)| is_reachable.then_some(address)).collect())
        }
    }
}

fn judge(name: &str, found: &[(SocketAddr, bool)]) -> (Status, String, &'static str) {
    let shown: Vec<String> = found
        .iter()
        .map(|(address, is_reachable)| match is_reachable {
            true => address.ip().to_string(),
            false => format!("{} (no route from here)", address.ip()),
        })
        .collect();
    let detail = format!("{name} is {}", shown.join(", "));
    if found.iter().any(|(_, is_reachable)| *is_reachable) {
        return (Status::Ok, detail, "");
    }
    let remedy = match found.iter().all(|(address, _)| address.is_ipv6()) {
        true if name.ends_with(".supabase.co") => {
            "this machine has no IPv6: use the session pooler (aws-…pooler.supabase.com:5432, user postgres.PROJECT)"
        }
        true => "this machine has no IPv6: use an address that has IPv4, such as a session pooler's",
        false => "check this machine's network and routes",
    };
    (Status::Fail, detail, remedy)
}

/// An open connection to the first address that takes one.
pub(super) async fn tcp(run: &mut Run<'_>, addresses: &[SocketAddr]) -> Result<TcpStream, Failed> {
    const CHECK: &str = "tcp";
    // All of them together have the time of one check.
    let share = run.limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut refusals = Vec::new();
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                run.report.ok(CHECK, format!("{address} takes connections"));
                return Ok(stream);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                refusals.push(format!("nothing listens on {address}"));
            }
            Ok(Err(error)) => refusals.push(format!("{address}: {error}")),
            Err(_) => refusals.push(format!("{address} does not answer")),
        }
    }
    let remedy = match refusals.iter().any(|refusal| refusal.starts_with("nothing listens")) {
        true => "check the port, and that the server runs",
        false => "check the firewalls on the way, and the server's own list of allowed networks",
    };
    run.report.fail(CHECK, refusals.join("; "), remedy);
    Err(Failed(CHECK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, found: &[(&str, bool)]) -> (Status, String, &'static str) {
        let found: Vec<_> =
            found.iter().map(|(ip, way)| (SocketAddr::new(ip.parse().expect("an address"), 5432), *way)).collect();
        judge(name, &found)
    }

    #[test]
    fn a_host_that_only_ipv6_reaches_is_told_with_the_way_out() {
        let (status, detail, remedy) = judged("db.abc.supabase.co", &[("2001:db8::1", false)]);
        assert_eq!((status, detail.as_str()), (Status::Fail, "db.abc.supabase.co is 2001:db8::1 (no route from here)"));
        assert!(remedy.contains("use the session pooler (aws-…pooler.supabase.com:5432"), "{remedy}");
        let (_, _, remedy) = judged("db.example.com", &[("2001:db8::1", false)]);
        assert!(!remedy.contains("supabase") && remedy.contains("IPv4"), "{remedy}");
    }

    #[test]
    fn one_way_is_enough() {
        let (status, detail, remedy) = judged("db.example.com", &[("192.0.2.7", true), ("2001:db8::1", false)]);
        assert_eq!((status, remedy), (Status::Ok, ""));
        assert_eq!(detail, "db.example.com is 192.0.2.7, 2001:db8::1 (no route from here)");
        assert_eq!(judged("db.example.com", &[("192.0.2.7", false)]).0, Status::Fail);
    }
}
