//! What functions answer in the vendors' formats, whole and streamed, by models of the same vendor and of others.

use http::Method;
use llm_api_domain::RequestStatus;
use llm_api_testkit::{Dialect, Recording, Speech, each_db};
use serde_json::json;

use super::crew::{ANSWER, Caller, Crew, models};
use super::{to_the_end, until_the_first_word};

const BUFFERED: [(&str, &str); 1] = [("LLM_API_RESPONSE_MODE", "buffered")];

/// Every format with every vendor's model, whole and streamed.
async fn check_every_format(crew: &Crew) {
    for caller in Caller::ALL {
        for model in models("echo") {
            for stream in [false, true] {
                let reply = crew.ask(caller, &caller.hello(&model, stream)).await;
                let place = format!("{caller:?} with {model}, streamed: {stream}");
                assert_eq!(reply.status, 200, "{place}: {}", reply.text());
                let served = format!("{}:{}", reply.header("x-llm-api-provider"), reply.header("x-llm-api-model"));
                assert_eq!((served.as_str(), reply.header("x-llm-api-fallback")), (model.as_str(), ""), "{place}");
                let kind = if stream { "text/event-stream; charset=utf-8" } else { "application/json" };
                assert_eq!(reply.header("content-type"), kind, "{place}");
                assert_eq!(caller.text(&reply, stream), ANSWER, "{place}: {}", reply.text());
                assert_eq!(caller.is_whole(&reply.text()), stream, "{place}: {}", reply.text());
                let row = crew.row(&reply).await;
                assert_eq!((row.endpoint.as_str(), row.streamed), (caller.endpoint(), stream), "{place}");
                assert_eq!(format!("{}:{}", row.provider, row.model), model, "{place}");
                assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, Some(18)), "{place}");
            }
        }
    }
}

each_db! {
    async fn every_format_is_answered_by_models_of_every_vendor(database: Database) {
        let mut crew = Crew::start(database).await;
        check_every_format(&crew).await;
        crew.relieved(&BUFFERED).await;
        check_every_format(&crew).await;
    }

    async fn events_in_every_format_arrive_while_the_provider_still_talks(database: Database) {
        let crew = Crew::start(database).await;
        for caller in Caller::ALL {
            for model in models("slow-stream") {
                let body = caller.hello(&model, true);
                let mut stream = caller.begin(crew.function(caller), &crew.ada, &[], &body).await;
                assert_eq!(stream.headers["x-llm-api-provider"], model.split(':').next().unwrap_or_default());
                let begin = until_the_first_word(&mut stream).await;
                assert!(!caller.is_whole(&begin), "{caller:?} with {model}: {begin}");
                crew.site.provider.release();
                let rest = to_the_end(stream).await;
                assert!(caller.is_whole(&rest), "{caller:?} with {model}: {begin}{rest}");
            }
        }
    }

    async fn vectors_and_counts_come_from_functions(database: Database) {
        let crew = Crew::start(database).await;
        crew.site.provider.play("vectors", Recording::new(json!({ "embeddings": [{ "values": [0.5, 1.0] }] }), ""));
        for (model, input, vector) in [("openai:echo", "abc", json!([3, 0])), ("google:vectors", "a", json!([0.5, 1.0]))] {
            let body = json!({ "model": model, "input": input });
            let reply = crew.post(Caller::Chat, "/v1/embeddings", body).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let served = format!("{}:{}", reply.header("x-llm-api-provider"), reply.header("x-llm-api-model"));
            assert_eq!((served.as_str(), &reply.json()["data"][0]["embedding"]), (model, &vector));
            let row = crew.row(&reply).await;
            assert_eq!((row.endpoint.as_str(), row.status), ("embeddings", RequestStatus::Completed));
        }

        let prompt = json!([{ "role": "user", "content": "Hello, how are you?" }]);
        let count = async |model| {
            let body = json!({ "model": model, "messages": prompt });
            let reply = crew.post(Caller::Messages, "/v1/messages/count_tokens", body).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            (reply.json()["input_tokens"].as_i64(), reply.header("x-llm-api-estimated").to_owned())
        };
        assert_eq!(count("anthropic:claude-echo").await, (Some(11), String::new()));
        let (estimate, is_estimate) = count("openai:echo").await;
        assert!(estimate.is_some_and(|count| (5..=30).contains(&count)) && is_estimate == "true", "{estimate:?}");
    }

    async fn headers_of_caller_and_provider_pass_through_functions(database: Database) {
        let crew = Crew::start(database).await;
        let recording = Dialect::AnthropicMessages.record(&Speech { text: ANSWER, ..Speech::default() });
        let recording = recording.with_header("anthropic-ratelimit-requests-remaining", "41");
        crew.site.provider.play("recorded", recording.with_header("request-id", "req_theirs"));
        let betas =
            [("anthropic-beta", "one,two"), ("anthropic-version", "2023-06-01"), ("anthropic-beta", "three")];
        for stream in [false, true] {
            let body = Caller::Messages.hello("anthropic:recorded", stream);
            let reply = Caller::Messages.ask(crew.function(Caller::Messages), &crew.ada, &betas, &body).await;
            assert_eq!((reply.status.as_u16(), Caller::Messages.text(&reply, stream).as_str()), (200, ANSWER));
            assert_eq!(reply.header("anthropic-ratelimit-requests-remaining"), "41");
            assert_eq!(reply.header("x-llm-api-provider-request-id"), "req_theirs");
            assert_eq!(reply.header("request-id"), reply.header("x-request-id"));
            let asked = crew.site.provider.last_request();
            let betas: Vec<_> = asked.headers.get_all("anthropic-beta").iter().collect();
            assert_eq!(betas, ["one,two", "three"]);

            let reply = crew.ask(Caller::Responses, &Caller::Responses.hello("anthropic:recorded", stream)).await;
            assert_eq!(reply.header("x-ratelimit-remaining-requests"), "41", "in the names of OpenAI's SDKs");

            let mut body = Caller::Chat.hello("anthropic:claude-echo", stream);
            body["seed"] = 7.into();
            let refused = crew.ask(Caller::Chat, &body).await;
            assert_eq!((refused.status.as_u16(), &Caller::Chat.error(&refused)["param"]), (400, &json!("seed")));
            let dropped = [("x-llm-api-unsupported", "drop")];
            let reply = Caller::Chat.ask(crew.function(Caller::Chat), &crew.ada, &dropped, &body).await;
            assert_eq!((reply.status.as_u16(), reply.header("x-llm-api-dropped")), (200, "seed"));
        }
        // Each function knows its own vendor's paths alone.
        for (caller, other) in [(Caller::Chat, Caller::Messages), (Caller::Messages, Caller::Responses)] {
            let body = other.hello("openai:echo", false);
            let reply = crew.post(caller, other.path(), body).await;
            assert_eq!(reply.status, 404, "{}", reply.text());
            other.error(&reply);
        }
        let wrong = crew.function(Caller::Messages).invoke(Method::GET, "/v1/messages", &[], "").await;
        assert_eq!(wrong.status, 405);
        Caller::Messages.error(&wrong);
    }
}
