//! The Lambda entry of this endpoint group.

#[tokio::main]
async fn main() -> Result<(), llm_api_host::Error> {
    llm_api_host::lambda(llm_api_fn_anthropic::router()).await
}
