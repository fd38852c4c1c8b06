//! What is publicly known of models: limits, prices, what they take and make.
//!
//! The facts stand in `models.tsv`, a pinned part of a public data set (`NOTICE` names it, `refresh` makes it). A look-up
//! searches the text itself: nothing is parsed at start, nothing is kept. What the source does not say is `None`.

use std::cmp::Ordering;

use llm_api_domain::{Modality, ProviderId};

/// One model a line, sorted by provider and model; lines with `#` come first.
const MODELS: &str = include_str!("../models.tsv");

/// What is known of one model. Prices are in micro-dollars per million tokens, as the provider lists them for ordinary
/// calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the model makes.
    pub modality: Modality,
    /// The longest prompt that the model takes, in tokens.
    pub context_tokens: Option<i64>,
    /// The longest reply, in tokens.
    pub max_output_tokens: Option<i64>,
    pub input_price: Option<i64>,
    /// For image models: of the tokens that the images are made of.
    pub output_price: Option<i64>,
    /// For the part of a prompt that the provider reads from its cache.
    pub cached_input_price: Option<i64>,
    /// Whether it takes images.
    pub vision: Option<bool>,
    pub tools: Option<bool>,
    /// The day on which the provider means to switch it off, `YYYY-MM-DD`; may be past.
    pub deprecated_on: Option<&'static str>,
}

/// The facts of `model`, the id by which the provider's own API takes it.
///
/// No name is guessed: a snapshot with a date and the `-latest` beside it may differ in price and limits. Only two
/// forms are taken for another, as the providers document them: Google's `models/ID` is `ID`, and `OpenAI`'s fine-tuned
/// `ft:BASE:…` is `ft:BASE`.
pub fn find(provider: ProviderId, model: &str) -> Option<Facts> {
    let model = match provider {
        ProviderId::Google => model.strip_prefix("models/").unwrap_or(model),
        ProviderId::Openai => fine_tuned_base(model).unwrap_or(model),
        _ => model,
    };
    let (_, facts) = from(MODELS, provider, model).next()?.filter(|(found, _)| *found == model)?;
    Some(facts)
}

/// All models of a provider that are known, by their ids in order.
pub fn of_provider(provider: ProviderId) -> impl Iterator<Item = (&'static str, Facts)> {
    from(MODELS, provider, "").flatten()
}

/// `ft:gpt-4o-2024-08-06` of `ft:gpt-4o-2024-08-06:my-org::id`.
fn fine_tuned_base(model: &str) -> Option<&str> {
    let base = model.strip_prefix("ft:")?.split(':').next()?;
    model.get(.."ft:".len() + base.len())
}

/// A provider's models from `model` on; `None` for a line that is none.
fn from(
    text: &'static str,
    provider: ProviderId,
    model: &str,
) -> impl Iterator<Item = Option<(&'static str, Facts)>> + use<> {
    let start = lower_bound(text, (provider.as_str(), model));
    let of_provider = move |line: &&str| line.split('\t').next() == Some(provider.as_str());
    text.get(start..).unwrap_or_default().lines().take_while(of_provider).map(parse)
}

/// Where the first line stands whose key is not less than `key`.
fn lower_bound(text: &str, key: (&str, &str)) -> usize {
    // Both are always the beginning of a line, or the end of the text.
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = text.get(low..middle).and_then(|before| before.rfind('\n')).map_or(low, |at| low + at + 1);
        let rest = text.get(start..high).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        if key_of(line).cmp(&key) == Ordering::Less {
            low = (start + line.len() + 1).min(high);
        } else {
            high = start;
        }
    }
    low
}

fn key_of(line: &str) -> (&str, &str) {
    let mut cells = line.split('\t');
    (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
}

fn parse(line: &'static str) -> Option<(&'static str, Facts)> {
    let mut cells = line.split('\t').skip(1);
    let model = cells.next()?;
    let modality = Modality::from_text(cells.next()?)?;
    let mut number = || cells.next()?.parse().ok();
    let (context_tokens, max_output_tokens) = (number(), number());
    let (input_price, output_price, cached_input_price) = (number(), number(), number());
    let mut flag = || match cells.next()? {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    };
    let (vision, tools) = (flag(), flag());
    let deprecated_on = cells.next().filter(|day| !day.is_empty());
    let facts = Facts {
        modality,
        context_tokens,
        max_output_tokens,
        input_price,
        output_price,
        cached_input_price,
        vision,
        tools,
        deprecated_on,
    };
    Some((model, facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> impl Iterator<Item = &'static str> {
        MODELS.lines().filter(|line| !line.starts_with('#'))
    }

    #[test]
    fn every_line_is_a_model_of_a_provider_we_know() {
        for line in lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            let [provider, model, _, numbers @ .., vision, tools, day] = cells.as_slice() else { panic!("{line}") };
            assert!(provider.parse::<ProviderId>().is_ok() && !model.is_empty(), "{line}");
            assert_eq!(numbers.len(), 5, "{line}");
            assert!(numbers.iter().all(|number| number.is_empty() || number.parse::<i64>().is_ok()), "{line}");
            assert!([vision, tools].iter().all(|flag| ["", "0", "1"].contains(flag)), "{line}");
            assert!(day.is_empty() || day.len() == "2026-11-22".len(), "{line}");
            let (parsed, facts) = parse(line).expect("a model");
            assert_eq!(parsed, *model);
            assert!(![facts.context_tokens, facts.max_output_tokens].contains(&Some(0)), "{line}");
            if !model.ends_with(":free") {
                let all = [facts.input_price, facts.output_price, facts.cached_input_price];
                assert!(all.iter().all(Option::is_none) || all.iter().flatten().any(|price| *price > 0), "{line}");
            }
        }
        assert!(lines().count() > 800);
    }

    #[test]
    fn the_file_is_sorted_without_duplicates() {
        let keys: Vec<_> = lines().map(key_of).collect();
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?}");
        }
        let heads = MODELS.lines().take_while(|line| line.starts_with('#')).count();
        assert_eq!(MODELS.lines().skip(heads).filter(|line| line.starts_with('#')).count(), 0);
        assert!(MODELS.is_ascii() && MODELS.ends_with('\n'));
    }

    #[test]
    fn every_model_is_found_and_listed_once() {
        let mut listed = 0;
        for provider in ProviderId::ALL {
            for (model, facts) in of_provider(provider) {
                assert_eq!(from(MODELS, provider, model).next(), Some(Some((model, facts))), "{provider} {model}");
                listed += 1;
            }
        }
        assert_eq!(listed, lines().count());
    }

    #[test]
    fn well_known_models_have_sane_facts() {
        let gpt = find(ProviderId::Openai, "gpt-4o").expect("known");
        assert_eq!((gpt.modality, gpt.vision, gpt.tools), (Modality::Text, Some(true), Some(true)));
        assert_eq!((gpt.context_tokens, gpt.max_output_tokens), (Some(128_000), Some(16_384)));
        let prices = (gpt.input_price, gpt.output_price, gpt.cached_input_price);
        assert_eq!(prices, (Some(2_500_000), Some(10_000_000), Some(1_250_000)));
        for (provider, model, least) in [
            (ProviderId::Anthropic, "claude-haiku-4-5-20251001", 200_000),
            (ProviderId::Google, "gemini-2.5-flash", 1_000_000),
            (ProviderId::Google, "models/gemini-2.5-pro", 1_000_000),
            (ProviderId::Deepseek, "deepseek-chat", 64_000),
            (ProviderId::Groq, "openai/gpt-oss-120b", 128_000),
            (ProviderId::Xai, "grok-4.3", 128_000),
            (ProviderId::Mistral, "mistral-large-latest", 128_000),
            (ProviderId::Together, "openai/gpt-oss-120b", 128_000),
            (ProviderId::Fireworks, "accounts/fireworks/models/gpt-oss-120b", 128_000),
            (ProviderId::Azure, "gpt-4o-mini", 128_000),
        ] {
            let facts = find(provider, model).unwrap_or_else(|| panic!("{provider} {model}"));
            assert!(facts.context_tokens.is_some_and(|tokens| tokens >= least), "{model} {facts:?}");
            let price = facts.input_price.zip(facts.output_price);
            assert!(price.is_some_and(|(input, output)| 10_000 < input && input <= output), "{model} {facts:?}");
            assert!(facts.output_price < Some(100_000_000), "{model}");
        }
        let image = find(ProviderId::Openai, "gpt-image-1").expect("known");
        assert_eq!((image.modality, image.context_tokens, image.vision), (Modality::Image, None, None));
        assert_eq!(
            find(ProviderId::Deepseek, "deepseek-chat").and_then(|facts| facts.deprecated_on),
            Some("2026-07-24")
        );
    }

    #[test]
    fn names_are_not_guessed() {
        for model in ["", "gpt", "gpt-4o-2099-01-01", "gpt-4o-latest", "GPT-4O", "gpt-4o\ttext", "zzz", "models/gpt-4o"]
        {
            assert_eq!(find(ProviderId::Openai, model), None, "{model}");
        }
        assert_eq!(find(ProviderId::Local, "gpt-4o"), None);
        assert_eq!(of_provider(ProviderId::Other).count(), 0);
        let base = find(ProviderId::Openai, "ft:gpt-4o-2024-08-06");
        assert!(base.is_some());
        assert_eq!(find(ProviderId::Openai, "ft:gpt-4o-2024-08-06:my-org::AbC"), base);
        assert_eq!(find(ProviderId::Openai, "ft:nothing:my-org::AbC"), None);
    }

    #[test]
    fn the_search_ends_at_every_edge_of_a_text() {
        const TEXT: &str = "# head\nanthropic\tb\ttext\nopenai\ta\ttext\nopenai\tc\timage\n";
        let at =
            |provider, model| TEXT.get(lower_bound(TEXT, (provider, model))..).and_then(|rest| rest.lines().next());
        assert_eq!(at("aaa", ""), Some("anthropic\tb\ttext"));
        assert_eq!(at("openai", "a"), Some("openai\ta\ttext"));
        assert_eq!(at("openai", "b"), Some("openai\tc\timage"));
        assert_eq!(at("openai", "d"), None);
        assert_eq!(lower_bound("", ("a", "b")), 0);
    }
}
