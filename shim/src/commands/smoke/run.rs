//! What the steps share: the deployment, who they are, and what they have made.

use llm_api_crypto::{PlainToken, RandomError, TokenKind};
use llm_api_upstream::{PlainClient, PlainReply, PlainRequest, redact};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{
    Options,
    answer::{unanswered, unexpected},
    report::{Problem, Report, skipped},
};

/// One run.
pub(super) struct Run {
    pub(super) client: PlainClient,
    pub(super) options: Options,
    pub(super) report: Report,
    pub(super) made: Made,
    /// `smoke-…`: the name of everything that is made.
    pub(super) name: String,
    pub(super) password: SecretString,
    /// Whom the steps act as: the account of this run, else whose token was given.
    pub(super) token: Option<SecretString>,
    /// Whether that is the account of this run.
    pub(super) is_own_account: bool,
    pub(super) frozen: bool,
    /// What must never be printed.
    secrets: Vec<SecretString>,
}

/// What is there because of this run. Noted before it is asked for: an answer may never come.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) invite: Option<String>,
    pub(super) account: bool,
    /// By its id, where it is known.
    pub(super) account_id: Option<String>,
    pub(super) logins: Vec<SecretString>,
    pub(super) token: bool,
    /// By provider.
    pub(super) key: Option<String>,
    pub(super) session: bool,
}

impl Made {
    /// For people: what may still be there. `name` is what everything is called.
    pub(super) fn describe(&self, name: &str) -> Vec<String> {
        let mut left = Vec::new();
        if self.session {
            left.push(format!("the session {name}"));
        }
        if let Some(provider) = &self.key {
            left.push(format!("a key for {provider}"));
        }
        if self.token {
            left.push(format!("the token {name}"));
        }
        if self.account {
            left.push(format!("the account {name}"));
        }
        if let Some(id) = &self.invite {
            left.push(format!("the invite {id}"));
        }
        left
    }

    /// All of it went with the account.
    pub(super) fn account_is_gone(&mut self) {
        (self.account, self.session, self.token, self.key) = (false, false, false, None);
    }
}

impl Run {
    pub(super) fn new(client: PlainClient, options: Options, report: Report) -> Result<Self, RandomError> {
        let random = PlainToken::generate(TokenKind::Personal)?;
        // Ten random letters and digits of it; the password is another one.
        let letters: String = random.expose().chars().skip("lap_".len()).take(10).collect();
        let password = SecretString::from(PlainToken::generate(TokenKind::Personal)?.expose());
        let given = [&options.token, &options.invite, &options.key];
        let mut secrets: Vec<SecretString> = given.into_iter().flatten().cloned().collect();
        secrets.push(password.clone());
        Ok(Self {
            client,
            token: options.token.clone(),
            options,
            report,
            made: Made::default(),
            name: format!("smoke-{}", letters.to_lowercase()),
            password,
            is_own_account: false,
            frozen: false,
            secrets,
        })
    }

    /// A secret out of a reply, never to be printed.
    pub(super) fn secret(&mut self, text: &Value) -> Option<SecretString> {
        let secret = SecretString::from(text.as_str().filter(|text| !text.is_empty())?);
        self.secrets.push(secret.clone());
        Some(secret)
    }

    /// Whom a step acts as.
    pub(super) fn token(&self) -> Result<SecretString, Problem> {
        match &self.token {
            Some(token) => Ok(token.clone()),
            None => skipped("needs a token (--token-file) or an invite (--invite-file)"),
        }
    }

    /// The reply to a request that must have this status.
    pub(super) async fn ask(&self, request: PlainRequest<'_>, status: u16) -> Result<PlainReply, Problem> {
        let reply = request.send().await.map_err(|error| self.failed(&unanswered(&error)))?;
        self.expect(reply, status)
    }

    pub(super) fn expect(&self, reply: PlainReply, status: u16) -> Result<PlainReply, Problem> {
        match reply.status.as_u16() == status {
            true => Ok(reply),
            false => Err(self.unexpected(&reply)),
        }
    }

    /// The same as the caller, for a JSON reply.
    pub(super) async fn ask_json(&self, request: PlainRequest<'_>, status: u16) -> Result<Value, Problem> {
        let reply = self.ask(request, status).await?;
        match reply.json() {
            Value::Null => Err(self.failed("the reply is no JSON; is this the address of llm-api?")),
            body => Ok(body),
        }
    }

    pub(super) fn unexpected(&self, reply: &PlainReply) -> Problem {
        self.failed(&unexpected(reply))
    }

    /// Without any secret that the deployment may have told.
    pub(super) fn failed(&self, text: &str) -> Problem {
        let clean = self.secrets.iter().fold(text.to_owned(), |text, secret| redact(&text, Some(secret)));
        Problem::Failed(clean)
    }

    pub(super) fn credentials(&self, name: &str) -> Value {
        serde_json::json!({ "username": name, "password": self.password.expose_secret() })
    }
}

/// Runs one step, and tells how it ended.
macro_rules! step {
    ($run:ident, $name:literal, $work:expr) => {{
        let begun = std::time::Instant::now();
        let done = $work.await;
        $run.report.tell($name, begun, done)
    }};
}
pub(super) use step;
