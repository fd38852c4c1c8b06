//! `Idempotency-Key` among processes of a function: who answers first, answers for all of them.

use http::Method;
use llm_api_testkit::{LambdaReply, each_db};
use serde_json::{Value, json};

use super::crew::{Caller, Crew, models};
use super::{Function, STREAM, to_the_end, until_the_first_word};

const KEY: &str = "idempotency-key";

/// What the relieved processes and those in their place say to the same request.
struct Shifts {
    crew: Crew,
    relieved: (Function, Function),
}

impl Shifts {
    async fn start(database: llm_api_testkit::Database) -> Self {
        let mut crew = Crew::start(database).await;
        let relieved = crew.relieved(&STREAM).await;
        Self { crew, relieved }
    }

    fn first(&self, caller: Caller) -> &Function {
        if caller == Caller::Messages { &self.relieved.1 } else { &self.relieved.0 }
    }

    async fn ask_first(&self, caller: Caller, key: &str, body: &Value) -> LambdaReply {
        caller.ask(self.first(caller), &self.crew.ada, &[(KEY, key)], body).await
    }

    async fn ask_second(&self, caller: Caller, key: &str, body: &Value) -> LambdaReply {
        caller.ask(self.crew.function(caller), &self.crew.ada, &[(KEY, key)], body).await
    }

    /// The second process must say what the first one said, and ask nobody.
    async fn check_repeated(&self, caller: Caller, key: &str, body: &Value, first: &LambdaReply) {
        let asked = self.crew.asked();
        let again = self.ask_second(caller, key, body).await;
        assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (200, "true"), "{key}");
        assert_eq!(again.header("x-llm-api-replay-of"), first.header("x-request-id"), "{key}");
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"), "{key}");
        for name in ["content-type", "x-llm-api-provider", "x-llm-api-model"] {
            assert_eq!(again.header(name), first.header(name), "{key}: {name}");
        }
        assert_eq!(again.text(), first.text(), "{key}");
        assert_eq!(self.crew.asked(), asked, "{key}: nobody is asked again");
    }

    /// Another request under the same key.
    async fn check_refused(&self, caller: Caller, key: &str, body: &Value) {
        let refused = self.ask_second(caller, key, body).await;
        assert_eq!(refused.status, 422, "{key}: {}", refused.text());
        caller.error(&refused);
        assert_eq!(refused.json()["code"], "idempotency_key_reused");
    }

    /// The same request while the first one runs.
    async fn check_in_use(&self, caller: Caller, key: &str, body: &Value) {
        let refused = self.ask_second(caller, key, body).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (409, "1"), "{key}: {}", refused.text());
        caller.error(&refused);
        assert_eq!(refused.json()["code"], "idempotency_key_in_use");
    }
}

each_db! {
    async fn another_process_repeats_the_reply(database: Database) {
        let shifts = Shifts::start(database).await;
        for caller in Caller::ALL {
            for model in models("echo") {
                for stream in [false, true] {
                    let (key, body) = (format!("{caller:?}/{model}/{stream}"), caller.hello(&model, stream));
                    let first = shifts.ask_first(caller, &key, &body).await;
                    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (200, ""), "{key}");
                    shifts.check_repeated(caller, &key, &body, &first).await;
                    shifts.check_refused(caller, &key, &caller.hello(&model, !stream)).await;
                }
            }
        }
        // A key stands for one request, whichever function gets it.
        let other = Caller::Messages.hello("openai:echo", false);
        shifts.check_refused(Caller::Messages, "Chat/openai:echo/false", &other).await;
    }

    async fn another_process_repeats_vectors_and_native_replies(database: Database) {
        let shifts = Shifts::start(database).await;
        let (site, bearer) = (&shifts.crew.site, format!("Bearer {}", shifts.crew.ada));
        let generate = [Function::start(site, "generate", &STREAM).await, Function::start(site, "generate", &STREAM).await];
        let native = |stream: bool| {
            json!({ "model": "openai:echo", "modality": "text", "stream": stream, "input": { "prompt": "Hello" } })
        };
        let openai = [shifts.first(Caller::Chat), shifts.crew.function(Caller::Chat)];
        for (number, (functions, path, body)) in [
            (openai, "/v1/embeddings", json!({ "model": "openai:echo", "input": "abc" })),
            (generate.each_ref(), "/v1/generate", native(false)),
            (generate.each_ref(), "/v1/generate", native(true)),
        ]
        .into_iter()
        .enumerate()
        {
            let (key, asked) = (number.to_string(), shifts.crew.asked());
            let headers = [("authorization", bearer.as_str()), (KEY, &key), ("content-type", "application/json")];
            let ask = async |function: &Function| {
                let reply = function.invoke(Method::POST, path, &headers, &body.to_string()).await;
                assert_eq!(reply.status, 200, "{body}: {}", reply.text());
                reply
            };
            let (first, again) = (ask(functions[0]).await, ask(functions[1]).await);
            assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
            assert_eq!((again.text(), shifts.crew.asked() - asked), (first.text(), 1), "{body}");
        }
    }

    async fn while_one_process_answers_another_refuses_the_key(database: Database) {
        let shifts = Shifts::start(database).await;
        for caller in Caller::ALL {
            for model in models("slow-stream") {
                let (key, body) = (format!("{caller:?}/{model}"), caller.hello(&model, true));
                let mut stream = caller.begin(shifts.first(caller), &shifts.crew.ada, &[(KEY, &key)], &body).await;
                let begin = until_the_first_word(&mut stream).await;
                shifts.check_in_use(caller, &key, &body).await;
                shifts.check_refused(caller, &key, &caller.hello(&model, false)).await;
                shifts.crew.site.provider.release();
                let whole = begin + &to_the_end(stream).await;
                let again = shifts.ask_second(caller, &key, &body).await;
                assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (200, "true"), "{key}");
                assert_eq!(again.text(), whole, "{key}");
            }
            let (key, body) = (format!("{caller:?}"), caller.hello("openai:slow-whole", false));
            let asked = shifts.crew.asked();
            let meanwhile = async {
                shifts.crew.site.provider.wait_for_requests(asked + 1).await;
                shifts.check_in_use(caller, &key, &body).await;
                shifts.crew.site.provider.release();
            };
            let (first, ()) = tokio::join!(shifts.ask_first(caller, &key, &body), meanwhile);
            assert_eq!(first.status, 200, "{}", first.text());
            shifts.check_repeated(caller, &key, &body, &first).await;
        }
    }

    async fn what_broke_off_in_one_process_is_asked_anew_by_another(database: Database) {
        let shifts = Shifts::start(database).await;
        for caller in Caller::ALL {
            let (key, body) = (format!("{caller:?}"), caller.hello("openai:dies", true));
            let first = shifts.ask_first(caller, &key, &body).await;
            assert!(first.status == 200 && !caller.is_whole(&first.text()), "{}", first.text());
            let asked = shifts.crew.asked();
            let again = shifts.ask_second(caller, &key, &body).await;
            assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (200, ""), "{key}");
            assert_eq!(shifts.crew.asked() - asked, 1, "{key}");
        }
    }
}
