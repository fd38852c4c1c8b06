//! Images that a user gave: as data URLs, whose declared type is often wrong, or as links.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::ConvertError;
use crate::sniff::image_type;

/// The field that the sender knows them by.
const FIELD: &str = "input.images";
/// Enough to tell what an image is, and a whole number of bytes.
const SNIFFED_CHARS: usize = 24;
/// For the beginning of a text, which may stop anywhere.
const BEGINNING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) enum Image<'c> {
    Inline {
        media_type: Cow<'c, str>,
        /// Base64.
        data: &'c str,
        /// The whole data URL where it says just that.
        as_given: Option<&'c str>,
    },
    Link(&'c str),
}

impl<'c> Image<'c> {
    /// As a URL whose type is right.
    pub(super) fn url(&self) -> Cow<'c, str> {
        match self {
            Self::Link(url) | Self::Inline { as_given: Some(url), .. } => Cow::Borrowed(url),
            Self::Inline { media_type, data, as_given: None } => Cow::Owned(format!("data:{media_type};base64,{data}")),
        }
    }
}

/// Reads the `number`th image of a conversation.
pub(super) fn read(url: &str, number: usize) -> Result<Image<'_>, ConvertError> {
    if starts_with(url, "https://") || starts_with(url, "http://") {
        return Ok(Image::Link(url));
    }
    inline(url).ok_or_else(|| {
        let form = "Give it as data:image/png;base64,… with the bytes of a PNG, JPEG, GIF or WebP image.";
        ConvertError::new(FIELD, format!("Image {number} is no image in base64. {form}"))
    })
}

fn inline(url: &str) -> Option<Image<'_>> {
    let (head, data) = starts_with(url, "data:").then(|| url.get(5..)?.split_once(','))??;
    let declared = head.get(..head.len().checked_sub(7)?).filter(|_| ends_with(head, ";base64"))?;
    let declared = declared.split(';').next().unwrap_or_default();
    if !is_base64(data) {
        return None;
    }
    let beginning = BEGINNING.decode(data.get(..SNIFFED_CHARS).unwrap_or(data)).ok()?;
    let media_type = match image_type(&beginning) {
        Some(known) => Cow::Borrowed(known),
        // A form that we cannot tell may still be one that the provider knows, but not one of those that we can tell.
        None if starts_with(declared, "image/") && !is_told_by_bytes(declared) => Cow::Borrowed(declared),
        None => return None,
    };
    let is_right = head.strip_suffix(";base64") == Some(&*media_type) && url.starts_with("data:");
    Some(Image::Inline { as_given: is_right.then_some(url), media_type, data })
}

fn is_told_by_bytes(media_type: &str) -> bool {
    ["image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp", "image/avif", "image/*"]
        .iter()
        .any(|told| told.eq_ignore_ascii_case(media_type))
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        && (padding == 0 || (padding <= 2 && text.len().is_multiple_of(4)))
        && digits.len() % 4 != 1
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn ends_with(text: &str, suffix: &str) -> bool {
    let start = text.len().checked_sub(suffix.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgo=";
    const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD";
    const WEBP: &str = "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoB";

    fn url(url: &str) -> Option<String> {
        read(url, 1).ok().map(|image| image.url().into_owned())
    }

    #[test]
    fn the_bytes_decide_what_an_image_is() {
        for (given, expected) in [
            (format!("data:image/png;base64,{PNG}"), format!("data:image/png;base64,{PNG}")),
            (format!("data:image/png;base64,{JPEG}"), format!("data:image/jpeg;base64,{JPEG}")),
            (format!("DATA:IMAGE/PNG;charset=x;BASE64,{WEBP}"), format!("data:image/webp;base64,{WEBP}")),
            (format!("data:;base64,{PNG}"), format!("data:image/png;base64,{PNG}")),
            (format!("data:application/octet-stream;base64,{JPEG}"), format!("data:image/jpeg;base64,{JPEG}")),
            ("data:image/svg+xml;base64,PHN2Zz4=".to_owned(), "data:image/svg+xml;base64,PHN2Zz4=".to_owned()),
        ] {
            assert_eq!(url(&given), Some(expected), "{given}");
        }
        let given = format!("data:image/png;base64,{PNG}");
        let read = read(&given, 1).expect("an image");
        assert!(matches!(read.url(), Cow::Borrowed(_)), "what is right is not copied");
    }

    #[test]
    fn links_are_left_alone() {
        for link in ["https://example.com/a.png", "HTTP://example.com/a"] {
            assert_eq!(url(link).as_deref(), Some(link));
        }
    }

    #[test]
    fn what_is_no_image_is_refused_by_name() {
        for given in [
            "",
            "hello",
            "data:",
            "data:image/png",
            "data:image/png,iVBORw0KGgo=",
            "data:image/png;base64,",
            "data:image/png;base64,aGVsbG8gd29ybGQ=",
            "data:image/jpeg;base64,AAAA",
            "data:text/plain;base64,aGVsbG8=",
            "data:image/svg+xml;base64,PHN2Zz4",
            "data:image/png;base64,iVBORw0KGg-_",
            "data:image/png;base64,iVBO Rw0K",
            "data:image/png;base64,iVBORw0KGgo===",
            "data:ä;base64,iVBORw0KGgo=",
            "file:///etc/passwd",
        ] {
            let refused = read(given, 3).err();
            if given.starts_with("data:image/svg") || given.starts_with("data:ä") {
                assert!(refused.is_none(), "{given}");
                continue;
            }
            let refused = refused.expect(given);
            assert_eq!(refused.parameter, "input.images");
            assert!(refused.message.starts_with("Image 3 is no image"), "{refused}");
        }
    }
}
