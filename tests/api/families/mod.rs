//! The providers' wire formats behind the one native endpoint: what each provider sees, and what its answers become.

mod chat;
mod failures;
mod images;
mod parameters;
mod text;

use llm_api_testkit::{Database, FakeProvider, Person, ProviderRequest, TestApp};
use serde_json::{Value, json};

use crate::asking::{generations, store_credential};

/// In the vault; nowhere but in one header at the provider.
const KEY: &str = "sk-live-Zq8rT2vWx4YzAb19";
pub(crate) const PART_OF_KEY: &str = "Zq8rT2vW";

/// One kind of credential of one provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) provider: &'static str,
    credential_type: &'static str,
    /// The header that carries the credential, and what stands before it there.
    header: &'static str,
    scheme: &'static str,
    /// Where the model `echo` is asked, in one piece and streamed.
    paths: [&'static str; 2],
}

const CHAT: [&str; 2] = ["/v1/chat/completions"; 2];
const MESSAGES: [&str; 2] = ["/v1/messages"; 2];
const DEPLOYMENT: [&str; 2] = ["/openai/deployments/echo/chat/completions?api-version=2024-10-21"; 2];
const GEMINI: [&str; 2] = ["/v1beta/models/echo:generateContent", "/v1beta/models/echo:streamGenerateContent?alt=sse"];

pub(crate) const OPENAI: Account = account("openai", "api_key", "authorization", "Bearer ", CHAT);
pub(crate) const ANTHROPIC: Account = account("anthropic", "api_key", "x-api-key", "", MESSAGES);
const ANTHROPIC_OAUTH: Account = account("anthropic", "oauth_token", "authorization", "Bearer ", MESSAGES);
pub(crate) const GOOGLE: Account = account("google", "api_key", "x-goog-api-key", "", GEMINI);
const GOOGLE_OAUTH: Account = account("google", "oauth_token", "authorization", "Bearer ", GEMINI);
const AZURE: Account = account("azure", "endpoint_key", "api-key", "", DEPLOYMENT);
pub(crate) const HUGGINGFACE: Account = account("huggingface", "api_key", "authorization", "Bearer ", CHAT);

const ACCOUNTS: [Account; 7] = [OPENAI, ANTHROPIC, ANTHROPIC_OAUTH, GOOGLE, GOOGLE_OAUTH, AZURE, HUGGINGFACE];
/// One of each provider.
pub(crate) const PROVIDERS: [Account; 5] = [OPENAI, ANTHROPIC, GOOGLE, AZURE, HUGGINGFACE];

const fn account(
    provider: &'static str,
    credential_type: &'static str,
    header: &'static str,
    scheme: &'static str,
    paths: [&'static str; 2],
) -> Account {
    Account { provider, credential_type, header, scheme, paths }
}

impl Account {
    fn credential(self, provider: &FakeProvider) -> Value {
        let mut credential = json!({ "provider": self.provider, "credential_type": self.credential_type });
        let field = if self.credential_type == "oauth_token" { "oauth_token" } else { "api_key" };
        credential[field] = KEY.into();
        if self.credential_type == "endpoint_key" {
            credential["endpoint"] = provider.azure_base_url().into();
        }
        credential
    }

    async fn store(self, app: &TestApp, person: &Person) {
        let stored = store_credential(app, person, self.credential(&app.provider)).await;
        // Hugging Face shows its list to everybody: that it came proves nothing.
        let status = if self.provider == "huggingface" { "unchecked" } else { "valid" };
        assert_eq!(stored["status"], status, "{self:?}: {stored}");
    }

    /// A request for text from `model` of this provider.
    fn hello(self, model: &str) -> Value {
        json!({ "modality": "text", "model": format!("{}:{model}", self.provider), "input": { "prompt": "Hello" } })
    }
}

/// Ada with these accounts.
pub(crate) async fn start(database: Database, accounts: &[Account], settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    for account in accounts {
        account.store(&app, &ada).await;
    }
    (app, ada)
}

/// The latest request for text.
fn seen(app: &TestApp) -> ProviderRequest {
    generations(&app.provider).pop().expect("a request for text")
}
