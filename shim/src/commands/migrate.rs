use llm_api_app::{Config, open_store};
use llm_api_domain::Clock;
use llm_api_storage::OpenMode;

use crate::exit::Exit;

pub(crate) async fn run(config: &Config) -> Result<(), Exit> {
    let store = open_store(config, OpenMode::Tool, &Clock::system()).await?;
    println!("The {} database is at this version.", store.kind());
    store.close().await;
    Ok(())
}
