//! What the deployment offers, and which of it to generate with.

use std::future::ready;

use serde_json::{Value, json};

use super::{
    report::{Problem, Step, failed, skipped},
    run::{Run, step},
};

/// The model to generate with.
pub(super) struct Model {
    /// With its provider in front, where it is known.
    pub(super) name: String,
}

pub(super) async fn run(run: &mut Run) -> Option<Model> {
    let models = step!(run, "models", list(run));
    let model = step!(run, "model to use", ready(choose(run, models.as_deref())));
    step!(run, "default model", default(run, models.as_deref(), model.as_ref()));
    model
}

async fn read(run: &Run) -> Result<Vec<Value>, Problem> {
    let token = run.token()?;
    let list = run.ask_json(run.client.get("/v1/models").bearer(&token), 200).await?;
    match list["models"].as_array() {
        Some(models) => Ok(models.clone()),
        None => failed("the reply holds no list of models"),
    }
}

async fn list(run: &Run) -> Step<Vec<Value>> {
    let models = read(run).await?;
    let open = models.iter().filter(|model| is_open(model)).count();
    let said = format!("{} listed, {open} of them to be used", models.len());
    Ok((models, said))
}

fn is_open(model: &Value) -> bool {
    model["availability"]["access"] == "available"
}

/// `provider:id`.
fn full_name(model: &Value) -> String {
    let (provider, id) = (model["provider"].as_str().unwrap_or_default(), model["id"].as_str().unwrap_or_default());
    match id.strip_prefix(provider).is_some_and(|rest| rest.starts_with(':')) {
        true => id.to_owned(),
        false => format!("{provider}:{id}"),
    }
}

fn choose(run: &Run, models: Option<&[Value]>) -> Step<Model> {
    if !run.options.generates {
        return skipped("--without-generation");
    }
    run.token()?;
    let wanted = run.options.provider.as_deref();
    if let Some(name) = &run.options.model {
        let name = match wanted {
            Some(provider) if !name.starts_with(&format!("{provider}:")) => format!("{provider}:{name}"),
            _ => name.clone(),
        };
        return Ok((Model { name: name.clone() }, name));
    }
    let Some(models) = models else { return skipped("there is no list to choose from; --model names one") };
    if let Some(name) = best(models, wanted) {
        return Ok((Model { name: name.clone() }, name));
    }
    let of = wanted.map(|provider| format!(" of {provider}")).unwrap_or_default();
    failed(format!(
        "no text model{of} can be used by this account: give --provider and --provider-key-file, set a provider's key or \
         a local server on the deployment, or add --without-generation"
    ))
}

/// The default model, else the cheapest of known price, else the first.
fn best(models: &[Value], provider: Option<&str>) -> Option<String> {
    let usable = |model: &&Value| {
        is_open(model)
            && model["modality"] == "text"
            && provider.is_none_or(|provider| model["provider"].as_str() == Some(provider))
    };
    let price = |model: &&Value| {
        let price = |name: &str| model["pricing"][name].as_i64().filter(|price| *price > 0);
        price("output_micros_per_million_tokens").or(price("input_micros_per_million_tokens"))
    };
    let usable: Vec<&Value> = models.iter().filter(usable).collect();
    let default = usable.iter().find(|model| model["is_default"] == true);
    let cheapest = || usable.iter().filter(|model| price(model).is_some()).min_by_key(|model| price(model));
    default.or_else(cheapest).or(usable.first()).map(|model| full_name(model))
}

/// In an account of the run's own the default is set and seen; elsewhere nothing is changed.
async fn default(run: &Run, models: Option<&[Value]>, model: Option<&Model>) -> Step<()> {
    let token = run.token()?;
    let Some(models) = models else { return skipped("there is no list of models") };
    let is_default = |model: &&Value| model["is_default"] == true && model["modality"] == "text";
    let find = |models: &[Value]| models.iter().find(is_default).cloned();
    let listed = model.filter(|model| models.iter().any(|listed| full_name(listed) == model.name));
    let Some(model) = listed.filter(|_| run.is_own_account) else {
        return Ok(((), of_everybody(find(models).as_ref())));
    };
    let path = format!("/v1/models/{}/default?scope=user", in_path(&model.name));
    let set = run.ask_json(run.client.post(&path).bearer(&token).json(&json!({})), 200).await?;
    if set["is_default"] != true {
        return failed("a default was set, and the reply does not say so");
    }
    match find(&read(run).await?).as_ref().map(full_name) {
        Some(name) if name == model.name => Ok(((), format!("{name}, for this account"))),
        Some(other) => failed(format!("{} was set for this account, and the list says {other}", model.name)),
        None => failed(format!("{} was set for this account, and the list has no default", model.name)),
    }
}

fn of_everybody(default: Option<&Value>) -> String {
    match default {
        Some(model) if is_open(model) => full_name(model),
        Some(model) => format!("{}, which this account has no key for", full_name(model)),
        None => "none of the listed models is it".to_owned(),
    }
}

/// Slashes and colons may stand in a path; what would end it may not.
fn in_path(id: &str) -> String {
    id.replace('%', "%25").replace('?', "%3F").replace('#', "%23").replace(' ', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, provider: &str, price: Option<i64>) -> Value {
        json!({
            "id": id, "provider": provider, "modality": "text", "is_default": false,
            "availability": { "access": "available" }, "pricing": { "output_micros_per_million_tokens": price },
        })
    }

    #[test]
    fn the_default_is_used_then_the_cheapest_then_the_first() {
        let mut models =
            vec![model("big", "openai", Some(9)), model("small", "openai", Some(1)), model("a:b", "groq", None)];
        assert_eq!(best(&models, None).as_deref(), Some("openai:small"));
        assert_eq!(best(&models, Some("groq")).as_deref(), Some("groq:a:b"));
        assert_eq!(best(&models, Some("xai")), None);
        models[0]["is_default"] = true.into();
        assert_eq!(best(&models, None).as_deref(), Some("openai:big"));
        models[0]["availability"]["access"] = "locked".into();
        assert_eq!(best(&models, None).as_deref(), Some("openai:small"));
        models[1]["modality"] = "image".into();
        assert_eq!(best(&models, None).as_deref(), Some("groq:a:b"));
        assert_eq!(best(&[model("local:qwen", "local", None)], None).as_deref(), Some("local:qwen"));
        assert_eq!(best(&[model("custom-1", "custom", None)], None).as_deref(), Some("custom:custom-1"));
    }
}
