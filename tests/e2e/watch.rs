//! `llm-api watch`: a line for each look at a live deployment.

use llm_api_testkit::{each_db, free_port};
use serde_json::Value;

use crate::support::{Site, chat, eventually, sign_in, store_key};

const API_KEY: &str = "a-static-key-of-more-than-32-letters";

async fn lines(site: &Site, args: &[&str], input: &str) -> (Vec<Value>, String) {
    let args: Vec<&str> = ["watch", "--json", "--interval", "1"].into_iter().chain(args.iter().copied()).collect();
    let done = site.run(&args, input).await.expect(0);
    assert!(!done.stdout.contains(API_KEY) && !done.stderr.contains(API_KEY), "{done:?}");
    let lines = done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (lines, done.stderr)
}

each_db! {
    async fn what_happens_between_two_looks_is_told(database: Database) {
        let site = Site::with(database, &[("API_KEY", API_KEY)]).await;
        site.add_user("ada").await;
        let server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        store_key(&server.http(), &ada, "sk-good").await;
        let token = site.dir.path().join("token");
        std::fs::write(&token, API_KEY).expect("a file");

        // Requests come in for as long as it looks, and servers write their sums every five seconds.
        let url = server.base_url().to_owned();
        let args = ["--url", &url, "--token-file", &token.display().to_string(), "--count", "8"];
        let traffic = async {
            loop {
                for model in ["echo", "fails"] {
                    chat(&server.http(), &ada, model, false).await;
                }
            }
        };
        let (seen, stderr) = tokio::select! {
            () = traffic => unreachable!("it goes on for ever"),
            seen = lines(&site, &args, "") => seen,
        };
        assert_eq!((seen.len(), stderr.as_str()), (8, ""));
        assert!(seen.iter().all(|line| line["state"] == "ready" && line["answer_ms"].is_number()), "{seen:#?}");
        assert!(seen[0]["requests"].is_null(), "{seen:#?}");
        let last = &seen[7];
        assert!(last["requests_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{last}");
        assert!(last["error_share"].as_f64().is_some_and(|share| share > 0.1 && share < 0.9), "{last}");
        assert!(last["mean_ms"].is_number() && last["providers"]["openai"] == 1.0, "{last}");
        assert!(last["answers"].as_f64().is_some_and(|answers| answers > 0.0), "{last}");
        assert!(last["share_5xx"].as_f64().is_some_and(|share| share > 0.1 && share < 0.9), "{last}");
        assert!(last["p95_ms"].as_f64().is_some_and(|p95| p95 > 0.0) && last["streams_open"] == 0.0, "{last}");
        assert_eq!(last["unusual"], serde_json::json!(["many errors", "many answers with status 5xx"]));

        // A freeze is told, and figures are still read.
        site.sql("UPDATE maintenance SET state = 'frozen', reason = 'the move'").await;
        let (seen, _) = lines(&site, &["--url", &url, "--token-stdin", "--count", "1"], API_KEY).await;
        assert_eq!((&seen[0]["state"], &seen[0]["reason"]), (&"frozen".into(), &"the move".into()), "{seen:#?}");
    }

    async fn without_figures_the_rest_is_told(database: Database) {
        let site = Site::with(database, &[("API_KEY", API_KEY), ("METRICS_ENABLED", "false")]).await;
        site.add_user("ada").await;
        let server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        let watched = async |input: &str| {
            let args: &[&str] = if input.is_empty() { &[] } else { &["--token-stdin"] };
            let args: Vec<&str> = ["--url", server.base_url(), "--count", "2"].into_iter().chain(args.iter().copied()).collect();
            let (seen, stderr) = lines(&site, &args, input).await;
            assert!(seen.iter().all(|line| line["state"] == "ready" && line["requests"].is_null()), "{seen:#?}");
            stderr
        };
        assert_eq!(watched("").await, "no figures: /metrics needs an administrator's token (--token-file)\n");
        assert_eq!(watched("las_junk").await, "no figures: /metrics does not take this token\n");
        assert_eq!(watched(&ada).await, "no figures: /metrics needs the token of an administrator\n");
        let off = "no figures: metrics are switched off there (LLM_API_METRICS_ENABLED), or not passed on by a proxy\n";
        assert_eq!(watched(API_KEY).await, off);
    }
}

#[tokio::test]
async fn a_deployment_that_is_away_is_a_line_and_not_the_end() {
    let site = Site::new(llm_api_testkit::Database::Sqlite).await;
    let url = format!("http://127.0.0.1:{}", free_port());
    let (seen, stderr) = lines(&site, &["--url", &url, "--count", "2"], "").await;
    assert_eq!((seen.len(), stderr.as_str()), (2, ""));
    assert!(seen.iter().all(|line| line["state"] == "unreachable"), "{seen:#?}");
    let text = site.run(&["watch", "--url", &url, "--count", "1"], "").await.expect(0).stdout;
    assert!(
        text.starts_with("! ") && text.contains("unreachable") && text.contains("<- it cannot be reached"),
        "{text}"
    );
    for url in ["llm.example.com", "https://ada:hunter2@llm.example.com"] {
        let refused = site.run(&["watch", "--url", url], "").await.expect(2);
        assert!(refused.stderr.starts_with("llm-api: --url: ") && !refused.stderr.contains("hunter2"), "{refused:?}");
    }
}

#[tokio::test]
async fn the_doors_of_the_terminal_end_it_in_order() {
    // What Ctrl-C sends, once the first line is there.
    let site = Site::new(llm_api_testkit::Database::Sqlite).await;
    let server = site.start().await;
    let out = site.dir.path().join("out");
    let script =
        "\"$0\" watch --url \"$1\" >\"$2\" & pid=$!; until [ -s \"$2\" ]; do :; done; kill -INT $pid; wait $pid";
    let binary = llm_api_testkit::target_binary("llm-api").display().to_string();
    let args = ["-c", script, &binary, server.base_url(), &out.display().to_string()];
    let ended = llm_api_testkit::run(std::path::Path::new("bash"), site.dir.path(), &args, &[], "").await;
    assert_eq!(ended.expect(0).stderr, "no figures: /metrics needs an administrator's token (--token-file)\n");
    let line = eventually("a line", async || std::fs::read_to_string(&out).ok().filter(|text| !text.is_empty())).await;
    assert!(line.contains("ready"), "{line}");
}
