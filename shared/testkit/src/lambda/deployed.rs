//! What template.yaml deploys: which function answers what, and whether its replies are streamed.

use std::path::Path;

/// One `Type: Api` event of a function.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The name of its binary.
    pub(super) function: String,
    /// With `{proxy+}` for the rest of a path.
    path: String,
    /// `ANY` for each.
    method: String,
    pub(super) is_streamed: bool,
}

/// All routes, in the template's order.
pub(super) fn routes() -> Vec<Route> {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let routes = parse(&std::fs::read_to_string(template).expect("template.yaml"));
    assert!(!routes.is_empty(), "template.yaml has routes");
    routes
}

/// The route that API Gateway takes: the exact path, else the longest that begins like it.
pub(super) fn choose<'a>(routes: &'a [Route], method: &str, path: &str) -> Option<&'a Route> {
    let matching = |route: &&Route| match route.path.strip_suffix("{proxy+}") {
        Some(begin) => path.len() > begin.len() && path.starts_with(begin),
        None => route.path == path,
    };
    let closest = routes.iter().filter(matching).max_by_key(|route| (route.path == path, route.path.len()))?;
    (closest.method == "ANY" || closest.method == method).then_some(closest)
}

fn parse(template: &str) -> Vec<Route> {
    let (mut function, mut is_streamed, mut path, mut routes) = (String::new(), false, None, Vec::new());
    for line in template.lines() {
        if let Some(name) = value(line, "Binary") {
            (function, is_streamed) = (name.to_owned(), false);
        }
        // The anchor or an alias of it: a variable in the same place for all of them.
        is_streamed |= value(line, "Environment").is_some_and(|name| name.ends_with("streaming"));
        path = value(line, "Path").map(str::to_owned).or(path);
        if let Some(method) = value(line, "Method")
            && let Some(path) = path.take()
        {
            routes.push(Route { function: function.clone(), path, method: method.to_owned(), is_streamed });
        }
    }
    routes
}

/// What stands behind `name: ` in a line, or in an object within it.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (before, value) = line.split_once(&format!("{name}: "))?;
    if !before.is_empty() && !before.ends_with(' ') {
        return None;
    }
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split([',', ' ', '}']).next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_where_the_template_says() {
        let routes = routes();
        let chosen =
            |method, path| choose(&routes, method, path).map(|route| (route.function.as_str(), route.is_streamed));
        assert_eq!(chosen("GET", "/health"), Some(("health", false)));
        assert_eq!(chosen("POST", "/v1/users/login"), Some(("users", false)));
        assert_eq!(chosen("POST", "/v1/users/provider-keys"), Some(("provider-keys", false)));
        assert_eq!(chosen("DELETE", "/v1/users/provider-keys/openai"), Some(("provider-keys", false)));
        assert_eq!(chosen("POST", "/v1/sessions/5/generate"), Some(("sessions", true)));
        assert_eq!(chosen("POST", "/v1/responses"), Some(("openai", true)));
        assert_eq!(chosen("POST", "/v1/messages/count_tokens"), Some(("anthropic", true)));
        assert_eq!(chosen("GET", "/v1/messages"), None);
        assert_eq!(chosen("GET", "/v1/users/"), None);
    }
}
