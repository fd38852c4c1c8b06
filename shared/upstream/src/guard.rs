//! Which addresses a user-given endpoint may lead to: public ones only.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 4], prefix: u8) -> Ipv6Net {
    let [a, b, c, d] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// The IANA IPv4 special-purpose registry, multicast, and metadata addresses outside of it.
const BLOCKED_V4: [Ipv4Net; 20] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    // Shared address space; holds Alibaba's metadata address 100.100.100.200.
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Azure's platform address answers every virtual machine and looks public.
    v4(168, 63, 129, 16, 32),
    // Link local; holds the metadata address 169.254.169.254.
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
];

/// All IPv6 unicast that is routed in public. Everything else is special: loopback, IPv4-mapped and IPv4-compatible
/// forms, NAT64 (`64:ff9b::/96`, `64:ff9b:1::/48`), discard-only, `5f00::/16`, unique and link local, site local, multicast.
const GLOBAL_UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// The special-purpose ranges inside of global unicast.
const BLOCKED_V6: [Ipv6Net; 5] = [
    // IETF protocol assignments; holds Teredo, which carries an IPv4 address.
    v6([0x2001, 0, 0, 0], 23),
    v6([0x2001, 0x0db8, 0, 0], 32),
    // 6to4 carries an IPv4 address.
    v6([0x2002, 0, 0, 0], 16),
    v6([0x2620, 0x004f, 0x8000, 0], 48),
    v6([0x3fff, 0, 0, 0], 20),
];

/// Whether `ip` is an ordinary public unicast address. Every IPv6 form that carries an IPv4 address is not.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !BLOCKED_V4.iter().any(|range| range.contains(&ip)),
        IpAddr::V6(ip) => GLOBAL_UNICAST_V6.contains(&ip) && !BLOCKED_V6.iter().any(|range| range.contains(&ip)),
    }
}

/// A name that leads to no public address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} has no public address")]
pub struct BlockedAddress {
    pub host: String,
}

/// Resolves names with the system's resolver and hands on only the addresses it has checked, so a name cannot lead
/// elsewhere between the check and the connection. Address literals never reach a resolver: `Endpoint` judges them.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedResolver;

impl GuardedResolver {
    /// The public addresses of `host`; at least one.
    async fn lookup(host: String) -> Result<Vec<SocketAddr>, LookupError> {
        let public: Vec<_> =
            tokio::net::lookup_host((host.as_str(), 0)).await?.filter(|to| is_public(to.ip())).collect();
        if public.is_empty() { Err(BlockedAddress { host }.into()) } else { Ok(public) }
    }
}

#[derive(Debug, thiserror::Error)]
enum LookupError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Blocked(#[from] BlockedAddress),
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            match Self::lookup(host).await {
                Ok(public) => Ok(Box::new(public.into_iter()) as Addrs),
                // Boxed bare, so that the caller finds the type in the chain of causes.
                Err(LookupError::Io(error)) => Err(error.into()),
                Err(LookupError::Blocked(error)) => Err(error.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(address: &str) -> bool {
        is_public(address.parse().unwrap_or_else(|_| panic!("{address} is an address")))
    }

    #[test]
    fn special_addresses_are_not_public() {
        let special = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "::8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
        ];
        for address in special {
            assert!(!judged(address), "{address} is special");
        }
    }

    #[test]
    fn neighbours_of_special_ranges_are_public() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700:4700::1111",
            "3ffe::1",
        ];
        for address in public {
            assert!(judged(address), "{address} is public");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_recognisably() {
        let name: Name = "localhost".parse().expect("a name");
        let Err(error) = GuardedResolver.resolve(name).await else { panic!("localhost is inside") };
        assert_eq!(error.downcast_ref(), Some(&BlockedAddress { host: "localhost".to_owned() }));
    }
}
