//! The data directory: private to its owner, and home of the encryption key that nobody set.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use llm_api_crypto::MasterKey;
use secrecy::{ExposeSecret as _, SecretString};

use crate::StartError;

pub(crate) const KEY_FILE: &str = "encryption.key";

/// Makes the directory when it is missing, readable by its owner alone.
pub(crate) fn create(path: &Path) -> Result<(), StartError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|source| StartError::DataDir { path: path.display().to_string(), source })
}

/// The key in `<data dir>/encryption.key`, when there is one.
pub(crate) fn encryption_key(data_dir: &Path) -> Result<Option<MasterKey>, StartError> {
    let path = data_dir.join(KEY_FILE);
    let text = read(&path).map_err(|source| StartError::DataDir { path: path.display().to_string(), source })?;
    text.map(|text| parse(&path, &text)).transpose()
}

/// Makes the key. Several processes may start at once: whoever is first makes it for all.
pub(crate) fn make_encryption_key(data_dir: &Path) -> Result<MasterKey, StartError> {
    create(data_dir)?;
    let path = data_dir.join(KEY_FILE);
    let failed = |source| StartError::DataDir { path: path.display().to_string(), source };
    let key = MasterKey::generate().map_err(|_| StartError::Random)?;
    match publish(data_dir, &path, &key.to_base64()) {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            encryption_key(data_dir)?.ok_or_else(|| failed(error))
        }
        Err(error) => Err(failed(error)),
    }
}

fn parse(path: &Path, text: &SecretString) -> Result<MasterKey, StartError> {
    MasterKey::parse(text.expose_secret().trim())
        .map_err(|reason| StartError::Key(format!("the key in {} cannot be used: {reason}", path.display())))
}

fn read(path: &Path) -> io::Result<Option<SecretString>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_string(&mut text).map(|_| Some(SecretString::from(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside and links into place: the file is whole or not there, and an existing one is never replaced.
fn publish(data_dir: &Path, path: &Path, key: &SecretString) -> io::Result<()> {
    let draft = Draft(data_dir.join(format!("{KEY_FILE}.{}", std::process::id())));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&draft.0)?;
    writeln!(file, "{}", key.expose_secret())?;
    file.sync_all()?;
    fs::hard_link(&draft.0, path)?;
    File::open(data_dir)?.sync_all()
}

struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = fs::remove_file(&self.0);
    }
}
