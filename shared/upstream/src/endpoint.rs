//! Where a provider's API lives, checked once where it is named.

use std::{fmt, str::FromStr, sync::Arc};

use url::{Host, Url};

use crate::is_public;

/// Scheme, host and effective port: what a stored key is bound to. Shown as `https://api.openai.com:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    https: bool,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads `https://host[:port]`; a path, other than a closing slash, is refused.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = checked(text)?;
        if url.path() != "/" {
            return Err(EndpointError::OriginHasPath);
        }
        Self::of(&url)
    }

    fn of(url: &Url) -> Result<Self, EndpointError> {
        let host = url.host_str().ok_or(EndpointError::NoHost)?;
        let port = url.port_or_known_default().ok_or(EndpointError::Scheme)?;
        Ok(Self { https: url.scheme() == "https", host: host.into(), port })
    }

    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Lower case, internationalised names in their ASCII form, IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme(), self.host, self.port)
    }
}

impl FromStr for Origin {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Who named an endpoint, and so where it may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The operator or this build: any address, also inside the network.
    Operator,
    /// A user: public addresses only.
    User,
}

/// A provider's base URL with the addresses called under it, made once so that a call formats nothing.
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Arc<Addresses>);

#[derive(Debug, PartialEq, Eq)]
struct Addresses {
    base_url: Box<str>,
    origin: Origin,
    origin_text: Box<str>,
    trust: Trust,
    chat: Url,
    models: Url,
}

impl Endpoint {
    /// An endpoint of this build or of the operator's settings: http or https, any host.
    pub fn operator(base_url: &str) -> Result<Self, EndpointError> {
        Self::build(&checked(base_url)?, Trust::Operator)
    }

    /// An endpoint that a user named: https and no host inside the network, unless its exact origin is in `allow`.
    pub fn user(base_url: &str, allow: &[Origin]) -> Result<Self, EndpointError> {
        let url = checked(base_url)?;
        if allow.contains(&Origin::of(&url)?) {
            return Self::build(&url, Trust::Operator);
        }
        if url.scheme() != "https" {
            return Err(EndpointError::HttpsOnly);
        }
        let public = match url.host().ok_or(EndpointError::NoHost)? {
            Host::Domain(name) => !is_localhost(name),
            Host::Ipv4(ip) => is_public(ip.into()),
            Host::Ipv6(ip) => is_public(ip.into()),
        };
        if !public {
            return Err(EndpointError::NotPublic);
        }
        Self::build(&url, Trust::User)
    }

    /// As if the checks of [`Self::user`] had missed the address: tests the ones behind them.
    #[cfg(test)]
    pub(crate) fn user_unchecked(base_url: &str) -> Result<Self, EndpointError> {
        Self::build(&checked(base_url)?, Trust::User)
    }

    fn build(url: &Url, trust: Trust) -> Result<Self, EndpointError> {
        let base_url = url.as_str().trim_end_matches('/');
        let under = |path| Url::parse(&format!("{base_url}/{path}")).map_err(|_| EndpointError::NotAUrl);
        let origin = Origin::of(url)?;
        Ok(Self(Arc::new(Addresses {
            origin_text: origin.to_string().into(),
            origin,
            trust,
            chat: under("chat/completions")?,
            models: under("models")?,
            base_url: base_url.into(),
        })))
    }

    /// Normalised, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The origin as text: what a stored key is sealed for.
    pub fn origin_text(&self) -> &str {
        &self.0.origin_text
    }

    pub fn trust(&self) -> Trust {
        self.0.trust
    }

    /// `{base}/chat/completions`
    /// Whether the address is that of Azure's newer API, which is OpenAI's own: the model stands in the body.
    pub fn is_azure_v1(&self) -> bool {
        self.base_url().ends_with("/openai/v1")
    }

    pub(crate) fn chat_url(&self) -> &Url {
        &self.0.chat
    }

    /// `{base}/models`
    pub(crate) fn models_url(&self) -> &Url {
        &self.0.models
    }
}

/// What is wrong with an address, as a sentence for the person who typed it. Never repeats the address: it may hold a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("This is not a URL. Give one such as https://api.example.com/v1.")]
    NotAUrl,
    #[error("The URL must begin with https:// or http://.")]
    Scheme,
    #[error("The URL must begin with https://.")]
    HttpsOnly,
    #[error("The URL names no host.")]
    NoHost,
    #[error("The URL must not carry a user name or password.")]
    Userinfo,
    #[error("The URL must not carry a query (the part from \"?\") or a fragment (the part from \"#\").")]
    QueryOrFragment,
    #[error("The URL leads to a private or reserved address. Only the operator can allow it.")]
    NotPublic,
    #[error("An origin is scheme, host and port alone, such as http://127.0.0.1:11434, without a path.")]
    OriginHasPath,
}

/// What every address must keep to, whoever named it.
fn checked(text: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(text.trim()).map_err(|error| match error {
        url::ParseError::EmptyHost => EndpointError::NoHost,
        _ => EndpointError::NotAUrl,
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EndpointError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Userinfo);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(EndpointError::QueryOrFragment);
    }
    Ok(url)
}

/// RFC 6761: these names are the machine itself. The resolver would refuse them too, but only when called.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_normalised_and_knows_its_urls() {
        let endpoint = Endpoint::user(" HTTPS://API.Example.com/v1// ", &[]).expect("valid");
        assert_eq!(endpoint.base_url(), "https://api.example.com/v1");
        assert_eq!(endpoint.chat_url().as_str(), "https://api.example.com/v1/chat/completions");
        assert_eq!(endpoint.models_url().as_str(), "https://api.example.com/v1/models");
        assert_eq!(endpoint.origin().to_string(), "https://api.example.com:443");
        assert_eq!(endpoint.trust(), Trust::User);
        let bare = Endpoint::operator("http://[::1]:8000").expect("valid");
        assert_eq!(bare.base_url(), "http://[::1]:8000");
        assert_eq!(bare.models_url().as_str(), "http://[::1]:8000/models");
        assert_eq!(bare.origin().to_string(), "http://[::1]:8000");
    }

    #[test]
    fn what_a_user_may_not_name() {
        let cases = [
            ("", EndpointError::NotAUrl),
            ("api.example.com", EndpointError::NotAUrl),
            ("https://", EndpointError::NoHost),
            ("ftp://example.com", EndpointError::Scheme),
            ("file:///etc/passwd", EndpointError::Scheme),
            ("http://example.com", EndpointError::HttpsOnly),
            ("https://user@example.com", EndpointError::Userinfo),
            ("https://:pw@example.com", EndpointError::Userinfo),
            ("https://example.com?key=1", EndpointError::QueryOrFragment),
            ("https://example.com?", EndpointError::QueryOrFragment),
            ("https://example.com/#x", EndpointError::QueryOrFragment),
            ("https://localhost/v1", EndpointError::NotPublic),
            ("https://a.localhost./v1", EndpointError::NotPublic),
            ("https://127.0.0.1", EndpointError::NotPublic),
            ("https://127.1", EndpointError::NotPublic),
            ("https://2130706433", EndpointError::NotPublic),
            ("https://0x7f.0.0.1", EndpointError::NotPublic),
            ("https://0177.0.0.1.", EndpointError::NotPublic),
            ("https://169.254.169.254/latest", EndpointError::NotPublic),
            ("https://[::1]", EndpointError::NotPublic),
            ("https://[::ffff:10.0.0.1]", EndpointError::NotPublic),
            ("https://[fd00:ec2::254]", EndpointError::NotPublic),
        ];
        for (text, error) in cases {
            assert_eq!(Endpoint::user(text, &[]), Err(error), "{text}");
        }
        assert!(Endpoint::user("https://8.8.8.8/v1", &[]).is_ok());
    }

    #[test]
    fn the_operator_allows_exact_origins() {
        let allow = [Origin::parse("http://127.0.0.1:11434/").expect("an origin")];
        let endpoint = Endpoint::user("http://127.0.0.1:11434/v1", &allow).expect("allowed");
        assert_eq!(endpoint.trust(), Trust::Operator);
        assert_eq!(Endpoint::user("http://127.0.0.1:11435/v1", &allow), Err(EndpointError::HttpsOnly));
        assert_eq!(Endpoint::user("https://127.0.0.1:11434/v1", &allow), Err(EndpointError::NotPublic));
        assert_eq!(Endpoint::user("http://a@127.0.0.1:11434/v1", &allow), Err(EndpointError::Userinfo));
        assert_eq!(Origin::parse("http://127.0.0.1:11434/v1"), Err(EndpointError::OriginHasPath));
        assert_eq!("https://EXAMPLE.com".parse::<Origin>(), Origin::parse("https://example.com:443/"));
    }

    #[test]
    fn the_operator_may_name_any_host() {
        for text in ["http://localhost:11434/v1", "https://10.0.0.1/v1", "http://ollama:11434"] {
            assert_eq!(Endpoint::operator(text).expect("valid").trust(), Trust::Operator);
        }
        assert_eq!(Endpoint::operator("http://u:p@localhost"), Err(EndpointError::Userinfo));
    }
}
