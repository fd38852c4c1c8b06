//! Calls to providers.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use llm_api_domain::{ProviderId, TokenUsage};

use crate::{
    histogram::{Histogram, PROVIDER_BOUNDS},
    text::{Kind, Page},
};

/// The words of usage rows and replies for what a provider did wrong.
const KINDS: [&str; 10] = [
    "insufficient_quota",
    "provider_key_rejected",
    "provider_refused_request",
    "upstream_bad_response",
    "upstream_error",
    "upstream_interrupted",
    "upstream_rate_limited",
    "upstream_timeout",
    "upstream_unreachable",
    // What went wrong on our side of the call.
    "other",
];
const TOKENS: [&str; 4] = ["input", "output", "cached_input", "reasoning_output"];

/// How a call to a provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// With the word for programs.
    Failed(&'static str),
    /// The client left or cancelled, or the server stops.
    Cancelled,
}

impl Outcome {
    const NAMES: [&'static str; 3] = ["answered", "failed", "cancelled"];

    const fn place(self) -> usize {
        match self {
            Self::Answered => 0,
            Self::Failed(_) => 1,
            Self::Cancelled => 2,
        }
    }
}

/// One for each provider that was called.
#[derive(Debug, Default)]
pub(crate) struct Providers([OnceLock<Box<Calls>>; ProviderId::ALL.len()]);

#[derive(Debug)]
pub(crate) struct Calls {
    by_outcome: [AtomicU64; Outcome::NAMES.len()],
    by_kind: [AtomicU64; KINDS.len()],
    tokens: [AtomicU64; TOKENS.len()],
    /// Failed calls after which another model or provider was asked.
    stand_ins: AtomicU64,
    first_events: Histogram,
    times: Histogram,
}

impl Calls {
    fn new() -> Self {
        Self {
            by_outcome: Default::default(),
            by_kind: Default::default(),
            tokens: Default::default(),
            stand_ins: AtomicU64::new(0),
            first_events: Histogram::new(PROVIDER_BOUNDS),
            times: Histogram::new(PROVIDER_BOUNDS),
        }
    }

    pub(crate) fn first_event(&self, after: Duration) {
        self.first_events.note(after);
    }

    pub(crate) fn stand_in(&self) {
        self.stand_ins.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, outcome: Outcome, took: Duration, usage: &TokenUsage) {
        self.by_outcome[outcome.place()].fetch_add(1, Ordering::Relaxed);
        if let Outcome::Failed(code) = outcome {
            let kind = KINDS.iter().position(|kind| *kind == code).unwrap_or(KINDS.len() - 1);
            self.by_kind[kind].fetch_add(1, Ordering::Relaxed);
        }
        let counts = [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens];
        for (sum, count) in self.tokens.iter().zip(counts) {
            if let Some(count) = count.and_then(|count| u64::try_from(count).ok()) {
                sum.fetch_add(count, Ordering::Relaxed);
            }
        }
        self.times.note(took);
    }
}

impl Providers {
    pub(crate) fn of(&self, provider: ProviderId) -> &Calls {
        self.0[provider as usize].get_or_init(|| Box::new(Calls::new()))
    }

    fn called(&self) -> impl Iterator<Item = (&'static str, &Calls)> {
        ProviderId::ALL
            .into_iter()
            .filter_map(|provider| Some((provider.as_str(), &**self.0[provider as usize].get()?)))
    }

    pub(crate) fn write(&self, page: &mut Page) {
        self.counters(page, ("llm_api_provider_calls_total", "Calls to providers that have ended"), |calls| {
            ("outcome", &Outcome::NAMES, &calls.by_outcome)
        });
        self.counters(page, ("llm_api_provider_errors_total", "Calls to providers that failed, by reason"), |calls| {
            ("kind", &KINDS, &calls.by_kind)
        });
        let help = "Tokens that providers counted; cached_input is part of input, reasoning_output of output";
        self.counters(page, ("llm_api_tokens_total", help), |calls| ("kind", &TOKENS, &calls.tokens));

        let name = "llm_api_provider_fallbacks_total";
        page.family(name, Kind::Counter, "Failed calls after which another model or provider was asked");
        for (provider, calls) in self.called() {
            page.sample(name, &[("provider", provider)], calls.stand_ins.load(Ordering::Relaxed));
        }
        let name = "llm_api_provider_first_event_seconds";
        page.family(name, Kind::Histogram, "Time to the first event of a provider's stream, from asking");
        for (provider, calls) in self.called() {
            page.histogram(name, &[("provider", provider)], &calls.first_events);
        }
        let name = "llm_api_provider_call_duration_seconds";
        page.family(name, Kind::Histogram, "Time of a whole call to a provider, streams to their end");
        for (provider, calls) in self.called() {
            page.histogram(name, &[("provider", provider)], &calls.times);
        }
    }

    /// A family with one label beside the provider. What never happened is left out, but for the providers themselves.
    fn counters<const N: usize>(
        &self,
        page: &mut Page,
        (name, help): (&str, &str),
        counts: impl Fn(&Calls) -> (&'static str, &'static [&'static str; N], &[AtomicU64; N]),
    ) {
        page.family(name, Kind::Counter, help);
        for (provider, calls) in self.called() {
            let (label, values, counts) = counts(calls);
            for (value, count) in values.iter().zip(counts) {
                page.sample(name, &[("provider", provider), (label, value)], count.load(Ordering::Relaxed));
            }
        }
    }
}
