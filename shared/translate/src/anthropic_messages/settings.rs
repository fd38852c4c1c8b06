//! How tokens are drawn, and members that another format has of its own.

use serde_json::{Map, Value};

use super::{OWN, model::Model};
use crate::{Format, LogProbs, Losses, Member, Sampling, Unsupported, extra};

/// What the API allows beside each other.
pub(super) struct Writer<'a> {
    pub(super) origin: Format,
    pub(super) model: Model,
    pub(super) thinks: bool,
    pub(super) losses: &'a mut Losses,
}

impl Writer<'_> {
    pub(super) fn sampling(&mut self, sampling: Sampling, body: &mut Map<String, Value>) -> Result<(), Unsupported> {
        let Sampling { temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, seed, stop, logit_bias } =
            sampling;
        let is_not = |value: Option<f64>, none: f64| value.is_some_and(|value| (value - none).abs() > f64::EPSILON);
        for (member, is_wanted) in [
            (Member::MinP, is_not(min_p, 0.0)),
            (Member::FrequencyPenalty, is_not(frequency_penalty, 0.0)),
            (Member::PresencePenalty, is_not(presence_penalty, 0.0)),
            (Member::Seed, seed.is_some()),
            (Member::LogitBias, !logit_bias.is_empty()),
        ] {
            if is_wanted {
                self.losses.cannot(member.name(self.origin))?;
            }
        }
        let is_own = self.origin == OWN;
        if let Some(temperature) = temperature.filter(|_| is_own || is_not(temperature, 1.0))
            && self.takes(Member::Temperature, self.why_no_temperature(temperature))?
        {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(top_p) = top_p.filter(|_| is_own || is_not(top_p, 1.0))
            && self.takes(Member::TopP, self.why_no_top_p(top_p, body.contains_key("temperature")))?
        {
            body.insert("top_p".to_owned(), top_p.into());
        }
        // Others switch it off by a number below one.
        if let Some(top_k) = top_k.filter(|top_k| is_own || *top_k > 0)
            && self.takes(Member::TopK, self.why_no_top_k())?
        {
            body.insert("top_k".to_owned(), top_k.into());
        }
        self.stop(stop, body)
    }

    /// Whether it may be written; where there is a reason why not, that is a loss. What the sender said in our own format
    /// is the provider's to judge.
    fn takes(&mut self, member: Member, why_not: Option<&str>) -> Result<bool, Unsupported> {
        match why_not {
            Some(reason) if self.origin != OWN => {
                self.losses.cannot_because(member.name(self.origin), reason).map(|()| false)
            }
            _ => Ok(true),
        }
    }

    fn why_no_temperature(&self, temperature: f64) -> Option<&'static str> {
        if temperature > 1.0 {
            return Some("its temperatures end at 1");
        }
        if self.model.has_fixed_sampling() {
            return Some("it takes the temperature 1 alone");
        }
        self.thinks.then_some("a model that thinks takes the temperature 1 alone")
    }

    fn why_no_top_p(&self, top_p: f64, has_temperature: bool) -> Option<&'static str> {
        if self.model.has_fixed_sampling() && top_p < 0.99 {
            return Some("it takes none below 0.99");
        }
        if self.thinks && top_p < 0.95 {
            return Some("a model that thinks takes none below 0.95");
        }
        let is_one_too_many = has_temperature && self.model.takes_one_of_temperature_and_top_p();
        is_one_too_many.then_some("it takes a temperature or this, not both")
    }

    fn why_no_top_k(&self) -> Option<&'static str> {
        if self.model.has_fixed_sampling() {
            return Some("it takes none");
        }
        self.thinks.then_some("a model that thinks takes none")
    }

    fn stop(&mut self, mut stop: Vec<String>, body: &mut Map<String, Value>) -> Result<(), Unsupported> {
        if self.origin != OWN {
            stop.retain(|text| !text.is_empty());
            let all = stop.len();
            stop.retain(|text| !text.trim().is_empty());
            if stop.len() < all {
                let member = Member::Stop.name(self.origin);
                self.losses.cannot_because(member, "it does not stop at white space alone")?;
            }
        }
        if !stop.is_empty() {
            body.insert("stop_sequences".to_owned(), stop.into());
        }
        Ok(())
    }

    pub(super) fn counts(&mut self, logprobs: Option<LogProbs>, choices: Option<i64>) -> Result<(), Unsupported> {
        if logprobs.is_some() {
            self.losses.cannot(Member::Logprobs.name(self.origin))?;
        }
        if choices.is_some_and(|choices| choices != 1) {
            self.losses.cannot(Member::Choices.name(self.origin))?;
        }
        Ok(())
    }

    /// Members that only their own format knows.
    ///
    /// | member | from | becomes |
    /// |---|---|---|
    /// | any | this format | itself |
    /// | `thinking`, as this API has it | `OpenAI`'s | itself: Anthropic's own endpoint for `OpenAI`'s SDKs takes it so |
    /// | `safety_identifier` | `OpenAI`'s | `metadata.user_id`, where there is no `user` |
    /// | any other | another | what [`extra::leave_out`] makes of it |
    pub(super) fn extra(
        &mut self,
        extra: Map<String, Value>,
        body: &mut Map<String, Value>,
    ) -> Result<(), Unsupported> {
        for (name, value) in extra {
            if self.origin == OWN {
                extra::put_back(body, &name, value, self.losses);
            } else if name == "thinking" && is_thinking(&value) && !body.contains_key("thinking") {
                body.insert(name, value);
            } else {
                extra::leave_out(&name, &value, self.losses)?;
            }
        }
        Ok(())
    }
}

fn is_thinking(value: &Value) -> bool {
    match value.get("type").and_then(Value::as_str) {
        Some("enabled") => value.get("budget_tokens").is_some_and(Value::is_i64),
        Some("adaptive" | "disabled") => true,
        _ => false,
    }
}
