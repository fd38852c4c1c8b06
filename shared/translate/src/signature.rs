//! What a provider wants back as it gave it: the seal on a model's thoughts.

use crate::Format;

/// Opaque, and of use to the provider that made it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whose it is.
    pub format: Format,
    pub value: String,
}

/// Stands between the format's name and the value where a seal travels in another format's member. Base64 has no `#`.
const MARK: char = '#';

impl Signature {
    pub fn new(format: Format, value: impl Into<String>) -> Self {
        Self { format, value: value.into() }
    }

    /// As it is written into a member of `carrier`: a foreign one names its format, so that it is known when it comes
    /// back.
    pub fn written_in(&self, carrier: Format) -> String {
        if self.format == carrier { self.value.clone() } else { format!("{}{MARK}{}", self.format.name(), self.value) }
    }

    /// What stands in a member of `carrier`.
    pub fn read_from(carrier: Format, text: &str) -> Self {
        let foreign = text.split_once(MARK).and_then(|(name, value)| Some(Self::new(Format::of_name(name)?, value)));
        foreign.unwrap_or_else(|| Self::new(carrier, text))
    }

    /// The value, for the provider of `format`; nothing where it is somebody else's.
    pub fn for_format(&self, format: Format) -> Option<&str> {
        (self.format == format).then_some(self.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_travels_through_a_foreign_member() {
        for own in Format::ALL {
            for carrier in Format::ALL {
                let seal = Signature::new(own, "EqQB+/==");
                assert_eq!(Signature::read_from(carrier, &seal.written_in(carrier)), seal);
            }
        }
        let plain = Signature::read_from(Format::AnthropicMessages, "no-format#abc");
        assert_eq!(plain, Signature::new(Format::AnthropicMessages, "no-format#abc"));
    }
}
