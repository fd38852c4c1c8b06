//! What an account has left, where a provider tells: DeepSeek does.

use std::borrow::Cow;

use http::Method;
use llm_api_domain::WireFamily;
use serde::Deserialize;

use crate::{Auth, Client, Endpoint, UpstreamError, address, client::Due, request::Request};

/// What is left of an account's credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whether it is enough for calls.
    pub is_available: bool,
    /// As the provider writes it, for example `4.20 USD`.
    pub total: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    is_available: bool,
    #[serde(default)]
    balance_infos: Vec<Info>,
}

#[derive(Deserialize)]
struct Info {
    currency: String,
    total_balance: String,
}

impl Client {
    /// Asks for `/user/balance` at the endpoint's origin; at most 10 seconds.
    pub async fn balance(&self, endpoint: &Endpoint, auth: Option<&Auth>) -> Result<Balance, UpstreamError> {
        let url = address::at_origin(endpoint, "user/balance")?;
        let request = Request::new(Method::GET, Cow::Owned(url), WireFamily::OpenaiChat, auth)?;
        let (_, body) = self.ask_json(endpoint, &request, Due::soon()).await?;
        parse(&body).ok_or_else(|| UpstreamError::bad("it is no balance"))
    }
}

/// Accounts in two currencies are shown in dollars.
fn parse(body: &[u8]) -> Option<Balance> {
    let Answer { is_available, balance_infos } = serde_json::from_slice(body).ok()?;
    let shown = balance_infos.iter().find(|info| info.currency == "USD").or(balance_infos.first());
    let cut = |text: &str| text.chars().take(32).collect::<String>();
    let total = shown.map(|info| format!("{} {}", cut(&info.total_balance), cut(&info.currency)));
    Some(Balance { is_available, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_read() {
        let both = br#"{"is_available":true,"balance_infos":[
            {"currency":"CNY","total_balance":"110.00","granted_balance":"10.00","topped_up_balance":"100.00"},
            {"currency":"USD","total_balance":"4.20","granted_balance":"0.00","topped_up_balance":"4.20"}]}"#;
        assert_eq!(parse(both), Some(Balance { is_available: true, total: Some("4.20 USD".to_owned()) }));
        let none = br#"{"is_available":false,"balance_infos":[]}"#;
        assert_eq!(parse(none), Some(Balance { is_available: false, total: None }));
        assert_eq!(parse(br#"{"error":"x"}"#), None);
    }
}
