//! What this process knows of the local models beside what their server tells: which are answering, which are being
//! loaded, and since when they are known to be in memory.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use llm_api_domain::Timestamp;

/// Callers make names up; more than this are not kept.
const MAX_ENTRIES: usize = 1000;

/// By full names. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book(Arc<Mutex<HashMap<String, Entry>>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// How many requests it answers now.
    pub(super) uses: u32,
    pub(super) loads: u32,
    /// Since when it is known to be in memory.
    pub(super) seen_at: Option<Timestamp>,
    pub(super) used_at: Option<Timestamp>,
}

impl Entry {
    const fn is_at_work(&self) -> bool {
        self.uses > 0 || self.loads > 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Answering,
    Loading,
}

/// A model at work; its work ends when this is dropped.
#[derive(Debug)]
#[must_use = "the model is known to be at work only as long as this lives"]
pub(crate) struct AtWork {
    book: Book,
    name: String,
    work: Work,
}

/// Ollama's full name of a model: without a tag it means `latest`.
pub(super) fn full_name(name: &str) -> Cow<'_, str> {
    let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { Cow::Borrowed(name) } else { Cow::Owned(format!("{name}:latest")) }
}

impl Book {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, name: &str, work: Work, change: impl FnOnce(&mut Entry)) -> AtWork {
        let name = full_name(name).into_owned();
        let mut entries = self.entries();
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, entry| entry.is_at_work());
        }
        change(entries.entry(name.clone()).or_default());
        AtWork { book: self.clone(), name, work }
    }

    /// A request goes to the model; its server loads it for that, unless it is loaded already.
    pub(crate) fn answering(&self, name: &str, now: Timestamp) -> AtWork {
        self.begin(name, Work::Answering, |entry| {
            entry.uses += 1;
            entry.used_at = Some(now);
            entry.seen_at.get_or_insert(now);
        })
    }

    /// The model is about to be loaded. Tells also whether nobody else loads it already.
    pub(super) fn loading(&self, name: &str) -> (AtWork, bool) {
        let mut is_first = false;
        let at_work = self.begin(name, Work::Loading, |entry| {
            is_first = entry.loads == 0;
            entry.loads += 1;
        });
        (at_work, is_first)
    }

    pub(super) fn of(&self, name: &str) -> Entry {
        self.entries().get(full_name(name).as_ref()).copied().unwrap_or_default()
    }

    /// The model has come into memory.
    pub(super) fn loaded(&self, name: &str, now: Timestamp) {
        self.entries().entry(full_name(name).into_owned()).or_default().seen_at = Some(now);
    }

    /// The model has left the memory.
    pub(super) fn unloaded(&self, name: &str) {
        if let Some(entry) = self.entries().get_mut(full_name(name).as_ref()) {
            entry.seen_at = None;
        }
    }

    /// Notes which models are in memory, and that all others are not.
    pub(super) fn see(&self, names: &[&str], now: Timestamp) -> Vec<Entry> {
        let names: Vec<_> = names.iter().map(|name| full_name(name)).collect();
        let mut entries = self.entries();
        entries.retain(|name, entry| {
            let is_here = names.iter().any(|here| here == name);
            if !is_here {
                entry.seen_at = None;
            }
            is_here || entry.is_at_work()
        });
        let seen = names.into_iter().map(|name| {
            let entry = entries.entry(name.into_owned()).or_default();
            entry.seen_at.get_or_insert(now);
            *entry
        });
        seen.collect()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(entry) = self.book.entries().get_mut(&self.name) {
            let count = match self.work {
                Work::Answering => &mut entry.uses,
                Work::Loading => &mut entry.loads,
            };
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);
    const LATER: Timestamp = Timestamp::from_micros(1_795_348_860_000_000);

    #[test]
    fn a_name_without_a_tag_means_the_latest() {
        assert_eq!(full_name("llama3"), "llama3:latest");
        assert_eq!(full_name("llama3:8b"), "llama3:8b");
        assert_eq!(full_name("localhost:5000/org/model"), "localhost:5000/org/model:latest");
        assert_eq!(full_name("hf.co/org/model:Q4_K_M"), "hf.co/org/model:Q4_K_M");
    }

    #[test]
    fn a_model_is_at_work_as_long_as_somebody_holds_it() {
        let book = Book::default();
        let first = book.answering("llama3", NOON);
        let second = book.answering("llama3:latest", LATER);
        let both = Entry { uses: 2, loads: 0, seen_at: Some(NOON), used_at: Some(LATER) };
        assert_eq!(book.of("llama3"), both);
        drop(first);
        assert_eq!(book.of("llama3"), Entry { uses: 1, ..both });
        drop(second);
        assert_eq!(book.of("llama3"), Entry { uses: 0, ..both });
    }

    #[test]
    fn only_the_first_of_those_who_load_has_to_do_it() {
        let book = Book::default();
        let (loading, is_first) = book.loading("llama3");
        assert!(is_first);
        assert!(!book.loading("llama3:latest").1);
        assert_eq!(book.of("llama3").loads, 1, "the second has given up");
        drop(loading);
        assert!(book.loading("llama3").1);
    }

    #[test]
    fn what_is_not_in_memory_any_more_is_forgotten() {
        let book = Book::default();
        assert_eq!(book.see(&["a", "b"], NOON).len(), 2);
        let held = book.answering("c", NOON);
        let seen = book.see(&["b:latest"], LATER);
        assert_eq!(seen, [Entry { seen_at: Some(NOON), ..Entry::default() }]);
        assert_eq!((book.of("a"), book.of("c").seen_at, book.of("c").uses), (Entry::default(), None, 1));
        drop(held);
        book.unloaded("b");
        assert_eq!(book.see(&["b"], LATER), [Entry { seen_at: Some(LATER), ..Entry::default() }]);
    }

    #[test]
    fn names_that_were_made_up_do_not_pile_up() {
        let book = Book::default();
        let held = book.answering("held", NOON);
        for number in 0..3 * MAX_ENTRIES {
            drop(book.answering(&format!("made-up-{number}"), NOON));
        }
        assert!(book.entries().len() <= MAX_ENTRIES);
        assert_eq!(book.of("held").uses, 1);
        drop(held);
    }
}
