//! One whole reply for each feature of each provider, and what each caller reads of it.

use llm_api_translate::{Format, Written, read_reply, write_reply};
use serde_json::{Map, Value};

use crate::golden::{CALLERS, Differences, names, question, read, stamp};

/// The names of a provider's replies.
pub(crate) fn of(provider: Format) -> Vec<String> {
    let files = names(&format!("replies/{}", provider.name()));
    let name = |file: String| Some(file.strip_suffix(".json")?.to_owned()).filter(|name| !name.contains('.'));
    files.into_iter().filter_map(name).collect()
}

pub(crate) fn recorded(provider: Format, name: &str) -> String {
    read(&format!("replies/{}/{name}.json", provider.name()))
}

pub(crate) fn written(provider: Format, name: &str, caller: Format) -> Written {
    let reply = read_reply(provider, recorded(provider, name).as_bytes()).expect(name);
    write_reply(caller, reply, &question(caller), &stamp())
}

#[test]
fn each_caller_reads_replies_in_its_own_format() {
    let mut differences = Differences::default();
    for provider in Format::ALL {
        for name in of(provider) {
            let mut told: Map<String, Value> = CALLERS
                .into_iter()
                .map(|caller| (caller.name().to_owned(), written(provider, &name, caller).body))
                .collect();
            let dropped = CALLERS.into_iter().map(|caller| (caller, written(provider, &name, caller).dropped));
            let dropped = dropped.filter(|(_, dropped)| !dropped.is_empty());
            let dropped: Map<String, Value> =
                dropped.map(|(caller, dropped)| (caller.name().to_owned(), dropped.into())).collect();
            if !dropped.is_empty() {
                told.insert("dropped".to_owned(), dropped.into());
            }
            differences.compare_json(&format!("replies/{}/{name}.to.json", provider.name()), &told.into());
        }
    }
    differences.none();
}
