//! The document that describes the API, read for tests that walk all routes.

use http::Method;
use serde_json::{Value, json};

/// One operation of the document.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) group: String,
    /// Whether the document says that it needs no credential.
    pub(crate) public: bool,
    /// The names of its query parameters.
    pub(crate) query: Vec<String>,
    /// The schema of its body with all references resolved; `None` where it takes none.
    pub(crate) body: Option<Value>,
}

impl Route {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The names in braces.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    /// The path with `value` in place of its parameters.
    pub(crate) fn filled(&self, value: &str) -> String {
        let part = |part: &str| if part.starts_with('{') { value.to_owned() } else { part.to_owned() };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

/// All routes, as they describe themselves; another test holds the checked-in document to it.
pub(crate) fn routes() -> Vec<Route> {
    let document = serde_json::to_value(llm_api::api::all().1).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, operations)| {
        operations.as_object().expect("operations").iter().map(move |(method, operation)| (path, method, operation))
    });
    let routes: Vec<Route> = operations
        .map(|(path, method, operation)| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters.filter(|parameter| parameter["in"] == "query");
            Route {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                group: operation["tags"][0].as_str().expect("a group").to_owned(),
                public: operation["security"] == json!([{}]),
                query: query.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect(),
                body: operation["requestBody"]["content"]["application/json"]
                    .get("schema")
                    .map(|schema| resolved(schema, &document["components"]["schemas"])),
            }
        })
        .collect();
    assert!(routes.len() > 40, "the document is about all groups");
    routes
}

/// A schema without references; of alternatives, the one that is not null.
fn resolved(schema: &Value, all: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return resolved(&all[name], all);
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let not_null = alternatives.iter().find(|alternative| alternative["type"] != "null");
        return not_null.map_or(Value::Null, |schema| resolved(schema, all));
    }
    match schema {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), resolved(member, all))).collect(),
        other => other.clone(),
    }
}

/// The names of all fields of a body as a path of names, those of objects within it included.
pub(crate) fn fields(schema: &Value) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        all.push(vec![name.clone()]);
        all.extend(fields(field).into_iter().map(|below| [vec![name.clone()], below].concat()));
    }
    all
}
