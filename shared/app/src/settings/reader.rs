//! From texts to types. Every problem is collected as one sentence that names the setting and never a secret's value.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::{
    Resolved,
    registry::{self, PREFIX},
};

/// A week: longer waits are a mistake, and far longer ones overflow the clock.
const MAX_SECONDS: f64 = 604_800.0;

pub(crate) struct Reader<'a> {
    resolved: &'a Resolved,
    pub(crate) problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(resolved: &'a Resolved) -> Self {
        Self { resolved, problems: resolved.problems.clone() }
    }

    /// The value, when it is not empty, as `parse` reads it; `parse` says what the value must be otherwise.
    pub(crate) fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.raw(name).filter(|text| !text.is_empty()).and_then(|text| self.check(name, text, parse))
    }

    /// Like [`Reader::optional`], with an empty value judged by `parse` too. After a problem the default stands in.
    pub(crate) fn required<T: Default>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        self.raw(name).and_then(|text| self.check(name, text, parse)).unwrap_or_default()
    }

    pub(crate) fn text(&mut self, name: &str) -> String {
        self.required(name, |text| Ok(text.to_owned()))
    }

    pub(crate) fn secret(&mut self, name: &str) -> Option<SecretString> {
        self.optional(name, |text| Ok(text.into()))
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.required(name, |text| parse_flag(text).ok_or_else(|| "must be true or false".to_owned()))
    }

    pub(crate) fn whole<T: TryFrom<u64> + Default>(&mut self, name: &str, allowed: RangeInclusive<u64>) -> T {
        self.required(name, |text| {
            let number = text.trim().parse().ok().filter(|number| allowed.contains(number));
            let (least, most) = (allowed.start(), allowed.end());
            let wrong = || format!("must be a whole number from {least} to {most}");
            number.and_then(|number| T::try_from(number).ok()).ok_or_else(wrong)
        })
    }

    /// A time above zero.
    pub(crate) fn seconds(&mut self, name: &str) -> Duration {
        self.duration(name, "above 0", |seconds| seconds > 0.0)
    }

    /// A time that may be zero.
    pub(crate) fn seconds_or_none(&mut self, name: &str) -> Duration {
        self.duration(name, "of 0 or more", |seconds| seconds >= 0.0)
    }

    fn duration(&mut self, name: &str, range: &str, allowed: fn(f64) -> bool) -> Duration {
        self.required(name, |text| {
            let seconds = text.trim().parse().ok().filter(|&seconds| allowed(seconds) && seconds <= MAX_SECONDS);
            let wrong = || format!("must be a number of seconds {range} and at most {MAX_SECONDS}");
            seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(wrong)
        })
    }

    /// The entries of a comma list; blanks around them and empty ones do not count.
    pub(crate) fn list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let text = self.raw(name).unwrap_or_default();
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.filter_map(|entry| self.check(name, entry, &parse)).collect()
    }

    fn check<T>(&mut self, name: &str, text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let secret = registry::find(name).is_none_or(|setting| setting.secret);
                let source = self.resolved.get(name).map_or("", |found| &found.source);
                let shown = match text {
                    "" => "; it is empty".to_owned(),
                    _ if secret => String::new(),
                    text => format!(", not {}", quoted(text)),
                };
                self.problems.push(format!("{PREFIX}{name} ({source}) {wrong}{shown}"));
                None
            }
        }
    }

    fn raw(&mut self, name: &str) -> Option<&'a str> {
        let found = self.resolved.get(name);
        if found.is_none() {
            self.problems.push(format!("{PREFIX}{name} is missing from the table of settings"));
        }
        found?.text.as_deref()
    }
}

pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let text = masked(text);
    let cut: String = text.chars().take(LONGEST).collect();
    let rest = if cut.len() < text.len() { "…" } else { "" };
    format!("`{cut}{rest}`")
}

/// `text` in one printable line, without what an address may hide: user name and password, and a query.
pub(crate) fn masked(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // By the last `@`, not by the address's grammar: a password with a stray `/` must not show either.
    let text = match text.rsplit_once('@') {
        Some((before, after)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://***@{after}"),
            None => format!("***@{after}"),
        },
        None => text,
    };
    match text.split_once('?') {
        Some((before, _)) if text.contains("://") => format!("{before}?***"),
        _ => text,
    }
}

/// The address of an API without its closing slash: http or https, a host, a path, and nothing else.
pub(crate) fn check_http_url(text: &str) -> Result<String, String> {
    let wrong = || "must be an http:// or https:// address without user name, query or fragment".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = is_http(&url) && !has_userinfo(&url) && url.query().is_none() && url.fragment().is_none();
    if plain { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

/// `scheme://host[:port]`, in the one form that browsers and our own checks compare.
pub(crate) fn check_origin(text: &str) -> Result<String, String> {
    let wrong = || "must list origins such as https://app.example.com, without a path".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if bare && is_http(&url) && !has_userinfo(&url) { Ok(url.origin().ascii_serialization()) } else { Err(wrong()) }
}

/// A proxy, which may carry a user name and password.
pub(crate) fn check_proxy(text: &str) -> Result<SecretString, String> {
    match Url::parse(text) {
        Ok(url) if is_http(&url) => Ok(text.into()),
        _ => Err("must be the http:// or https:// address of a proxy".to_owned()),
    }
}

/// A range, or a single address.
pub(crate) fn check_network(text: &str) -> Result<IpNet, String> {
    let wrong = |_| "must list addresses or CIDR ranges such as 10.0.0.0/8".to_owned();
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map(|network| network.trunc()).map_err(wrong)
}

/// A name or an address to listen on; IPv6 may stand in brackets, and is given without.
pub(crate) fn check_host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let valid = bare.parse::<IpAddr>().is_ok() || url::Host::parse(text).is_ok();
    if valid { Ok(bare.to_owned()) } else { Err("must be an IP address or a host name".to_owned()) }
}

/// A PostgreSQL address, its scheme in lower case; storage reads the rest.
pub(crate) fn check_database_url(text: &str) -> Result<SecretString, String> {
    const SCHEMES: [&str; 3] = ["postgres", "postgresql", "postgresql+psycopg"];
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let scheme = scheme.to_ascii_lowercase();
    if SCHEMES.contains(&scheme.as_str()) && !rest.is_empty() {
        Ok(format!("{scheme}://{rest}").into())
    } else {
        Err("must begin with postgres://, postgresql:// or postgresql+psycopg://".to_owned())
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn has_userinfo(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_flag() {
        for (spellings, value) in [("true 1 yes on t y", true), ("false 0 no off f n", false)] {
            for spelling in spellings.split(' ') {
                assert_eq!(parse_flag(spelling), Some(value));
                assert_eq!(parse_flag(&spelling.to_uppercase()), Some(value));
            }
        }
        assert_eq!(parse_flag("True"), Some(true));
        assert!(["", "2", "ja", "truely", "enabled"].into_iter().all(|text| parse_flag(text).is_none()));
    }

    #[test]
    fn addresses_are_masked_however_broken() {
        for (text, shown) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("http://me:hunter2@proxy:3128", "http://***@proxy:3128"),
            ("http://me:hun/ter@2@proxy", "http://***@proxy"),
            ("me:hunter2@proxy", "***@proxy"),
            ("https://a.example/v1?key=hunter2", "https://a.example/v1?***"),
            ("a\nb", "a b"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn origins_have_one_form() {
        assert_eq!(check_origin("HTTPS://App.Example.com:443/"), Ok("https://app.example.com".to_owned()));
        assert_eq!(check_origin("http://127.0.0.1:11434"), Ok("http://127.0.0.1:11434".to_owned()));
        for wrong in ["*", "app.example.com", "https://app.example.com/v1", "https://me@app.example.com", "file:///x"] {
            assert!(check_origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn base_addresses_carry_no_credentials() {
        assert_eq!(check_http_url("http://127.0.0.1:11434/v1/"), Ok("http://127.0.0.1:11434/v1".to_owned()));
        for wrong in ["", "api.example.com/v1", "ftp://a", "https://k@a/v1", "https://a/v1?k=1", "https://a/#k"] {
            assert!(check_http_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_and_networks() {
        assert_eq!(check_host("[::1]"), Ok("::1".to_owned()));
        assert_eq!(check_host("::"), Ok("::".to_owned()));
        assert_eq!(check_host("localhost"), Ok("localhost".to_owned()));
        assert!(check_host("a b").is_err() && check_host("[localhost]").is_err());
        assert_eq!(check_network("10.1.2.3/8").map(|network| network.to_string()), Ok("10.0.0.0/8".to_owned()));
        assert_eq!(check_network("::1").map(|network| network.to_string()), Ok("::1/128".to_owned()));
        assert!(check_network("10.0.0.0/33").is_err() && check_network("proxy").is_err());
    }
}
