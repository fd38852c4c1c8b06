//! AWS's signature of a request (version 4) for a `POST /` without a query, as its JSON services have it.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// Who calls what, and when.
#[derive(Debug)]
pub(crate) struct Signing<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) secret_access_key: &'a SecretString,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// UTC, such as `20150830T123600Z`; sent as `x-amz-date`.
    pub(crate) at: &'a str,
}

impl Signing<'_> {
    /// The value of `authorization`. `headers` are all that is signed: lower-case names in their order, with `host`
    /// and `x-amz-date`.
    pub(crate) fn authorization(&self, headers: &[(&str, &str)], body: &[u8]) -> String {
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().flat_map(|(name, value)| [name, ":", value.trim(), "\n"]).collect();
        let request = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
        let date = self.at.split('T').next().unwrap_or_default();
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", self.at, hex(&Sha256::digest(request)));
        let secret = format!("AWS4{}", self.secret_access_key.expose_secret());
        let key = [date, self.region, self.service, "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| hmac(&key, part.as_bytes()));
        let signature = hex(&hmac(&key, text.as_bytes()));
        let id = self.access_key_id;
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
    hmac.update(text);
    hmac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing<'a>(secret: &'a SecretString, region: &'a str, service: &'a str) -> Signing<'a> {
        let (access_key_id, at) = ("AKIDEXAMPLE", "20150830T123600Z");
        Signing { access_key_id, secret_access_key: secret, region, service, at }
    }

    /// `post-vanilla` of AWS's own examples, and a call as botocore signs it.
    #[test]
    fn others_sign_the_same() {
        let secret = SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let vanilla = signing(&secret, "us-east-1", "service");
        assert_eq!(
            vanilla.authorization(&[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], b""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", "secretsmanager.eu-central-1.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            ("x-amz-security-token", "a session token"),
            ("x-amz-target", "secretsmanager.GetSecretValue"),
        ];
        let body = br#"{"SecretId":"arn:aws:secretsmanager:eu-central-1:123456789012:secret:llm-api-AbCdEf"}"#;
        let call = signing(&secret, "eu-central-1", "secretsmanager");
        assert_eq!(
            call.authorization(&headers, body),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/secretsmanager/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
             Signature=dd15356dbf4831b880616fab4506f1475510dd46010588ffc44e562fae6c72d9"
        );
        assert!(!format!("{call:?}").contains("EXAMPLEKEY"));
    }
}
