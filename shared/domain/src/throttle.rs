//! GCRA: a rate limit whose whole state is one moment, so memory and SQL can hold it alike.

use std::time::Duration;

use crate::Timestamp;

/// `burst` at once, then one every `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub burst: u32,
    pub interval: Duration,
}

/// The answer for one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed; `next` is the state to keep when the attempt counts.
    Allow { next: Timestamp },
    /// Refused until `after` has passed.
    Deny { after: Duration },
}

impl Rate {
    /// Judges an attempt at `now` against the kept state (`None` before the first one).
    pub fn check(self, state: Option<Timestamp>, now: Timestamp) -> Verdict {
        let earliest = state.map_or(now, |state| state.max(now));
        let next = earliest + self.interval;
        let allowed_from = next - self.interval * self.burst;
        if allowed_from <= now { Verdict::Allow { next } } else { Verdict::Deny { after: allowed_from.since(now) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_the_burst_then_one_per_interval() {
        let rate = Rate { burst: 3, interval: Duration::from_secs(6) };
        let start = Timestamp::from_micros(1_000_000_000);
        let mut state = None;
        for _ in 0..3 {
            let Verdict::Allow { next } = rate.check(state, start) else { panic!("within the burst") };
            state = Some(next);
        }
        assert_eq!(rate.check(state, start), Verdict::Deny { after: Duration::from_secs(6) });
        let later = start + Duration::from_secs(6);
        let Verdict::Allow { next } = rate.check(state, later) else { panic!("one interval later") };
        assert!(matches!(rate.check(Some(next), later), Verdict::Deny { .. }));
        assert!(matches!(rate.check(state, start + Duration::from_secs(3600)), Verdict::Allow { .. }));
    }
}
