//! `provider_keys`: opened with the old key and sealed anew, for the owner, the provider and the origin that they are for.

use std::collections::HashMap;

use llm_api_domain::{CredentialType, ProviderId, ProviderKeyId, SERVICE_USER_ID, UserId};
use llm_api_relay::Credential;
use llm_api_storage::{KeyStatus, LegacyRow, LegacyTable, NewProviderKey, Placed};
use llm_api_upstream::Endpoint;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ImportError, Run,
    cell::{RowReader, shown_id},
    ids::{RowIds, Whom, no_owner},
};

const TABLE: LegacyTable = LegacyTable::ProviderKeys;
/// What a key is sealed for that goes nowhere.
const NOWHERE: &str = "none";

/// Names that people type for a provider of ours.
const ALIASES: [(&str, ProviderId); 17] = [
    ("azure_openai", ProviderId::Azure),
    ("azure-openai", ProviderId::Azure),
    ("azureopenai", ProviderId::Azure),
    ("azure openai", ProviderId::Azure),
    ("chatgpt", ProviderId::Openai),
    ("open ai", ProviderId::Openai),
    ("open-ai", ProviderId::Openai),
    ("claude", ProviderId::Anthropic),
    ("gemini", ProviderId::Google),
    ("google gemini", ProviderId::Google),
    ("google ai", ProviderId::Google),
    ("grok", ProviderId::Xai),
    ("x.ai", ProviderId::Xai),
    ("hf", ProviderId::Huggingface),
    ("hugging face", ProviderId::Huggingface),
    ("hugging_face", ProviderId::Huggingface),
    ("hugging-face", ProviderId::Huggingface),
];

/// An opened credential.
#[derive(Deserialize)]
struct Parts {
    api_key: Option<SecretString>,
    endpoint: Option<Box<RawValue>>,
    oauth_token: Option<SecretString>,
    /// A text; an object where hands have edited it.
    service_account_json: Option<Box<RawValue>>,
}

/// Where a credential may go.
struct Goal {
    base_url: Option<String>,
    origin: String,
}

impl Run<'_> {
    pub(super) async fn keys(&mut self) -> Result<(), ImportError> {
        let rows = self.all(TABLE).await?;
        let mut ids = RowIds::of(TABLE);
        let (mut opened, mut refused) = (0_u64, 0_u64);
        let mut taken = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            match self.key(row, &mut ids, &mut taken).await? {
                Some(true) => opened += 1,
                Some(false) => refused += 1,
                None => {}
            }
            self.tell(TABLE, at + 1, rows.len());
        }
        if refused > 0 && opened == 0 {
            self.report.note("provider_keys: none opened with the old key that was given; is it the right one?");
        }
        Ok(())
    }

    /// Whether it opened; `None` when that was not tried.
    async fn key(
        &mut self,
        row: &LegacyRow,
        ids: &mut RowIds,
        taken: &mut HashMap<(UserId, ProviderId), String>,
    ) -> Result<Option<bool>, ImportError> {
        let mut reader = RowReader::new(row);
        let id = ProviderKeyId::from(ids.next(row, &mut reader));
        let shown = shown_id(row, TABLE);
        let user = match self.people.whom(row, "user_id") {
            Whom::User(user) => user,
            whom => {
                self.report.skipped(TABLE, shown, no_owner(whom));
                return Ok(None);
            }
        };
        if !reader.flag("is_active") {
            self.report.skipped(TABLE, shown, "its owner has deleted it");
            return Ok(None);
        }
        if user == SERVICE_USER_ID {
            reader.changed("user_id: dev-user became the service account");
        }
        let provider = provider(&mut reader);
        let whose = format!("owner {}, provider {provider}", self.people.shown(user));
        if let Some(first) = taken.get(&(user, provider)) {
            let reason = format!("{whose}: {first} is an earlier one, and one is kept for each provider");
            self.report.skipped(TABLE, shown, reason);
            return Ok(None);
        }
        let plain = reader.text("encrypted_key").and_then(|sealed| self.open(&sealed));
        let Some(plain) = plain else {
            let reason = format!("{whose}: it does not open with the old key; its owner stores it again");
            self.report.skipped(TABLE, shown, reason);
            return Ok(Some(false));
        };
        let (credential, kind, goal) = match self.credential(&mut reader, provider, &plain) {
            Ok(found) => found,
            Err(problem) => {
                self.report.skipped(TABLE, shown, format!("{whose}: {problem}; its owner stores it again"));
                return Ok(Some(true));
            }
        };
        let created_at = reader.time_or("created_at", self.options.now);
        let key = NewProviderKey {
            id,
            user,
            provider,
            credential_type: kind,
            sealed: credential.seal(self.options.vault, id, user, provider, &goal.origin)?,
            base_url: goal.base_url,
            origin: goal.origin,
            masked_key: credential.masked(),
            status: KeyStatus::Unchecked,
            status_detail: Some("Imported; the key is tried when it is used first".to_owned()),
            checked_at: None,
        };
        match self.target.provider_key(&key, created_at, self.options.now).await? {
            Placed::Taken => self.report.skipped(TABLE, shown, format!("{whose}: another key is stored here already")),
            placed => {
                taken.insert((user, provider), shown.clone());
                self.report.arrived(TABLE, shown, placed, &reader.changes);
            }
        }
        Ok(Some(true))
    }

    fn open(&self, sealed: &str) -> Option<SecretSlice<u8>> {
        self.options.old_keys.iter().find_map(|key| key.open(sealed).ok())
    }

    fn credential(
        &self,
        reader: &mut RowReader<'_>,
        provider: ProviderId,
        plain: &SecretSlice<u8>,
    ) -> Result<(Credential, CredentialType, Goal), &'static str> {
        let parts: Parts =
            serde_json::from_slice(plain.expose_secret()).map_err(|_| "it opens, but holds no credential")?;
        let kind = kind(reader, &parts);
        let service_account = parts.service_account_json.map(|raw| {
            SecretString::from(serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned()))
        });
        let endpoint = parts.endpoint.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let credential = Credential::new(kind, parts.api_key, parts.oauth_token, service_account)
            .map_err(|_| "it opens, but its secret is empty")?;
        let endpoint = endpoint.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let goal = self.goal(reader, provider, kind, endpoint);
        Ok((credential, kind, goal))
    }

    fn goal(
        &self,
        reader: &mut RowReader<'_>,
        provider: ProviderId,
        kind: CredentialType,
        endpoint: Option<String>,
    ) -> Goal {
        let is_own = kind == CredentialType::EndpointKey || provider.default_base_url().is_none();
        let endpoint = endpoint.filter(|_| is_own);
        if endpoint.is_none() && kind == CredentialType::EndpointKey {
            reader.changed("encrypted_key: it names no endpoint, so it is kept but cannot be used");
            return Goal { base_url: None, origin: NOWHERE.to_owned() };
        }
        let allowed = self.options.providers.endpoint(provider, endpoint.as_deref());
        let origin = |endpoint: &Endpoint| endpoint.origin_text().to_owned();
        match (allowed, endpoint) {
            (Ok(Some(found)), endpoint) => Goal { base_url: endpoint, origin: origin(&found) },
            (Ok(None), endpoint) => Goal { base_url: endpoint, origin: NOWHERE.to_owned() },
            (Err(_), Some(endpoint)) => {
                let Ok(found) = Endpoint::operator(&endpoint) else {
                    reader.changed("encrypted_key: its endpoint is no address, so it is kept but cannot be used");
                    return Goal { base_url: None, origin: NOWHERE.to_owned() };
                };
                let origin = origin(&found);
                let until = "cannot be called until LLM_API_BASE_URL_ALLOW names it";
                reader.changed(format!("encrypted_key: {origin} {until}"));
                Goal { base_url: Some(endpoint), origin }
            }
            (Err(_), None) => Goal { base_url: None, origin: NOWHERE.to_owned() },
        }
    }
}

fn provider(reader: &mut RowReader<'_>) -> ProviderId {
    let text = reader.text("provider").unwrap_or_default();
    let name = text.trim().to_lowercase();
    let known = name.parse().ok().filter(|known: &ProviderId| known.takes_stored_key());
    let found = known.or_else(|| ALIASES.into_iter().find(|(alias, _)| *alias == name).map(|(_, provider)| provider));
    let provider = found.unwrap_or(ProviderId::Other);
    if text != provider.as_str() {
        // Somebody may have typed the key into the wrong field, so the name is not repeated.
        reader.changed(match found {
            Some(_) => format!("provider: became {provider}"),
            None => format!("provider: none that is known here, became {provider}"),
        });
    }
    provider
}

/// As it is written, else by what the credential consists of. Old files have no such column: there were keys alone.
fn kind(reader: &mut RowReader<'_>, parts: &Parts) -> CredentialType {
    let Some(text) = reader.text("credential_type") else { return guess(parts) };
    CredentialType::ALL.into_iter().find(|kind| kind.as_str() == text).unwrap_or_else(|| {
        let guess = guess(parts);
        reader.changed(format!("credential_type: not known, became {}", guess.as_str()));
        guess
    })
}

fn guess(parts: &Parts) -> CredentialType {
    match parts {
        Parts { api_key: Some(_), endpoint: Some(_), .. } => CredentialType::EndpointKey,
        Parts { api_key: None, oauth_token: Some(_), .. } => CredentialType::OauthToken,
        Parts { api_key: None, oauth_token: None, service_account_json: Some(_), .. } => CredentialType::ServiceAccount,
        Parts { .. } => CredentialType::ApiKey,
    }
}
