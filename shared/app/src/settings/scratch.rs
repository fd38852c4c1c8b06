//! A folder that a test may fill and that goes when the test ends.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::Sources;

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("llm-api-app-{}-{number}", std::process::id()));
        // An aborted run with the same process number may have left one.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a fresh folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file below the folder and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("its folder");
        fs::write(&path, text).expect("a written file");
        path
    }

    pub(crate) fn sources(&self) -> Sources {
        Sources::new(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A failed test leaves its folder behind at worst.
        let _ = fs::remove_dir_all(&self.0);
    }
}
