//! How many streams may be open: in all, and for one user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use llm_api_domain::UserId;

use crate::RelayError;

/// Counts open streams. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StreamLimits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    max_per_user: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_user: HashMap<UserId, usize>,
}

/// One open stream; gives its place back when dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    limits: StreamLimits,
    user: UserId,
}

impl StreamLimits {
    pub fn new(max: usize, max_per_user: usize) -> Self {
        Self(Arc::new(Inner { max, max_per_user, open: Mutex::default() }))
    }

    pub(crate) fn open(&self) -> usize {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    pub(crate) fn max(&self) -> usize {
        self.0.max
    }

    pub(crate) fn max_per_user(&self) -> usize {
        self.0.max_per_user
    }

    pub(crate) fn take(&self, user: UserId) -> Result<StreamPlace, RelayError> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.0.max {
            return Err(RelayError::ServerStreams);
        }
        let of_user = open.by_user.entry(user).or_default();
        if *of_user >= self.0.max_per_user {
            return Err(RelayError::UserStreams);
        }
        *of_user += 1;
        open.all += 1;
        Ok(StreamPlace { limits: self.clone(), user })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.limits.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(of_user) = open.by_user.get_mut(&self.user) {
            *of_user = of_user.saturating_sub(1);
            if *of_user == 0 {
                open.by_user.remove(&self.user);
            }
        }
    }
}
