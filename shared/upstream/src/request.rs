//! One outbound request, kept so that it can be built again for another try.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use llm_api_domain::{Timestamp, WireFamily};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use crate::{Auth, UpstreamError, auth::AuthHeaders};

pub(crate) struct Request<'a> {
    method: Method,
    url: Cow<'a, Url>,
    headers: AuthHeaders,
    /// Taken out of what the provider says.
    secret: Option<&'a SecretString>,
    body: Option<Bytes>,
    /// Of the body.
    media_type: &'static str,
    accept: &'static str,
    pass_on: Option<&'a HeaderMap>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(
        method: Method,
        url: Cow<'a, Url>,
        family: WireFamily,
        auth: Option<&'a Auth>,
    ) -> Result<Self, UpstreamError> {
        let headers = AuthHeaders::new(family, auth)?;
        let secret = auth.map(|auth| &auth.secret);
        Ok(Self {
            method,
            url,
            headers,
            secret,
            body: None,
            media_type: "application/json",
            accept: "application/json",
            pass_on: None,
        })
    }

    /// Without a credential.
    pub(crate) fn open(method: Method, url: Url) -> Self {
        let (url, headers) = (Cow::Owned(url), AuthHeaders::NONE);
        Self {
            method,
            url,
            headers,
            secret: None,
            body: None,
            media_type: "application/json",
            accept: "application/json",
            pass_on: None,
        }
    }

    /// With a JSON text for a body.
    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self
    }

    /// With `value` in JSON for a body.
    pub(crate) fn json(self, value: &impl Serialize) -> Self {
        // Strings, numbers and string keys always have a JSON form.
        self.body(serde_json::to_vec(value).unwrap_or_default().into())
    }

    /// With bytes of no particular form for a body.
    pub(crate) fn bytes(mut self, body: Bytes) -> Self {
        self.media_type = "application/octet-stream";
        self.body(body)
    }

    pub(crate) fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = media_type;
        self
    }

    /// With headers of the caller's. Those that we set ourselves win, but for the version of an API.
    pub(crate) fn passing_on(mut self, headers: Option<&'a HeaderMap>) -> Self {
        self.pass_on = headers;
        self
    }

    pub(crate) fn secret(&self) -> Option<&'a SecretString> {
        self.secret
    }

    /// # Errors
    /// For a credential that cannot be sent.
    pub(crate) fn build(&self, now: Timestamp) -> Result<reqwest::Request, UpstreamError> {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.as_ref().clone());
        let headers = request.headers_mut();
        headers.reserve(5);
        headers.insert(ACCEPT, HeaderValue::from_static(self.accept));
        self.headers.add_to(headers);
        for (name, value) in self.pass_on.into_iter().flatten() {
            self.headers.pass_on(headers, name, value);
        }
        if let Some(body) = &self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
            *request.body_mut() = Some(body.clone().into());
        }
        let body = self.body.as_deref().unwrap_or_default();
        self.headers.sign((&self.method, &self.url, body), now, request.headers_mut())?;
        Ok(request)
    }
}
