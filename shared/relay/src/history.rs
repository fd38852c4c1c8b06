//! What of a session is sent upstream: as much of its end as the model can read.

use std::time::Duration;

use llm_api_domain::{ExchangeId, SessionId, SessionStatus, UserId};
use llm_api_storage::{Session, StoredTurn};

use crate::{GenerateCall, Relay, RelayError, Target};

/// Exchanges read at once; most sessions need one read.
const PAGE: i64 = 256;
/// Bytes of a token: about four in English, three for one character of Chinese or Japanese. The smaller number errs
/// on the safe side.
const BYTES_PER_TOKEN: usize = 3;
/// What a message costs beside its text.
const TOKENS_PER_MESSAGE: usize = 8;
/// What one image costs, roughly, at the providers that tell.
const TOKENS_PER_IMAGE: usize = 1600;
/// Left free for the reply where the request does not say how long it may get.
const REPLY_TOKENS: usize = 1024;

/// A use that is noted already is not noted again so soon.
const NOTED_FOR: Duration = Duration::from_mins(1);

/// The turn that a new reply takes the place of.
#[derive(Clone, Copy, Debug)]
pub struct Replaced {
    pub exchange: ExchangeId,
    pub sequence: i64,
}

/// The session of one request, and what was said in it.
#[derive(Debug)]
pub(crate) struct SessionHistory {
    pub(crate) session: Session,
    /// Oldest first.
    turns: Vec<StoredTurn>,
    /// How many of the session's exchanges are not sent.
    left_out: usize,
}

impl SessionHistory {
    /// What is sent of it, oldest first.
    pub(crate) fn turns(&self) -> &[StoredTurn] {
        &self.turns
    }

    /// Leaves out the older half of what is sent now. False when nothing is left to leave out.
    pub(crate) fn shrink(&mut self) -> bool {
        let before = self.turns.len();
        let keep = before / 2;
        self.turns.drain(..before - keep);
        self.left_out += before - keep;
        before > 0
    }

    /// The sentence for the reply, when something was left out.
    pub(crate) fn warning(&self) -> Option<String> {
        let left_out = self.left_out;
        let plural = if left_out == 1 { "exchange was" } else { "exchanges were" };
        (left_out > 0).then(|| {
            format!("This conversation is longer than the model can read: its oldest {left_out} {plural} left out")
        })
    }
}

/// A rough number of tokens, rather too high than too low.
fn tokens(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE
}

fn tokens_of(turn: &StoredTurn) -> usize {
    [&turn.prompt, &turn.reply].into_iter().flatten().map(|text| tokens(text)).sum()
}

/// What the history may cost, when `context` is all that the model can read.
fn budget(context: usize, call: &GenerateCall, system: Option<&str>) -> usize {
    let asked =
        ["max_tokens", "max_completion_tokens"].into_iter().find_map(|name| call.parameters.get(name)?.as_u64());
    let reply = asked.and_then(|tokens| usize::try_from(tokens).ok()).unwrap_or(REPLY_TOKENS).min(context / 2);
    let prompt = tokens(&call.prompt) + call.images.len() * TOKENS_PER_IMAGE + system.map_or(0, tokens);
    context.saturating_sub(reply).saturating_sub(prompt)
}

impl Relay {
    /// The session that a call names. Its use is noted before the reply, which may take long: a session in use must not
    /// be cleared away as an idle one.
    pub(crate) async fn open_session(&self, user: UserId, id: SessionId) -> Result<Session, RelayError> {
        let session = self.0.config.store.sessions().get(user, id).await?;
        let session = session.ok_or_else(|| RelayError::SessionNotFound(id.to_string()))?;
        if session.status == SessionStatus::Closed {
            return Err(RelayError::SessionClosed);
        }
        let now = self.0.config.clock.now();
        if now.since(session.last_used_at) > NOTED_FOR {
            self.0.config.store.sessions().touch(user, id, now).await?;
        }
        Ok(session)
    }

    /// Reads as much of the session's end as `target` can read beside the call itself.
    pub(crate) async fn history(
        &self,
        call: &GenerateCall,
        target: &Target,
        session: Session,
    ) -> Result<SessionHistory, RelayError> {
        let user = call.subject.user;
        let context = self.context_tokens(user, target.provider, &target.model).await;
        let context = context.and_then(|tokens| usize::try_from(tokens).ok());
        let system = call.system_prompt.as_deref().or(session.system_prompt.as_deref());
        let mut left = context.map_or(usize::MAX, |context| budget(context, call, system));
        let mut before = call.replaces.map(|replaced| replaced.sequence);
        let mut turns = Vec::new();
        'pages: loop {
            let page = self.0.config.store.exchanges().turns(user, session.id, before, PAGE).await?;
            before = page.last().map(|turn| turn.sequence);
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for turn in page {
                let Some(rest) = left.checked_sub(tokens_of(&turn)) else { break 'pages };
                left = rest;
                turns.push(turn);
            }
            if is_last {
                break;
            }
        }
        turns.reverse();
        let stored = usize::try_from(session.exchange_count).unwrap_or(0);
        let earlier = stored.saturating_sub(usize::from(call.replaces.is_some()));
        let left_out = earlier.saturating_sub(turns.len());
        Ok(SessionHistory { session, turns, left_out })
    }
}
