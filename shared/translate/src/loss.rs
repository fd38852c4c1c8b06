//! What a format cannot say: refused, or left out where everybody can see it. Never silently.

use crate::Format;

/// A request that its target cannot be given; a sentence for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsupported {
    /// The member at fault, by the sender's name for it.
    pub param: String,
    pub message: String,
}

/// A body that is no request of its format; a sentence for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// A path such as `messages.2.content.0.image_url.url`.
    pub param: Option<String>,
    pub message: String,
}

impl Malformed {
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), message: message.into() }
    }
}

/// What a provider sent that gives no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is the provider's error object.
    #[error("the provider answered with an error")]
    Provider,
    #[error("{0}")]
    OtherForm(&'static str),
    /// The provider's filter held the request itself back; its reason.
    #[error("the provider blocked the request: {0}")]
    Blocked(String),
}

/// What to do with a member that the target cannot be given, and that would have changed the reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnsupported {
    #[default]
    Refuse,
    /// Go on without it.
    Drop,
}

/// Keeps account of what a translation leaves out.
#[derive(Clone, Debug)]
pub struct Losses {
    target: Format,
    on_unsupported: OnUnsupported,
    dropped: Vec<String>,
}

impl Losses {
    pub fn new(target: Format, on_unsupported: OnUnsupported) -> Self {
        Self { target, on_unsupported, dropped: Vec::new() }
    }

    /// The target has no place for `param`, and its absence would change the reply: refused, unless the sender allowed
    /// to go on without it. `param` is the sender's name for it.
    pub fn cannot(&mut self, param: &str) -> Result<(), Unsupported> {
        match self.on_unsupported {
            OnUnsupported::Drop => {
                self.hint(param);
                Ok(())
            }
            OnUnsupported::Refuse => {
                let target = self.target.title();
                Err(self.never(param, &format!("{target} has nothing like it")))
            }
        }
    }

    /// As [`Losses::cannot`], with a reason of its own: half a sentence.
    pub fn cannot_because(&mut self, param: &str, reason: &str) -> Result<(), Unsupported> {
        match self.on_unsupported {
            OnUnsupported::Drop => {
                self.hint(param);
                Ok(())
            }
            OnUnsupported::Refuse => Err(self.never(param, reason)),
        }
    }

    /// The target cannot be kept to one call at a time. With a single tool that hardly matters: a hint.
    pub fn cannot_call_singly(&mut self, param: &str, tools: usize) -> Result<(), Unsupported> {
        if tools <= 1 {
            self.hint(param);
            return Ok(());
        }
        self.cannot_because(param, "the model cannot be kept to one call at a time")
    }

    /// Refused whatever the sender allows: without it the rest makes no sense.
    #[must_use]
    pub fn never(&self, param: &str, reason: &str) -> Unsupported {
        let message = format!("`{param}` cannot be sent to this model: {reason}.");
        Unsupported { param: param.to_owned(), message }
    }

    /// A hint that does not change what a reply says, or says it elsewhere: left out, and named to the sender.
    pub fn hint(&mut self, param: &str) {
        if !self.dropped.iter().any(|known| known == param) {
            self.dropped.push(param.to_owned());
        }
    }

    /// The members that were left out, by the sender's names.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }
}
