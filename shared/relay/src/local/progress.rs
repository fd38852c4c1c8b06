//! How far a download is as a whole: Ollama tells it layer by layer.

use std::collections::HashMap;

use llm_api_upstream::PullProgress;

/// A model has a handful of layers.
const MAX_LAYERS: usize = 1000;
/// The check of what has come follows; 100 is for what is there.
const MOST: f64 = 99.0;

#[derive(Debug, Default)]
pub(super) struct Progress {
    /// By what Ollama says of it, which has the layer's digest: bytes that have come, and bytes in all.
    layers: HashMap<String, (i64, i64)>,
    percent: f64,
}

impl Progress {
    /// In percent, to one decimal place.
    pub(super) fn percent(&self) -> f64 {
        self.percent
    }

    /// Takes one step in, and tells how far the whole is. Layers become known one after the other, so the share of what
    /// has come can shrink: that is not shown.
    pub(super) fn note(&mut self, step: PullProgress) -> f64 {
        let Some(total) = step.total.filter(|total| *total > 0) else { return self.percent };
        if self.layers.len() < MAX_LAYERS || self.layers.contains_key(&step.status) {
            self.layers.insert(step.status, (step.completed.unwrap_or(0).min(total), total));
        }
        let (come, all) = self
            .layers
            .values()
            .fold((0_i64, 0_i64), |(come, all), layer| (come.saturating_add(layer.0), all.saturating_add(layer.1)));
        #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more")]
        let percent = come as f64 / all as f64 * 100.0;
        self.percent = self.percent.max((percent * 10.0).round() / 10.0).min(MOST);
        self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(digest: &str, completed: Option<i64>, total: Option<i64>) -> PullProgress {
        PullProgress { status: format!("pulling {digest}"), total, completed }
    }

    #[test]
    fn the_whole_is_told_from_its_layers_and_never_shrinks() {
        let mut progress = Progress::default();
        for (step, percent) in [
            (layer("manifest", None, None), 0.0),
            (layer("a", None, Some(800)), 0.0),
            (layer("a", Some(200), Some(800)), 25.0),
            (layer("a", Some(333), Some(800)), 41.6),
            (layer("a", Some(800), Some(800)), 99.0),
            (layer("b", Some(0), Some(800)), 99.0),
            (layer("b", Some(800), Some(800)), 99.0),
            (layer("c", Some(1), Some(0)), 99.0),
        ] {
            assert!((progress.note(step.clone()) - percent).abs() < f64::EPSILON, "{step:?}: {}", progress.percent());
        }
    }

    #[test]
    fn absurd_counts_do_no_harm() {
        let mut progress = Progress::default();
        for digest in ["a", "b", "c"] {
            let percent = progress.note(layer(digest, Some(i64::MAX), Some(i64::MAX)));
            assert!((percent - MOST).abs() < f64::EPSILON, "{percent}");
        }
        assert!(Progress::default().note(layer("a", Some(9), Some(3))) <= MOST);
    }
}
