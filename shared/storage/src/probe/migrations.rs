//! How far a database has come, compared with this program.

use sqlx::migrate::Migrator;

/// What the table of migrations says. Versions of ours count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// No table of ours.
    Empty,
    Current {
        version: i64,
    },
    /// The names of those that are missing.
    Behind {
        missing: Vec<String>,
    },
    /// Written by a newer program, or by another one altogether.
    Unknown {
        version: i64,
    },
    /// Not the one that this program was built with.
    Changed {
        version: i64,
    },
    /// It began and did not end.
    Unfinished {
        version: i64,
    },
}

/// A row of the table of migrations: version, checksum, success.
pub(super) type Applied = (i64, Vec<u8>, bool);

impl MigrationState {
    pub(super) fn of(applied: &[Applied], migrator: &Migrator) -> Self {
        for (version, checksum, success) in applied {
            let version = *version;
            match migrator.iter().find(|known| known.version == version) {
                None => return Self::Unknown { version },
                Some(_) if !success => return Self::Unfinished { version },
                Some(known) if known.checksum.as_ref() != checksum.as_slice() => return Self::Changed { version },
                Some(_) => {}
            }
        }
        let is_missing = |version: i64| !applied.iter().any(|(known, ..)| *known == version);
        let missing = migrator.iter().filter(|known| is_missing(known.version));
        let missing: Vec<String> = missing.map(|known| format!("{:04} {}", known.version, known.description)).collect();
        match applied.last() {
            None => Self::Empty,
            Some((version, ..)) if missing.is_empty() => Self::Current { version: *version },
            Some(_) => Self::Behind { missing },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::SQLITE;

    fn applied() -> Vec<Applied> {
        SQLITE.iter().map(|known| (known.version, known.checksum.to_vec(), true)).collect()
    }

    #[test]
    fn every_difference_is_told_apart() {
        let all = applied();
        let newest = all[all.len() - 1].0;
        let state = |rows: &[Applied]| MigrationState::of(rows, &SQLITE);
        assert_eq!(state(&[]), MigrationState::Empty);
        assert_eq!(state(&all), MigrationState::Current { version: newest });
        assert_eq!(state(&all[..1]).missing(), all.len() - 1);
        let mut newer = all.clone();
        newer.push((newest + 1, Vec::new(), true));
        assert_eq!(state(&newer), MigrationState::Unknown { version: newest + 1 });
        let mut changed = all.clone();
        changed[2].1[0] ^= 1;
        assert_eq!(state(&changed), MigrationState::Changed { version: 3 });
        let mut cut = all;
        cut[4].2 = false;
        assert_eq!(state(&cut), MigrationState::Unfinished { version: 5 });
    }

    impl MigrationState {
        fn missing(&self) -> usize {
            match self {
                Self::Behind { missing } => missing.len(),
                other => panic!("not behind: {other:?}"),
            }
        }
    }
}
