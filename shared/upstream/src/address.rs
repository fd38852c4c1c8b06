//! Where each family's calls go under an endpoint.

use std::borrow::Cow;

use llm_api_domain::WireFamily;
use llm_api_translate::Format;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::{Api, Detail, Endpoint, UpstreamError, aws};

/// What a path segment may hold unescaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

/// Where something is asked for. OpenAI's address was made with the endpoint.
pub(crate) fn of<'a>(
    endpoint: &'a Endpoint,
    family: WireFamily,
    api: Api,
    model: &str,
    stream: bool,
    azure_api_version: &str,
) -> Result<Cow<'a, Url>, UpstreamError> {
    let base = endpoint.base_url();
    let under = |path: &str| parse(&format!("{base}/{path}")).map(Cow::Owned);
    match (family, api) {
        (WireFamily::Unsupported, _) => Err(UpstreamError::not_callable()),
        (WireFamily::AzureOpenai, api) if !endpoint.is_azure_v1() => {
            let path = match api {
                Api::Embeddings => format!("deployments/{}/embeddings", segment(model)?),
                _ => format!("deployments/{}/chat/completions", segment(model)?),
            };
            azure(endpoint, &path, azure_api_version).map(Cow::Owned)
        }
        (_, Api::Reply(Format::OpenaiChat)) => Ok(Cow::Borrowed(endpoint.chat_url())),
        (_, Api::Reply(Format::OpenaiResponses)) => under("responses"),
        (_, Api::Reply(Format::AnthropicMessages)) => under("messages"),
        (_, Api::CountTokens) => under("messages/count_tokens"),
        (_, Api::Embeddings) => under("embeddings"),
        (_, Api::Reply(Format::GoogleGemini)) => {
            let action = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            under(&google(model, action)?)
        }
        (_, Api::BatchEmbedContents) => under(&google(model, "batchEmbedContents")?),
        (_, Api::Reply(Format::BedrockConverse)) => aws::converse(base, model, stream).map(Cow::Owned),
        (_, Api::Reply(Format::OllamaChat)) => {
            parse(&format!("{}/api/chat", without_version(endpoint))).map(Cow::Owned)
        }
    }
}

fn google(model: &str, action: &str) -> Result<String, UpstreamError> {
    let model = segment(model.strip_prefix("models/").unwrap_or(model))?;
    Ok(format!("models/{model}:{action}"))
}

/// One page of the list of models; `after` is what the page before told.
pub(crate) fn models<'a>(
    endpoint: &'a Endpoint,
    family: WireFamily,
    after: Option<&str>,
    azure_api_version: &str,
) -> Result<Cow<'a, Url>, UpstreamError> {
    let (size, cursor) = match family {
        WireFamily::OpenaiChat => return Ok(Cow::Borrowed(endpoint.models_url())),
        WireFamily::AzureOpenai if endpoint.is_azure_v1() => return Ok(Cow::Borrowed(endpoint.models_url())),
        WireFamily::AzureOpenai => return azure(endpoint, "models", azure_api_version).map(Cow::Owned),
        WireFamily::AnthropicMessages => ("limit", "after_id"),
        WireFamily::GoogleGemini => ("pageSize", "pageToken"),
        WireFamily::AmazonBedrock | WireFamily::Unsupported => return Err(UpstreamError::not_callable()),
    };
    let mut url = endpoint.models_url().clone();
    url.query_pairs_mut().append_pair(size, "1000");
    if let Some(after) = after {
        url.query_pairs_mut().append_pair(cursor, after);
    }
    Ok(Cow::Owned(url))
}

/// The part of a base URL under which a server keeps what is not OpenAI's API.
pub(crate) fn without_version(endpoint: &Endpoint) -> &str {
    let base = endpoint.base_url();
    base.strip_suffix("/v1").unwrap_or(base)
}

/// A path of the endpoint's origin.
pub(crate) fn at_origin(endpoint: &Endpoint, path: &str) -> Result<Url, UpstreamError> {
    parse(&format!("{}/{path}", endpoint.origin()))
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> Result<Cow<'_, str>, UpstreamError> {
    // These would be taken as steps through the path.
    if matches!(name, "" | "." | "..") {
        let message = "The model's name cannot stand in an address.".to_owned();
        let detail = Detail { message, param: Some("model".to_owned()), ..Detail::default() };
        return Err(UpstreamError::Refused { status: 400, detail });
    }
    Ok(utf8_percent_encode(name, ESCAPED).into())
}

pub(crate) fn parse(url: &str) -> Result<Url, UpstreamError> {
    Url::parse(url).map_err(|_| UpstreamError::bad("its address cannot be called"))
}

/// Under the resource; people also give its address with `/openai` behind.
fn azure(endpoint: &Endpoint, path: &str, api_version: &str) -> Result<Url, UpstreamError> {
    let base = endpoint.base_url();
    let resource = base.strip_suffix("/openai").unwrap_or(base);
    let mut url = parse(&format!("{resource}/openai/{path}"))?;
    url.query_pairs_mut().append_pair("api-version", api_version);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base: &str) -> Endpoint {
        Endpoint::operator(base).expect("valid")
    }

    #[test]
    fn each_family_has_its_own_address() {
        let cases = [
            (WireFamily::OpenaiChat, "https://a.test/v1", "org/m", "https://a.test/v1/chat/completions"),
            (WireFamily::AnthropicMessages, "https://a.test/v1", "claude", "https://a.test/v1/messages"),
            (
                WireFamily::GoogleGemini,
                "https://a.test/v1beta",
                "models/gemini-2.0-flash",
                "https://a.test/v1beta/models/gemini-2.0-flash:generateContent",
            ),
            (
                WireFamily::GoogleGemini,
                "https://a.test/v1beta",
                "a/../b?key=x#y:z",
                "https://a.test/v1beta/models/a%2F..%2Fb%3Fkey%3Dx%23y%3Az:generateContent",
            ),
            (
                WireFamily::AzureOpenai,
                "https://x.openai.azure.com",
                "my deployment",
                "https://x.openai.azure.com/openai/deployments/my%20deployment/chat/completions?api-version=V+1",
            ),
            (
                WireFamily::AzureOpenai,
                "https://x.openai.azure.com/openai/",
                "d",
                "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=V+1",
            ),
            (
                WireFamily::AzureOpenai,
                "https://x.openai.azure.com/openai/v1/",
                "d",
                "https://x.openai.azure.com/openai/v1/chat/completions",
            ),
        ];
        for (family, base, model, expected) in cases {
            let endpoint = endpoint(base);
            let api = Api::of_family(family).expect("callable");
            let url = of(&endpoint, family, api, model, false, "V 1").expect("an address");
            assert_eq!(url.as_str(), expected);
        }
        let google = endpoint("https://a.test/v1beta");
        let url =
            of(&google, WireFamily::GoogleGemini, Api::Reply(Format::GoogleGemini), "g", true, "").expect("an address");
        assert_eq!(url.as_str(), "https://a.test/v1beta/models/g:streamGenerateContent?alt=sse");
    }

    #[test]
    fn lists_are_paged() {
        let endpoint = endpoint("https://a.test/v1");
        let url = |family, after| models(&endpoint, family, after, "V").expect("an address").to_string();
        assert_eq!(url(WireFamily::OpenaiChat, None), "https://a.test/v1/models");
        assert_eq!(url(WireFamily::AzureOpenai, None), "https://a.test/v1/openai/models?api-version=V");
        assert_eq!(
            url(WireFamily::AnthropicMessages, Some("a&b")),
            "https://a.test/v1/models?limit=1000&after_id=a%26b"
        );
        assert_eq!(url(WireFamily::GoogleGemini, None), "https://a.test/v1/models?pageSize=1000");
        assert_eq!(url(WireFamily::GoogleGemini, Some("t")), "https://a.test/v1/models?pageSize=1000&pageToken=t");
        assert!(models(&endpoint, WireFamily::Unsupported, None, "V").is_err());
    }

    #[test]
    fn a_name_cannot_climb_out_of_its_place() {
        let endpoint = endpoint("https://a.test");
        for name in ["", ".", ".."] {
            let refused = of(&endpoint, WireFamily::AzureOpenai, Api::Reply(Format::OpenaiChat), name, false, "V")
                .expect_err("no name");
            assert!(matches!(refused, UpstreamError::Refused { status: 400, .. }));
        }
        for name in ["%2e%2e", "..\t", "..%2f", "a/b", "..\\"] {
            let url = of(&endpoint, WireFamily::AzureOpenai, Api::Reply(Format::OpenaiChat), name, false, "V")
                .expect("an address");
            let segments: Vec<_> = url.path_segments().expect("a path").collect();
            assert_eq!((segments.len(), segments[3], segments[4]), (5, "chat", "completions"), "{url}");
        }
    }
}
