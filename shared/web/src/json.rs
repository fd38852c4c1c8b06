//! Extractors that refuse as [`ApiError`], in the form clients of the Python service read.

use std::borrow::Cow;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRef, FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header, request};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{ApiError, Problem, check_json};

/// How large a request body may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    pub ordinary: usize,
    /// For generating routes, which carry conversations and images.
    pub large: usize,
}

/// The whole body of a generating route.
#[derive(Clone, Debug)]
pub struct LargeBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for LargeBody
where
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, BodyLimits::from_ref(state).large).await.map(Self)
    }
}

async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let (head, body) = request.into_parts();
    read_body(&head.headers, body, limit).await
}

/// The whole body of a request with these headers.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::unsupported_media_type());
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(ApiError::too_large(limit));
    }
    to_bytes(body, limit).await.map_err(|error| {
        // axum wraps the limit's error; anything else means that the client stopped sending.
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = source {
            if error.is::<http_body_util::LengthLimitError>() {
                return ApiError::too_large(limit);
            }
            source = error.source();
        }
        ApiError::bad_request("The request body could not be read to its end")
    })
}

/// A JSON body in, a JSON body out.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T>
where
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = read(request, BodyLimits::from_ref(state).ordinary).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A JSON body that may be missing altogether.
#[derive(Clone, Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T>
where
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = read(request, BodyLimits::from_ref(state).ordinary).await?;
        match bytes.trim_ascii() {
            b"" | b"null" => Ok(Self(T::default())),
            _ => parse(&bytes).map(Self),
        }
    }
}

/// A JSON body of a generating route.
#[derive(Clone, Debug)]
pub struct LargeJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for LargeJson<T>
where
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = read(request, BodyLimits::from_ref(state).large).await?;
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Err(problem("missing", vec!["body".to_owned()], "Field required".to_owned()));
    }
    check_json(bytes).map_err(|reason| problem("value_error", vec!["body".to_owned()], reason.to_owned()))?;
    if bytes.trim_ascii().first() != Some(&b'{') {
        // serde would take a list for an object, member by member in the order of the fields.
        let fault = serde_json::from_slice::<IgnoredAny>(bytes).err();
        let no_object = || problem("value_error", vec!["body".to_owned()], "must be a JSON object".to_owned());
        return Err(fault.as_ref().map_or_else(no_object, not_json));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| explain(&error, bytes))?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn problem(kind: &'static str, loc: Vec<String>, msg: String) -> ApiError {
    ApiError::invalid(vec![Problem { kind: Cow::Borrowed(kind), loc, msg }])
}

fn not_json(error: &serde_json::Error) -> ApiError {
    let place = format!("line {} column {}", error.line(), error.column());
    problem("json_invalid", vec!["body".to_owned()], format!("JSON decode error at {place}"))
}

fn explain(error: &serde_path_to_error::Error<serde_json::Error>, bytes: &[u8]) -> ApiError {
    let inner = error.inner();
    // serde_json calls a number in place of an enum's name bad syntax: only the text itself can tell.
    if !inner.is_data() && serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
        return not_json(inner);
    }
    let mut loc = vec!["body".to_owned()];
    let path = error.path().to_string();
    if path != "." {
        loc.extend(path.split('.').map(str::to_owned));
    }
    // serde adds the position to its sentence; the path says it better.
    let text = inner.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let text = if inner.is_data() { text } else { "wrong type" };
    describe(loc, text)
}

/// The problem behind one of serde's sentences, which tell of a missing field without its place, and names of our types.
fn describe(mut loc: Vec<String>, text: &str) -> ApiError {
    if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        loc.push(field.to_owned());
        return problem("missing", loc, "Field required".to_owned());
    }
    let text = match text.split_once("expected struct ") {
        Some((found, _)) => format!("{found}expected an object"),
        None => text.to_owned(),
    };
    problem("value_error", loc, text)
}

/// Path parameters; one that cannot be what the route expects names nothing.
#[derive(Clone, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| ApiError::route_not_found())
    }
}

/// Query parameters.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| explain_query(&rejection.body_text()))
    }
}

/// axum's sentence begins with words of its own and the parameter's name.
fn explain_query(text: &str) -> ApiError {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    let query = "query".to_owned();
    match text.split_once(": ").filter(|(name, _)| !name.contains(' ')) {
        Some((name, reason)) => describe(vec![query, name.to_owned()], reason),
        None => describe(vec![query], text),
    }
}

/// For `#[serde(deserialize_with)]`: an optional integer that may be written `87.0`, as JSON Schema allows.
///
/// # Errors
/// When it is no number, or has a fraction.
pub fn lenient_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Integer(i64),
        Float(f64),
    }
    match Option::<Number>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Number::Integer(integer)) => Ok(Some(integer)),
        #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number within range")]
        Some(Number::Float(float)) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(Some(float as i64)),
        Some(Number::Float(_)) => Err(serde::de::Error::custom("expected a whole number")),
    }
}
