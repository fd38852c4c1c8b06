//! How many tokens a request has, about: for models whose provider cannot count.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{Media, Part, ReplyFormat, Request, Source, Tool};

/// Thousandths of a token for one ASCII character. Anthropic's glossary says that a token of Claude is about 3.5
/// characters of English; `OpenAI`'s help says 4 of its own. The smaller number errs to the safe side.
const ASCII: i64 = 1_000_000 / 3_500;
/// A letter of two bytes: Cyrillic, Greek, Arabic and Hebrew come to about two of them a token.
const TWO_BYTES: i64 = 500;
/// A character of three or four bytes: one of Chinese, Japanese or Korean, or an emoji, is about a token each.
const MORE_BYTES: i64 = 1_000;

/// Around each message: `OpenAI`'s cookbook counts 3 for its role and its ends; one more for a name or a join.
const MESSAGE: i64 = 4;
/// What opens the reply, by the same cookbook.
const REPLY: i64 = 3;
/// Around each tool, call and result: the words that frame its name.
const FRAME: i64 = 8;

/// Anthropic's guide to vision: an image has `width * height / 750` tokens, once it is made to fit into 1568 pixels a
/// side, and hardly more than 1600.
const PIXELS_A_TOKEN: i64 = 750;
const LONGEST_SIDE: i64 = 1_568;
const IMAGE: i64 = 1_600;

/// Anthropic's guide to PDFs: 1500 to 3000 tokens of text a page, and an image of it.
const PAGE: i64 = 2_250 + IMAGE;
/// Where the pages cannot be told, one is taken to have as many bytes.
const BYTES_A_PAGE: usize = 100_000;

/// About how many tokens the request has before its reply: an estimate from characters, and from the size of pictures
/// where they came along. It is not what a provider would bill, and may be off by a fifth for English, by more for code.
///
/// Thoughts are not counted: providers leave out those of earlier turns. Pictures and documents that stand elsewhere count
/// as a large picture and as a page.
pub fn estimate_tokens(request: &Request) -> i64 {
    let mut count = Count::default();
    request.system.iter().for_each(|part| count.part(part));
    for message in &request.messages {
        count.whole(MESSAGE);
        message.name.iter().for_each(|name| count.text(name));
        message.parts.iter().for_each(|part| count.part(part));
    }
    request.tools.iter().for_each(|tool| count.tool(tool));
    if let Some(ReplyFormat::JsonSchema { name: _, description, schema, strict: _ }) = &request.format {
        count.text(description.as_deref().unwrap_or_default());
        count.json(schema);
    }
    count.whole(REPLY);
    count.tokens()
}

/// Thousandths of tokens.
#[derive(Debug, Default)]
struct Count(i64);

impl Count {
    fn tokens(&self) -> i64 {
        self.0.saturating_add(999) / 1_000
    }

    fn whole(&mut self, tokens: i64) {
        self.0 = self.0.saturating_add(tokens.saturating_mul(1_000));
    }

    fn text(&mut self, text: &str) {
        let cost = |character: char| match character.len_utf8() {
            1 => ASCII,
            2 => TWO_BYTES,
            _ => MORE_BYTES,
        };
        self.0 = text.chars().map(cost).fold(self.0, i64::saturating_add);
    }

    fn json(&mut self, value: &Value) {
        self.text(&value.to_string());
    }

    fn tool(&mut self, tool: &Tool) {
        self.whole(FRAME);
        match tool {
            Tool::Function(function) => {
                self.text(&function.name);
                function.description.iter().for_each(|text| self.text(text));
                function.parameters.iter().for_each(|schema| self.json(schema));
            }
            Tool::Native(value) => self.json(value),
        }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text(text) => self.text(&text.text),
            Part::Refusal(text) => self.text(text),
            Part::Image(media) => self.whole(image(media)),
            Part::File(media) | Part::Audio(media) | Part::Video(media) => self.document(media),
            Part::Thinking(_) | Part::RedactedThinking(_) => {}
            Part::ToolCall(call) => {
                self.whole(FRAME);
                self.text(&call.name);
                self.text(&call.arguments);
            }
            Part::ToolResult(result) => {
                self.whole(FRAME);
                result.content.iter().for_each(|part| self.part(part));
            }
            Part::Native { format: _, value } => self.json(value),
        }
    }

    fn document(&mut self, media: &Media) {
        media.name.iter().for_each(|name| self.text(name));
        match &media.source {
            Source::Text(text) => self.text(text),
            Source::Url(_) | Source::Id { .. } => self.whole(PAGE),
            Source::Inline { media_type, data } => match STANDARD.decode(data) {
                Ok(bytes) if media_type.starts_with("text/") => self.text(&String::from_utf8_lossy(&bytes)),
                Ok(bytes) => self.whole(PAGE.saturating_mul(pages(&bytes))),
                Err(_) => self.whole(PAGE),
            },
        }
    }
}

/// The pages that a PDF names; where it hides them, by its length.
fn pages(document: &[u8]) -> i64 {
    let is_page = |rest: &[u8]| {
        let rest = rest.strip_prefix(b"/Type").map(<[u8]>::trim_ascii_start);
        let after = rest.and_then(|rest| rest.strip_prefix(b"/Page"));
        after.is_some_and(|after| after.first().is_none_or(|byte| !byte.is_ascii_alphabetic()))
    };
    let named = (0..document.len()).filter(|at| is_page(&document[*at..])).count();
    let count = if named > 0 { named } else { document.len().div_ceil(BYTES_A_PAGE).max(1) };
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn image(media: &Media) -> i64 {
    let Source::Inline { data, .. } = &media.source else { return IMAGE };
    // A JPEG may have much before its size; the first 64 KiB are whole groups of four letters.
    let head = data.get(..data.len().min(65_536)).unwrap_or_default();
    let Some((width, height)) = STANDARD.decode(head).ok().and_then(|bytes| size(&bytes)) else { return IMAGE };
    let longest = width.max(height).max(1);
    let fit = |side: i64| if longest > LONGEST_SIDE { side * LONGEST_SIDE / longest } else { side };
    (fit(width) * fit(height) / PIXELS_A_TOKEN).clamp(1, IMAGE)
}

/// Width and height, as the first bytes of a picture tell them.
fn size(bytes: &[u8]) -> Option<(i64, i64)> {
    let big = |at: usize| Some(i64::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)));
    let little = |at: usize| Some(i64::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let long = |at: usize| Some(i64::from(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)));
    if bytes.starts_with(b"\x89PNG") {
        return Some((long(16)?, long(20)?));
    }
    if bytes.starts_with(b"GIF8") {
        return Some((little(6)?, little(8)?));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return webp(bytes);
    }
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return None;
    }
    // JPEG: segments, each with its length, up to the one that starts the frame.
    let mut at = 2;
    loop {
        let kind = *bytes.get(at + 1)?;
        if (0xc0..=0xcf).contains(&kind) && !matches!(kind, 0xc4 | 0xc8 | 0xcc) {
            return Some((big(at + 7)?, big(at + 5)?));
        }
        at += 2 + usize::try_from(big(at + 2)?.max(2)).ok()?;
    }
}

fn webp(bytes: &[u8]) -> Option<(i64, i64)> {
    let byte = |at: usize| bytes.get(at).copied().map(i64::from);
    let pair = |at: usize| Some(byte(at)? | byte(at + 1)? << 8);
    match bytes.get(12..16)? {
        b"VP8X" => Some((1 + (pair(24)? | byte(26)? << 16), 1 + (pair(27)? | byte(29)? << 16))),
        b"VP8 " => Some((pair(26)? & 0x3fff, pair(28)? & 0x3fff)),
        b"VP8L" => {
            let bits = pair(21)? | pair(23)? << 16;
            Some((1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Message, Role};

    fn said(parts: Vec<Part>) -> i64 {
        let mut request = Request::new(Format::AnthropicMessages, "m");
        request.messages.push(Message { role: Role::User, name: None, parts: parts.into() });
        estimate_tokens(&request)
    }

    fn inline(media_type: &str, bytes: &[u8]) -> Media {
        Media::new(Source::Inline { media_type: media_type.to_owned(), data: STANDARD.encode(bytes) })
    }

    #[test]
    fn text_counts_by_its_characters() {
        let empty = said(Vec::new());
        assert_eq!(empty, MESSAGE + REPLY);
        // 35 ASCII characters are 10 tokens; 4 Cyrillic letters 2; 3 Chinese ones 3.
        assert_eq!(said(vec![Part::text("abcde fghij klmno pqrst uvwxyz 12345")]) - empty, 11);
        assert_eq!(said(vec![Part::text("мира")]) - empty, 2);
        assert_eq!(said(vec![Part::text("你好吗")]) - empty, 3);
    }

    #[test]
    fn pictures_count_by_their_size() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend(1_000_u32.to_be_bytes());
        png.extend(750_u32.to_be_bytes());
        assert_eq!(image(&inline("image/png", &png)), 1_000);
        let gif = b"GIF89a\x4b\x00\x64\x00".as_slice();
        assert_eq!(image(&inline("image/gif", gif)), 10);
        // An application's segment of 4 bytes comes before the frame.
        let jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 17, 8, 0, 150, 0, 100, 3];
        assert_eq!(image(&inline("image/jpeg", &jpeg)), 20);
        let webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xf3\x01\0\xf3\x01\0";
        assert_eq!(image(&inline("image/webp", webp)), 333);
        for unknown in [inline("image/png", b"no picture"), Media::new(Source::Url("https://example.com/a.png".into()))]
        {
            assert_eq!(image(&unknown), IMAGE);
        }
        // Larger than what the model looks at.
        let mut huge = png;
        huge[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(image(&inline("image/png", &huge)) <= IMAGE);
    }

    #[test]
    fn documents_count_by_their_pages() {
        let pdf = b"<</Type /Pages /Count 2>> <</Type/Page/Parent 1 0 R>> << /Type /Page >>";
        assert_eq!(pages(pdf), 2);
        assert_eq!(pages(&vec![0; BYTES_A_PAGE + 1]), 2);
        let text = inline("text/plain", "a".repeat(35).as_bytes());
        assert_eq!(said(vec![Part::File(text)]) - said(Vec::new()), 10);
    }
}
