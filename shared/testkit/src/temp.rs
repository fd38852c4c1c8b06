//! A folder that goes away with its owner.

use std::path::{Path, PathBuf};

/// A new empty folder, removed with all it holds when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("llm-api-test-{}", random_hex()));
        std::fs::create_dir(&path).expect("a folder for temporary files");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for TempDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Left-overs of a failed removal are the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// 16 random bytes in hex.
pub(crate) fn random_hex() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("randomness of the system");
    format!("{:032x}", u128::from_be_bytes(bytes))
}
