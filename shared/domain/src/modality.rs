use std::fmt;

use serde::{Deserialize, Serialize};

/// What a request asks to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    Text,
    Image,
    #[serde(rename = "3d")]
    ThreeD,
}

impl Modality {
    pub const ALL: [Self; 3] = [Self::Text, Self::Image, Self::ThreeD];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::ThreeD => "3d",
        }
    }

    /// The modality that `as_str` writes as `text`.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|modality| modality.as_str() == text)
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
