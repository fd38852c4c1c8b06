//! The address under which the client reached us, for links in replies.

use std::{convert::Infallible, sync::Arc};

use axum::extract::FromRequestParts;
use http::{header, request};

/// What the edge knows of it.
#[derive(Clone, Debug)]
pub(crate) enum Reached {
    /// The operator says it: right also behind a proxy that cuts off a part of the path.
    At(Arc<str>),
    Over {
        https: bool,
    },
}

/// Scheme and host without a closing slash.
#[derive(Clone, Debug)]
pub struct BaseUrl(Arc<str>);

impl BaseUrl {
    /// The full address of one of our paths.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Infallible> {
        let https = match parts.extensions.get::<Reached>() {
            Some(Reached::At(url)) => return Ok(Self(Arc::clone(url))),
            Some(Reached::Over { https }) => *https,
            None => false,
        };
        let scheme = if https { "https" } else { "http" };
        let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority =
            named.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or("localhost");
        Ok(Self(format!("{scheme}://{authority}").into()))
    }
}
