//! What a token may be used for. A closed list: an unknown scope is refused where a token is made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Generate, and list models.
    Generate,
    /// List, store and delete provider keys.
    ProviderKeys,
    /// Profile, password, tokens.
    Account,
    /// What administrators do; worth nothing to a user who is none.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Generate, Self::ProviderKeys, Self::Account, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::ProviderKeys => "provider_keys",
            Self::Account => "account",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of [`Scope::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or(UnknownScope)
    }
}

/// The scopes of one token. Empty means everything its user may do: so are all tokens of the old service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeSet(Vec<Scope>);

impl ScopeSet {
    pub fn new(mut scopes: Vec<Scope>) -> Self {
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }

    pub fn allows(&self, scope: Scope) -> bool {
        self.0.is_empty() || self.0.contains(&scope)
    }

    /// Whether a token with these scopes may make one with `child`'s: never a wider one.
    pub fn covers(&self, child: &Self) -> bool {
        self.0.is_empty() || (!child.0.is_empty() && child.0.iter().all(|scope| self.0.contains(scope)))
    }

    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_makes_a_wider_one() {
        let all = ScopeSet::default();
        let narrow = ScopeSet::new(vec![Scope::Generate, Scope::Account]);
        let narrower = ScopeSet::new(vec![Scope::Generate]);
        assert!(all.covers(&narrow) && all.covers(&all) && narrow.covers(&narrower));
        assert!(!narrow.covers(&all) && !narrower.covers(&narrow));
        assert!(narrow.allows(Scope::Generate) && !narrow.allows(Scope::Admin) && all.allows(Scope::Admin));
    }
}
