//! Nobody sees that somebody else has something: a walk over every route that names a thing.

use http::{Method, StatusCode};
use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::document::{Route, fields, routes};

const STATIC_KEY: &str = "the-operators-static-key";
/// An id in the right form that names nothing.
const NOTHING: &str = "0190a000-0000-7000-8000-000000000000";

/// Whose things a route is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// Only its owner's: to all others it is not there.
    Owner,
    /// Administrators' business: all others are refused before anything is looked up.
    Admins,
    /// A name that everybody gives for themselves: another's is neither seen nor changed by it.
    Named,
    /// A model of the owner's own server; unloading answers the same for whatever is not loaded.
    Unloading,
}

/// Something of Ada's that a path can name.
struct Thing {
    id: String,
    /// An id of the same kind that names nothing.
    nothing: String,
    rule: Rule,
}

/// Ada's belongings, and those who would like to have them.
struct World {
    app: TestApp,
    ada: Person,
    eve: Person,
    root: Person,
    session: Value,
    token: String,
    request: String,
    artifact: String,
    job: String,
    invite: String,
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

impl World {
    async fn new(database: llm_api_testkit::Database) -> Self {
        let app =
            TestApp::start_with(database, &[("API_KEY", STATIC_KEY), ("ARTIFACT_INLINE_THRESHOLD_KB", "0")]).await;
        let (root, ada, eve) = (app.admin("root").await, app.person("ada").await, app.person("eve").await);
        for token in [&root.token, &ada.token, &eve.token, STATIC_KEY] {
            app.store_key(token, "openai", "sk-a-key-of-ones-own").await;
        }
        app.store_key(&ada.token, "groq", "gsk-adas-own-key").await;
        let own_server =
            json!({ "provider": "custom", "api_key": "sk-adas-server", "endpoint": app.provider.base_url() });
        made(&app, &ada, "/v1/users/provider-keys", own_server).await;

        let alias =
            app.http().put("/v1/users/aliases/adas").bearer(&ada.token).json(json!({ "targets": ["groq:llama"] }));
        assert_eq!(alias.send().await.status, 200);
        let session = made(&app, &ada, "/v1/sessions", json!({ "title": "Ada's own" })).await;
        let reply = made(&app, &ada, "/v1/generate", generation(&text(&session["id"]))).await;
        let image = json!({ "model": "openai:dall-e-3", "modality": "image", "input": { "prompt": "a pixel" } });
        let image = made(&app, &ada, "/v1/generate", image).await;
        Self {
            token: text(&made(&app, &ada, "/v1/users/tokens", json!({})).await["id"]),
            invite: text(&made(&app, &root, "/v1/users/invites", json!({})).await["id"]),
            request: text(&reply["request_id"]),
            artifact: text(&image["output"]["artifacts"][0]["id"]),
            job: job(&app, &ada).await,
            session,
            app,
            ada,
            eve,
            root,
        }
    }

    /// What the parameter of a path stands for. A new path needs a line here.
    fn thing(&self, route: &Route) -> Thing {
        let thing = |id: &str, rule| Thing { id: id.to_owned(), nothing: NOTHING.to_owned(), rule };
        let model = |rule| Thing { id: "custom:echo".to_owned(), nothing: "custom:nothing".to_owned(), rule };
        match route.path.as_str() {
            path if path == "/v1/sessions/{id}" || path.starts_with("/v1/sessions/{id}/") => {
                thing(&text(&self.session["id"]), Rule::Owner)
            }
            "/v1/users/tokens/{id}" => thing(&self.token, Rule::Owner),
            "/v1/users/aliases/{name}" => {
                Thing { id: "adas".to_owned(), nothing: "nothing".to_owned(), rule: Rule::Named }
            }
            "/v1/admin/aliases/{name}" => thing("global", Rule::Admins),
            "/v1/users/provider-keys/{provider}" => {
                Thing { id: "groq".to_owned(), nothing: "xai".to_owned(), rule: Rule::Owner }
            }
            "/v1/requests/{id}/status" | "/v1/requests/{id}/cancel" => thing(&self.request, Rule::Owner),
            "/v1/artifacts/{id}" => thing(&self.artifact, Rule::Owner),
            "/v1/jobs/{id}" => thing(&self.job, Rule::Owner),
            "/v1/users/invites/{id}" => thing(&self.invite, Rule::Admins),
            path if path.starts_with("/v1/admin/users/{id}") => thing(&self.ada.id, Rule::Admins),
            "/v1/models/{id}/unload" => model(Rule::Unloading),
            path if path.starts_with("/v1/models/{id}") => model(Rule::Owner),
            _ => panic!("{} is new: say whose thing its path names", route.name()),
        }
    }

    /// Everybody but Ada, with whether they are an administrator.
    fn others(&self) -> [(&str, bool); 3] {
        [(&self.eve.token, false), (&self.root.token, true), (STATIC_KEY, false)]
    }

    /// What Ada sees of hers.
    async fn belongings(&self) -> Value {
        let session = format!("/v1/sessions/{}", text(&self.session["id"]));
        let request = format!("/v1/requests/{}/status", self.request);
        let mut seen = Vec::new();
        for path in [
            &session,
            "/v1/sessions",
            "/v1/users/tokens",
            "/v1/users/provider-keys",
            "/v1/users/aliases",
            &request,
            "/v1/jobs",
        ] {
            let reply = self.app.get(path, &self.ada.token).await;
            assert_eq!(reply.status, 200, "{path}");
            let mut body = reply.json().await;
            // Written behind: it may be told a moment later.
            for token in body.as_array_mut().into_iter().flatten() {
                token["last_used_at"] = Value::Null;
            }
            seen.push(body);
        }
        seen.into()
    }
}

async fn made(app: &TestApp, person: &Person, path: &str, body: Value) -> Value {
    let reply = app.post(path, &person.token, body).await;
    let status = reply.status;
    let body = reply.json().await;
    assert!(status.is_success(), "{path}: {body}");
    body
}

async fn job(app: &TestApp, person: &Person) -> String {
    let (id, user) = (llm_api_domain::JobId::new(app.clock.now()), person.id.parse().expect("an id"));
    let job = llm_api_storage::NewJob { id, user, model: "big".to_owned(), source_type: None, source_uri: None };
    app.state.auth.store.download_jobs().create(&job, app.clock.now()).await.expect("stores");
    id.to_string()
}

fn generation(session: &str) -> Value {
    json!({ "model": "openai:echo", "modality": "text", "input": { "prompt": "Hi" }, "session_id": session })
}

/// Status and body of a reply, with `id` and the request's own id taken out.
async fn answer(app: &TestApp, method: &Method, path: &str, token: &str, id: &str) -> (StatusCode, String) {
    let body = if path.ends_with("/generate") { generation(NOTHING) } else { json!({}) };
    let reply = app.http().request(method.clone(), path).bearer(token).json(body).send().await;
    let (status, request) = (reply.status, reply.header("x-request-id").to_owned());
    // A file of its owner's need not be a text.
    let text = String::from_utf8_lossy(&reply.bytes().await).replace(id, "[id]").replace(&request, "[request]");
    (status, text)
}

each_db! {
    async fn what_belongs_to_another_user_is_not_there(database: Database) {
        let world = World::new(database).await;
        let before = world.belongings().await;
        let routes = routes();
        let named: Vec<&Route> = routes.iter().filter(|route| !route.parameters().is_empty()).collect();
        assert!(named.len() > 15, "{} routes name something", named.len());
        for route in &named {
            assert_eq!(route.parameters().len(), 1, "{} names two things: the walk fills one", route.name());
            let thing = world.thing(route);
            for (token, is_admin) in world.others() {
                if is_admin && thing.rule == Rule::Admins {
                    continue;
                }
                for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                    let adas = answer(&world.app, &method, &route.filled(&thing.id), token, &thing.id).await;
                    let none = answer(&world.app, &method, &route.filled(&thing.nothing), token, &thing.nothing).await;
                    assert_eq!(adas, none, "{method} {}", route.path);
                    if method == route.method {
                        let told = match thing.rule {
                            Rule::Owner => StatusCode::NOT_FOUND,
                            Rule::Admins => StatusCode::FORBIDDEN,
                            Rule::Named | Rule::Unloading => continue,
                        };
                        assert_eq!(adas.0, told, "{}: {}", route.name(), adas.1);
                    }
                }
            }
        }
        assert_eq!(world.belongings().await, before, "nothing of it has changed");

        // To Ada all of it is there, so it was for its owner's sake that the others found nothing.
        for route in named {
            let thing = world.thing(route);
            if thing.rule != Rule::Admins {
                let own = answer(&world.app, &route.method, &route.filled(&thing.id), &world.ada.token, &thing.id).await;
                assert_ne!(own.0, StatusCode::NOT_FOUND, "{}: {}", route.name(), own.1);
            }
        }
    }

    async fn what_a_body_names_of_another_user_is_not_there(database: Database) {
        let world = World::new(database).await;
        let before = world.belongings().await;
        let session = text(&world.session["id"]);
        let mut tried = 0;
        for route in routes() {
            for field in route.body.iter().flat_map(fields) {
                match field.last().map(String::as_str) {
                    Some("session_id") => {}
                    // The client's own new one, and names of models.
                    Some("request_id" | "fallback_model_id") => continue,
                    Some("id") if route.path == "/v1/models/download" => continue,
                    Some(name) if name == "id" || name.ends_with("_id") || name.ends_with("_ids") => {
                        panic!("{} {} is new: say what it names", route.name(), field.join("."))
                    }
                    _ => continue,
                }
                tried += 1;
                if !route.parameters().is_empty() {
                    continue; // The one in the path replaces it.
                }
                for (token, _) in world.others() {
                    let told = async |id: &str| {
                        let reply = world.app.post(&route.path, token, generation(id)).await;
                        let (status, request) = (reply.status, reply.header("x-request-id").to_owned());
                        (status, reply.text().await.replace(id, "[id]").replace(&request, "[request]"))
                    };
                    let (adas, none) = (told(&session).await, told(NOTHING).await);
                    assert_eq!(adas, none, "{}", route.name());
                    assert_eq!(adas.0, StatusCode::NOT_FOUND, "{}: {}", route.name(), adas.1);
                }
            }
        }
        assert!(tried >= 2, "{tried} bodies name a session");
        assert_eq!(world.belongings().await, before, "nothing was said in it");
    }
}
