//! Sealing of streams too large for memory, such as backups: AES-256-GCM in the STREAM construction, chunk by chunk.

use std::{
    error::Error,
    fmt,
    io::{self, Read, Write},
    iter,
};

use aead_stream::{Decryptor, Encryptor, StreamBE32};
use aes_gcm::Aes256Gcm;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    Vault,
    envelope::{COMMITMENT_LEN, DerivedKey, KEY_ID_LEN, expand},
    fill,
};

/// What every sealed stream begins with.
pub const STREAM_MAGIC: &[u8; 8] = b"LLM-API\x1a";

const VERSION: u8 = 1;
const SALT_LEN: usize = 32;
const HEADER_LEN: usize = STREAM_MAGIC.len() + 1 + KEY_ID_LEN + SALT_LEN + COMMITMENT_LEN;
const CHUNK: usize = 64 << 10;
const TAG_LEN: usize = 16;

/// The nonce's free part. A key seals one stream, so it may be the same for all.
const NONCE: [u8; 7] = [0; 7];

type Header = [u8; HEADER_LEN];

/// Why a stream does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("this is no sealed stream of llm-api")]
    NotSealed,
    #[error("it was sealed by a newer llm-api (format {0})")]
    Newer(u8),
    /// With the key's id, which is not secret.
    #[error("it is sealed with the encryption key of id {id}, which is not configured", id = Id(.0))]
    UnknownKey([u8; KEY_ID_LEN]),
    #[error("it is damaged or cut short")]
    Damaged,
}

struct Id<'a>(&'a [u8; KEY_ID_LEN]);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl StreamError {
    /// What a reader's error says about the stream, also where other readers have wrapped it; `None` where reading itself
    /// failed.
    pub fn of(error: &io::Error) -> Option<Self> {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(*found);
            }
            // The source of an I/O error is its inner error's source, and not that one itself.
            next = match error.downcast_ref::<io::Error>() {
                Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

impl Vault {
    /// Seals what is written, with the current key; [`SealedWriter::finish`] ends it. The format (`|` joins bytes; `prk` and
    /// `kid` are those of [`Vault`]):
    ///
    /// ```text
    /// salt    = 32 random bytes
    /// k       = HKDF-Expand(prk, "stream|" purpose "|" salt, 32)           the stream's AES-256-GCM key
    /// c       = HKDF-Expand(prk, "stream-commit|" purpose "|" salt, 32)    commitment to that key
    /// header  = "LLM-API" 0x1a | 0x01 | kid (4) | salt (32) | c (32)
    /// stream  = header | chunks: 64 KiB of text each, the last one 0 to 64 KiB, and each with its tag (16)
    /// nonce   = 7 zero bytes | number of the chunk as u32, big-endian | 0x01 for the last chunk, else 0x00
    /// aad     = header
    /// ```
    ///
    /// Chunks that are changed, missing, moved or added are found, and so is a missing end.
    pub fn seal_stream<W: Write>(&self, purpose: &'static str, mut out: W) -> io::Result<SealedWriter<W>> {
        let mut salt = [0; SALT_LEN];
        fill(&mut salt).map_err(io::Error::other)?;
        let (header, sealer) = sealer(self.current(), purpose, salt);
        out.write_all(&header)?;
        Ok(SealedWriter { out, header, sealer: Some(sealer), chunk: buffer() })
    }

    /// Opens what [`Vault::seal_stream`] made for the same purpose, with the current key or an old one. Reading gives only
    /// text of chunks that are as they were written, and an end only at the end; else it fails with a [`StreamError`].
    pub fn open_stream<R: Read>(&self, purpose: &'static str, mut input: R) -> io::Result<OpenedReader<R>> {
        let mut header = [0; HEADER_LEN];
        // A file of another kind may be shorter than our header.
        let got = read_full(&mut input, &mut header)?;
        if got < STREAM_MAGIC.len() || !header.starts_with(STREAM_MAGIC) {
            return Err(StreamError::NotSealed.into());
        }
        if got < HEADER_LEN {
            return Err(StreamError::Damaged.into());
        }
        let opener = self.opener(purpose, &header)?;
        let mut reader = OpenedReader { input, header, opener: Some(opener), ahead: buffer(), chunk: buffer(), at: 0 };
        reader.read_ahead()?;
        Ok(reader)
    }

    fn opener(&self, purpose: &str, header: &Header) -> Result<Opener, StreamError> {
        let rest = &header[STREAM_MAGIC.len()..];
        let (&version, rest) = rest.split_first().ok_or(StreamError::NotSealed)?;
        if version != VERSION {
            return Err(StreamError::Newer(version));
        }
        let (kid, rest) = rest.split_first_chunk().ok_or(StreamError::NotSealed)?;
        let (salt, commitment) = rest.split_first_chunk::<SALT_LEN>().ok_or(StreamError::NotSealed)?;
        let mut refusal = StreamError::UnknownKey(*kid);
        // Key ids are short: two master keys may share one, so the commitment decides.
        for key in iter::once(self.current()).chain(self.old()).filter(|key| key.kid == *kid) {
            if derive(key, b"stream-commit|", purpose, salt).ct_eq(commitment).into() {
                let key = derive(key, b"stream|", purpose, salt);
                return Ok(Opener::new((&*key).into(), (&NONCE).into()));
            }
            refusal = StreamError::Damaged;
        }
        Err(refusal)
    }
}

/// The id of the encryption key that a stream is sealed with, from its first bytes; `None` where these are none.
pub fn stream_key_id(start: &[u8]) -> Option<[u8; KEY_ID_LEN]> {
    start.strip_prefix(STREAM_MAGIC)?.split_first()?.1.first_chunk().copied()
}

type Sealer = Encryptor<Aes256Gcm, StreamBE32<Aes256Gcm>>;
type Opener = Decryptor<Aes256Gcm, StreamBE32<Aes256Gcm>>;

fn sealer(key: &DerivedKey, purpose: &str, salt: [u8; SALT_LEN]) -> (Header, Sealer) {
    let commitment = derive(key, b"stream-commit|", purpose, &salt);
    let mut header = [0; HEADER_LEN];
    let parts: [&[u8]; 5] = [STREAM_MAGIC, &[VERSION], &key.kid, &salt, commitment.as_slice()];
    for (place, byte) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    (header, Sealer::new((&*derive(key, b"stream|", purpose, &salt)).into(), (&NONCE).into()))
}

fn derive(key: &DerivedKey, label: &[u8], purpose: &str, salt: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    expand(&key.hkdf, &[label, purpose.as_bytes(), b"|", salt], derived.as_mut_slice());
    derived
}

/// One chunk of text and its tag, never moved while it is filled.
fn buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(CHUNK + TAG_LEN))
}

/// Seals what is written to it. Without [`SealedWriter::finish`] there is no end, and nobody will open it.
pub struct SealedWriter<W> {
    out: W,
    header: Header,
    /// `None` after a failure: what follows a lost chunk cannot be opened.
    sealer: Option<Sealer>,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> SealedWriter<W> {
    /// Writes the end; gives the writer back, which is not flushed.
    pub fn finish(mut self) -> io::Result<W> {
        let sealer = self.sealer.take().ok_or_else(broken)?;
        sealer.encrypt_last_in_place(&self.header, &mut *self.chunk).map_err(|_| broken())?;
        self.out.write_all(&self.chunk)?;
        Ok(self.out)
    }

    fn seal_chunk(&mut self) -> io::Result<()> {
        let mut sealer = self.sealer.take().ok_or_else(broken)?;
        sealer.encrypt_next_in_place(&self.header, &mut *self.chunk).map_err(|_| broken())?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        self.sealer = Some(sealer);
        Ok(())
    }
}

fn broken() -> io::Error {
    io::Error::other("the sealed stream cannot go on after a failure, or beyond 256 TiB")
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits until more comes: the last one is marked.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.seal_chunk()?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// What is no full chunk stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W> fmt::Debug for SealedWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedWriter(..)")
    }
}

/// Gives the text of a sealed stream.
pub struct OpenedReader<R> {
    input: R,
    header: Header,
    /// `None` after the last chunk.
    opener: Option<Opener>,
    /// The sealed chunk that comes next: only what follows it tells whether it is the last.
    ahead: Zeroizing<Vec<u8>>,
    chunk: Zeroizing<Vec<u8>>,
    at: usize,
}

impl<R: Read> OpenedReader<R> {
    fn read_ahead(&mut self) -> io::Result<()> {
        self.ahead.resize(CHUNK + TAG_LEN, 0);
        let got = read_full(&mut self.input, &mut self.ahead)?;
        self.ahead.truncate(got);
        Ok(())
    }

    /// Opens the next chunk into `chunk`.
    fn open_chunk(&mut self) -> io::Result<()> {
        let Some(mut opener) = self.opener.take() else { return Ok(()) };
        std::mem::swap(&mut self.chunk, &mut self.ahead);
        let is_full = self.chunk.len() == CHUNK + TAG_LEN;
        if is_full {
            self.read_ahead()?;
        } else {
            self.ahead.clear();
        }
        self.at = 0;
        let is_last = self.ahead.is_empty();
        let result = if is_last {
            opener.decrypt_last_in_place(&self.header, &mut *self.chunk)
        } else {
            let result = opener.decrypt_next_in_place(&self.header, &mut *self.chunk);
            self.opener = Some(opener);
            result
        };
        if result.is_err() {
            self.chunk.clear();
            self.opener = None;
            return Err(StreamError::Damaged.into());
        }
        Ok(())
    }
}

impl<R: Read> Read for OpenedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && self.opener.is_some() {
            self.open_chunk()?;
        }
        let taken = out.len().min(self.chunk.len() - self.at);
        out[..taken].copy_from_slice(&self.chunk[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

impl<R> fmt::Debug for OpenedReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedReader(..)")
    }
}

/// Fills `bytes` as far as there is input.
fn read_full(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match input.read(&mut bytes[got..]) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests;
