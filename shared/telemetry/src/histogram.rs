use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The upper bounds of a histogram's buckets, in microseconds, and in seconds as they are written.
pub(crate) type Bounds = &'static [(u64, &'static str)];

/// Answers of our own.
pub(crate) const REQUEST_BOUNDS: Bounds = &[
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (120_000_000, "120"),
];

/// Answers of providers: models take their time. The bounds that the semantic conventions for models advise.
pub(crate) const PROVIDER_BOUNDS: Bounds = &[
    (10_000, "0.01"),
    (20_000, "0.02"),
    (40_000, "0.04"),
    (80_000, "0.08"),
    (160_000, "0.16"),
    (320_000, "0.32"),
    (640_000, "0.64"),
    (1_280_000, "1.28"),
    (2_560_000, "2.56"),
    (5_120_000, "5.12"),
    (10_240_000, "10.24"),
    (20_480_000, "20.48"),
    (40_960_000, "40.96"),
    (81_920_000, "81.92"),
    (163_840_000, "163.84"),
    (655_360_000, "655.36"),
];

/// Counts durations by size.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: Bounds,
    /// One for each bound, and one for what is longer.
    buckets: Box<[AtomicU64]>,
    micros: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    /// What is written for a bound, and how many were not longer.
    pub(crate) up_to: Vec<(&'static str, u64)>,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
}

impl Histogram {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, micros: AtomicU64::new(0) }
    }

    pub(crate) fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds.iter().take_while(|(bound, _)| *bound < micros).count();
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Reading {
        let mut count = 0;
        let mut counts = self.buckets.iter().map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        });
        let up_to = self.bounds.iter().map(|(_, text)| *text).zip(counts.by_ref()).collect();
        let all = counts.next().unwrap_or_default();
        Reading { up_to, count: all, seconds: seconds(self.micros.load(Ordering::Relaxed)) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum in seconds need not be exact to the microsecond")]
pub(crate) fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_its_bucket_and_all_above() {
        let histogram = Histogram::new(REQUEST_BOUNDS);
        for millis in [5, 6, 700, 200_000] {
            histogram.note(Duration::from_millis(millis));
        }
        let reading = histogram.read();
        assert_eq!((reading.up_to[0], reading.up_to[1]), (("0.005", 1), ("0.01", 2)));
        assert_eq!((reading.up_to[7], reading.up_to.last()), (("1", 3), Some(&("120", 3))));
        assert_eq!(reading.count, 4);
        assert!((reading.seconds - 200.711).abs() < 1e-9, "{reading:?}");
    }

    #[test]
    fn bounds_grow_and_are_written_as_they_are() {
        for bounds in [REQUEST_BOUNDS, PROVIDER_BOUNDS] {
            assert!(bounds.is_sorted_by(|(a, _), (b, _)| a < b));
            assert!(
                bounds.iter().all(|(micros, text)| text
                    .parse::<f64>()
                    .is_ok_and(|bound| (bound - seconds(*micros)).abs() < 1e-9))
            );
        }
    }
}
