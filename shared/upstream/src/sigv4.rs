//! AWS Signature Version 4: signs a request with a secret that never leaves.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;
use zeroize::Zeroizing;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What stays as it is in a canonical query; a canonical path keeps its slashes too.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Who signs, and for what.
pub(crate) struct Signer<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) secret_access_key: &'a SecretString,
    pub(crate) session_token: Option<&'a SecretString>,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// A request as its receiver sees it. The path and query are as they are sent, percent-encoded.
struct Canonical<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    /// In the order of their names, which are in lower case.
    headers: Vec<(&'static str, &'a str)>,
    body: &'a [u8],
}

impl Signer<'_> {
    /// Adds the headers that make the request good for some minutes after `now`.
    pub(crate) fn sign(
        &self,
        (method, url, body): (&Method, &Url, &[u8]),
        now: Timestamp,
        headers: &mut HeaderMap,
    ) -> Result<(), InvalidHeaderValue> {
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let token = self.session_token.map(ExposeSecret::expose_secret);
        let mut signed = vec![("host", host.as_str()), (DATE_NAME, time.as_str())];
        signed.extend(token.map(|token| (TOKEN_NAME, token)));
        let request =
            Canonical { method: method.as_str(), path: url.path(), query: url.query(), headers: signed, body };
        let mut authorization = HeaderValue::try_from(self.authorization(&request, &time))?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(DATE, HeaderValue::try_from(&time)?);
        if let Some(token) = token {
            let mut token = HeaderValue::from_str(token)?;
            token.set_sensitive(true);
            headers.insert(TOKEN, token);
        }
        Ok(())
    }

    /// `time` is in the basic form of ISO 8601, such as `20150830T123600Z`.
    fn authorization(&self, request: &Canonical<'_>, time: &str) -> String {
        let date = time.get(..8).unwrap_or_default();
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let (text, names) = request.text();
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(text)));
        let signature = hex(&hmac(self.key(date).as_slice(), to_sign.as_bytes()));
        let id = self.access_key_id;
        format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }

    /// Good for one day, region and service.
    fn key(&self, date: &str) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new([b"AWS4", self.secret_access_key.expose_secret().as_bytes()].concat());
        let mut key = Zeroizing::new(hmac(&secret, date.as_bytes()));
        for part in [self.region, self.service, "aws4_request"] {
            key = Zeroizing::new(hmac(key.as_slice(), part.as_bytes()));
        }
        key
    }
}

const DATE_NAME: &str = "x-amz-date";
const TOKEN_NAME: &str = "x-amz-security-token";

impl Canonical<'_> {
    /// The text that stands for the request, and the names of the headers in it.
    fn text(&self) -> (String, String) {
        let Self { method, path, query, headers, body } = self;
        let path = if path.is_empty() { "/" } else { path };
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines = headers.iter().map(|(name, value)| [name, ":", &single_spaced(value), "\n"].concat());
        let lines = lines.collect::<String>();
        // What is encoded in the path already is encoded once more: so wants every service but S3.
        let path = utf8_percent_encode(path, PATH);
        let query = canonical_query(query.unwrap_or_default());
        let body = hex(&Sha256::digest(body));
        (format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body}"), names)
    }
}

/// Sorted, and each name and value encoded anew.
fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(&percent_decode_str(text).decode_utf8_lossy(), QUERY).to_string();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (encoded(name), encoded(value))
    };
    let mut pairs: Vec<_> = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn single_spaced(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let Ok(hmac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
    hmac.chain_update(text).finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]));
    bytes.iter().copied().flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIDEXAMPLE";
    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const TIME: &str = "20150830T123600Z";
    const AT: (&str, &str) = (DATE_NAME, TIME);

    fn secret() -> SecretString {
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned().into()
    }

    fn signature(method: &str, path: &str, query: Option<&str>, extra: &[(&'static str, &str)], body: &[u8]) -> String {
        let secret = secret();
        let signer = Signer {
            access_key_id: ID,
            secret_access_key: &secret,
            session_token: None,
            region: "us-east-1",
            service: "service",
        };
        let mut headers = vec![HOST, AT];
        headers.extend(extra);
        headers.sort_unstable();
        let authorization = signer.authorization(&Canonical { method, path, query, headers, body }, TIME);
        authorization.rsplit_once("Signature=").expect("a signature").1.to_owned()
    }

    /// Cases of the same names in AWS's published test suite for Signature Version 4.
    #[test]
    fn the_published_signatures_come_out() {
        let get = |path, query| signature("GET", path, query, &[], b"");
        for (case, made, published) in [
            ("get-vanilla", get("/", None), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "get-vanilla-query-order-key-case",
                get("/", Some("Param2=value2&Param1=value1")),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-utf8-query",
                get("/", Some("ሴ=bar")),
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "get-vanilla-query-order-encoded",
                get("/", Some("Param-3=Value3&Param=Value2&%E1%88%B4=Value1")),
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                "get-space-unnormalized",
                get("/example space/", None),
                "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            ),
            ("get-utf8", get("/ሴ", None), "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
            (
                "post-vanilla",
                signature("POST", "/", None, &[], b""),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "get-vanilla-with-session-token",
                signature(
                    "GET",
                    "/",
                    None,
                    &[(TOKEN_NAME, "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267")],
                    b"",
                ),
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            (
                "get-header-value-trim",
                signature("GET", "/", None, &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")], b""),
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "post-x-www-form-urlencoded",
                signature(
                    "POST",
                    "/",
                    None,
                    &[
                        ("content-length", "13"),
                        ("content-type", "application/x-www-form-urlencoded"),
                        ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
                    ],
                    b"Param1=value1",
                ),
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
        ] {
            assert_eq!(made, published, "{case}");
        }
    }

    /// The signatures were made with another implementation (Python `botocore` 1.44).
    #[test]
    fn calls_of_bedrock_are_signed_as_its_own_sdk_does() {
        let token = SecretString::from("TOKEN/+=".to_owned());
        let profile = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile\
                       %2Fus.anthropic.claude-3-7-sonnet-20250219-v1%3A0";
        for (model, token, signature) in [
            (
                "anthropic.claude-3-5-sonnet-20241022-v2%3A0",
                None,
                "695a4e8a443e31d5b1a5b97765f5effc17985daefcb687cff9b1b4cccff1ea39",
            ),
            (profile, Some(&token), "999a9306c459ec325eb6f0eb311f269e1deb56c906c9292720e7809a33f5869b"),
        ] {
            let url = format!("https://bedrock-runtime.us-west-2.amazonaws.com/model/{model}/converse-stream");
            let url = Url::parse(&url).expect("an address");
            let secret = secret();
            let signer = Signer {
                access_key_id: ID,
                secret_access_key: &secret,
                session_token: token,
                region: "us-west-2",
                service: "bedrock",
            };
            let now = "2026-01-02T03:04:05.678Z".parse().expect("a time");
            let mut headers = HeaderMap::new();
            signer.sign((&Method::POST, &url, br#"{"messages":[]}"#), now, &mut headers).expect("sendable");
            let names = if token.is_some() { "host;x-amz-date;x-amz-security-token" } else { "host;x-amz-date" };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential={ID}/20260102/us-west-2/bedrock/aws4_request, SignedHeaders={names}, \
                 Signature={signature}"
            );
            assert_eq!(headers[AUTHORIZATION], expected.as_str());
            assert!(headers[AUTHORIZATION].is_sensitive());
            assert_eq!(headers[DATE], "20260102T030405Z");
            assert_eq!(headers.get(TOKEN).map(HeaderValue::as_bytes), token.map(|_| b"TOKEN/+=".as_slice()));
        }
    }
}
