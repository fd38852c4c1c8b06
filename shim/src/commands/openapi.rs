use llm_api::api;

use crate::exit::Exit;

pub(crate) fn run() -> Result<(), Exit> {
    let (_, document) = api::all();
    println!("{}", document.to_pretty_json().map_err(Exit::failed)?);
    Ok(())
}
