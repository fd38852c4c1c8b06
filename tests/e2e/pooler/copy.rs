//! A copy goes through a pooler, too: it is one transaction, and asks for nothing outside of it.

use llm_api_testkit::{Cluster, ENCRYPTION_KEY, Pooling, run, target_binary};
use serde_json::Value;

use super::Tenant;
use crate::support::{PASSWORD, sign_in};

async fn there_and_back(tenant: Tenant) {
    let theirs = tenant.theirs().await;
    let dir = tenant.site.dir.path();
    let file = |name: &str| format!("sqlite://{}", dir.join(name).display());
    let (from, back) = (file("from.db"), file("back.db"));
    let settings = [("LLM_API_DATABASE_URL", from.as_str()), ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)];
    let args = ["user", "create", "--username", "ada", "--admin", "--password-stdin"];
    run(&target_binary("llm-api"), dir, &args, &settings, &format!("{PASSWORD}\n")).await.expect(0);

    let copied = tenant.site.run(&["db", "copy", "--source", &from, "--target", "configured", "--json"], "").await;
    let copied: Value = serde_json::from_str(&copied.expect(0).stdout).expect("JSON");
    assert_eq!(copied["outcome"], "copied");
    let server = tenant.site.start().await;
    sign_in(&server.http(), "ada").await;
    tenant.site.run(&["freeze", "--reason", "going back"], "").await.expect(0);
    for step in ["copy", "verify"] {
        tenant.site.run(&["db", step, "--source", "configured", "--target", &back], "").await.expect(0);
    }
    tenant.site.run(&["thaw"], "").await.expect(0);
    let tokens = "SELECT COUNT(*) FROM llm_api.user_tokens";
    assert_eq!(tenant.site.sql(tokens).await, ["1"]);
    assert_eq!(tenant.theirs().await, theirs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_pooler_of_sessions() {
    there_and_back(Tenant::new(Pooling::Session, 20).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_pooler_of_transactions() {
    let tenant = Tenant::new(Pooling::Transaction, 3).await.with("DATABASE_POOL_MODE", "transaction");
    let direct = tenant.address(Cluster::shared().await.port()).await;
    there_and_back(tenant.with("MIGRATION_DATABASE_URL", &direct)).await;
}
