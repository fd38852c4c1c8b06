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

/// So many losses are told by their path; those after them by their like alone, such as `messages.*.name`: a long
/// conversation can lose the same in each of its messages, and all of it must fit into a header.
const MOST_PATHS: usize = 48;
const MOST_NAMES: usize = 96;
const AND_MORE: &str = "...";

const LONGEST_NAME: usize = 200;

/// As a header can hold it: members that nobody knows may have any name.
pub(crate) fn printable(path: &str) -> String {
    let letters = path.chars().take(LONGEST_NAME);
    letters.fold(String::new(), |mut text, letter| {
        if matches!(letter, ' '..='~') {
            text.push(letter);
        } else {
            text.extend(letter.escape_unicode());
        }
        text
    })
}

/// A path without the places in its lists.
fn shape(path: &str) -> String {
    let steps = path.split('.').map(|step| if step.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { step });
    steps.collect::<Vec<_>>().join(".")
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
        let count = self.dropped.len();
        let path = printable(param);
        let name = match count {
            ..MOST_PATHS => path.clone(),
            MOST_PATHS..MOST_NAMES => shape(&path),
            _ => return,
        };
        if self.dropped.iter().any(|known| *known == path || *known == name) {
            return;
        }
        self.dropped.push(if count == MOST_NAMES - 1 { AND_MORE.to_owned() } else { name });
    }

    /// The name of one of several participants, in the message at `item`.
    pub(crate) fn hint_name(&mut self, item: Option<&str>) {
        self.hint(&format!("{}.name", item.unwrap_or("messages")));
    }

    /// The sources of a text at `place`: of what was said once, and no part of what is asked.
    pub(crate) fn hint_sources(&mut self, place: &str, origin: Format) {
        let path = match origin {
            Format::AnthropicMessages => format!("{place}.citations"),
            // They stand beside the content.
            Format::OpenaiChat => format!("{}.annotations", place.split(".content").next().unwrap_or(place)),
            _ => format!("{place}.annotations"),
        };
        self.hint(&path);
    }

    /// The members that were left out, by the sender's names; no more than a header can hold.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_fits_into_a_header() {
        let mut losses = Losses::new(Format::OpenaiChat, OnUnsupported::Refuse);
        losses.hint("größe\n");
        losses.hint(&"x".repeat(1_000_000));
        assert_eq!(losses.dropped()[0], "gr\\u{f6}\\u{df}e\\u{a}");
        assert_eq!(losses.dropped()[1].len(), LONGEST_NAME);
    }

    #[test]
    fn the_list_of_losses_is_bounded() {
        let mut losses = Losses::new(Format::OpenaiChat, OnUnsupported::Refuse);
        for _ in 0..2 {
            for at in 0..1_000 {
                losses.hint(&format!("messages.{at}.name"));
                losses.hint(&format!("messages.{at}.content.{at}.citations"));
            }
            losses.hint("seed");
        }
        assert_eq!(losses.dropped()[..2], ["messages.0.name", "messages.0.content.0.citations"]);
        assert_eq!(losses.dropped()[MOST_PATHS..], ["messages.*.name", "messages.*.content.*.citations", "seed"]);
        for at in 0..1_000 {
            losses.hint(&format!("x{at}"));
        }
        assert_eq!(losses.dropped().len(), MOST_NAMES);
        assert_eq!(losses.dropped().last().map(String::as_str), Some(AND_MORE));
    }
}
