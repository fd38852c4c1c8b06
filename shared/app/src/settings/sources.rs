//! Where values come from: real environment, files and credentials, a secret, YAML, `.env`, defaults, in this order.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt, fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    dotenv::{self, DotEnv},
    reader::parse_flag,
    registry::{self, CONFIG_FILE, JWT_SECRET, LOCAL_ONLY, PREFIX, SETTINGS, Setting},
    yaml,
};

const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// What AWS Lambda tells its functions, and every tool for AWS reads.
const AWS: [&str; 5] = [
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
];

/// What the process was given, so that tests can give something else.
#[derive(Clone, Default)]
pub struct Sources {
    pub env: Vec<(OsString, OsString)>,
    /// Variables that stand in the secret of `LLM_API_SECRETS_ARN`; empty until a function has read it.
    pub secret: Vec<(String, SecretString)>,
    /// Where `.env` and `config.yaml` are looked for, and what relative paths start from.
    pub cwd: PathBuf,
}

impl Sources {
    pub fn new(cwd: impl Into<PathBuf>) -> Self {
        Self { env: Vec::new(), secret: Vec::new(), cwd: cwd.into() }
    }

    /// The real environment and working directory. Nothing else reads them.
    pub fn from_process() -> Self {
        let known = |name: &OsStr| name == CREDENTIALS_DIRECTORY || AWS.into_iter().any(|aws| name == aws);
        let ours = |name: &OsStr| known(name) || our_name(name).is_some();
        Self {
            env: std::env::vars_os().filter(|(name, _)| ours(name)).collect(),
            secret: Vec::new(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// The same with one more environment variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// `path` made absolute, as far as the working directory is.
    pub(crate) fn absolute(&self, path: &str) -> PathBuf {
        // Collecting the components drops the `.` of `./data`.
        self.cwd.join(path).components().collect()
    }

    /// One of the variables that AWS's own tools read: its region, credentials, and the address of Secrets Manager.
    /// Empty counts as unset.
    pub fn aws(&self, name: &str) -> Option<&str> {
        let found = self.env.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty())
    }

    fn credentials_directory(&self) -> Option<&Path> {
        let found = self.env.iter().find(|(name, value)| name == CREDENTIALS_DIRECTORY && !value.is_empty());
        found.map(|(_, directory)| Path::new(directory))
    }
}

impl fmt::Debug for Sources {
    /// Names only: the values hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        let secret: Vec<_> = self.secret.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sources").field("env", &names).field("secret", &secret).field("cwd", &self.cwd).finish()
    }
}

/// The upper-case name without prefix, when the variable is one of ours.
fn our_name(variable: &OsStr) -> Option<String> {
    variable.to_str()?.to_ascii_uppercase().strip_prefix(PREFIX).map(str::to_owned)
}

/// A raw value and where it stands.
pub(crate) struct Found {
    /// `None` when there is none, or it could not be read (then there is a problem too).
    pub(crate) text: Option<String>,
    pub(crate) source: String,
}

/// All settings as texts, before any is interpreted.
pub(crate) struct Resolved {
    values: BTreeMap<&'static str, Found>,
    pub(crate) warnings: Vec<String>,
    pub(crate) problems: Vec<String>,
}

impl Resolved {
    pub(crate) fn read(sources: &Sources) -> Self {
        let mut layers = Layers::read(sources);
        let config_file = layers.read_yaml();
        let mut values = BTreeMap::new();
        for setting in SETTINGS.iter().filter(|setting| setting.name != CONFIG_FILE.name) {
            values.insert(setting.name, layers.resolve(setting));
        }
        values.insert(CONFIG_FILE.name, config_file);
        layers.warn_of_what_is_not_offered();
        layers.warn_of_unknown_names();
        Self { values, warnings: layers.warnings, problems: layers.problems }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Found> {
        self.values.get(name)
    }
}

/// Variables by upper-case name without prefix; `None` is a value that is not UTF-8.
type Variables = BTreeMap<String, Option<String>>;

struct Layers<'a> {
    sources: &'a Sources,
    env: Variables,
    yaml: BTreeMap<String, String>,
    yaml_name: String,
    dotenv: Variables,
    warnings: Vec<String>,
    problems: Vec<String>,
}

impl<'a> Layers<'a> {
    fn read(sources: &'a Sources) -> Self {
        let mut layers = Self {
            sources,
            env: env_variables(&sources.env),
            yaml: BTreeMap::new(),
            yaml_name: String::new(),
            dotenv: Variables::new(),
            warnings: Vec::new(),
            problems: Vec::new(),
        };
        layers.read_dotenv();
        layers
    }

    fn read_dotenv(&mut self) {
        let file = match fs::read_to_string(self.sources.cwd.join(".env")) {
            Ok(text) => dotenv::parse(&text),
            // A folder of this name is a Python environment.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
                DotEnv::default()
            }
            Err(error) => DotEnv { problems: vec![format!(".env cannot be read: {error}")], ..DotEnv::default() },
        };
        for (name, value) in file.entries {
            if let Some(name) = our_name(OsStr::new(&name)) {
                self.dotenv.insert(name, Some(value));
            }
        }
        self.warnings.extend(file.warnings);
        self.problems.extend(file.problems);
    }

    /// Reads the YAML file and gives back how it is called: the file cannot name itself.
    fn read_yaml(&mut self) -> Found {
        let found = self.resolve(&CONFIG_FILE);
        let Some(name) = found.text.clone() else { return found };
        match fs::read_to_string(self.sources.absolute(&name)) {
            Ok(text) => match yaml::flatten(&text) {
                Ok(flat) => self.yaml = flat.into_iter().collect(),
                Err(problem) => self.problems.push(format!("{name} {problem}")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if found.source != "default" {
                    self.warnings.push(format!("{} names {name}, which does not exist", CONFIG_FILE.variable()));
                }
            }
            Err(error) => self.problems.push(format!("{name} cannot be read: {error}")),
        }
        self.yaml_name = name;
        found
    }

    /// The first source that has the setting. An empty text is worth as much as the default.
    fn resolve(&mut self, setting: &Setting) -> Found {
        let default = || Found { text: setting.default.map(str::to_owned), source: "default".to_owned() };
        let found = self
            .in_environment(setting)
            .or_else(|| self.in_credential(setting))
            .or_else(|| self.in_secret(setting))
            .or_else(|| self.in_yaml(setting))
            .or_else(|| self.in_dotenv(setting));
        match found {
            Some(Found { text: Some(text), .. }) if text.is_empty() && falls_back_when_empty(setting) => default(),
            Some(found) => found,
            None => default(),
        }
    }

    fn in_environment(&mut self, setting: &Setting) -> Option<Found> {
        setting.names().find_map(|name| {
            let file = format!("{name}_FILE");
            if let Some(value) = self.env.get(name).cloned() {
                if self.env.get(&file).is_some_and(|path| path.as_deref() != Some("")) {
                    let both = format!("{PREFIX}{file} has no effect, because {PREFIX}{name} is set as well");
                    self.warnings.push(both);
                }
                return Some(self.plain(name, value, "environment"));
            }
            let path = self.env.get(&file).cloned()?;
            self.file(&file, path)
        })
    }

    fn in_dotenv(&mut self, setting: &Setting) -> Option<Found> {
        setting.names().find_map(|name| {
            if let Some(value) = self.dotenv.get(name).cloned() {
                return Some(self.plain(name, value, ".env"));
            }
            let file = format!("{name}_FILE");
            let path = self.dotenv.get(&file).cloned()?;
            self.file(&file, path)
        })
    }

    fn in_secret(&self, setting: &Setting) -> Option<Found> {
        let found = setting.names().find_map(|name| {
            self.sources.secret.iter().find(|(variable, _)| our_name(OsStr::new(variable)).as_deref() == Some(name))
        });
        let (_, text) = found?;
        Some(Found { text: Some(text.expose_secret().to_owned()), source: "secret".to_owned() })
    }

    fn in_yaml(&self, setting: &Setting) -> Option<Found> {
        let own = self.yaml.get(&registry::own_yaml_key(setting));
        let text = own.or_else(|| self.yaml.get(setting.yaml?))?;
        Some(Found { text: Some(text.clone()), source: self.yaml_name.clone() })
    }

    fn in_credential(&mut self, setting: &Setting) -> Option<Found> {
        let directory = self.sources.credentials_directory().filter(|_| setting.secret)?;
        let name = setting.credential();
        let text = match read_value(&directory.join(&name)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.problems.push(format!("the credential {name} cannot be read: {error}"));
                None
            }
        };
        Some(Found { text, source: format!("credential {name}") })
    }

    fn plain(&mut self, name: &str, text: Option<String>, source: &str) -> Found {
        if text.is_none() {
            self.problems.push(format!("{PREFIX}{name} ({source}) is not UTF-8"));
        }
        Found { text, source: source.to_owned() }
    }

    /// The value in the file that `<variable>_FILE` names; an empty name counts as none.
    /// The path is never shown: people put the secret itself there by mistake.
    fn file(&mut self, variable: &str, path: Option<String>) -> Option<Found> {
        if path.as_deref() == Some("") {
            return None;
        }
        let source = format!("file of {PREFIX}{variable}");
        let text = match path.map(|path| read_value(&self.sources.absolute(&path))) {
            Some(Ok(text)) => Some(text),
            Some(Err(error)) => {
                self.problems.push(format!("the file that {PREFIX}{variable} names cannot be read: {error}"));
                None
            }
            None => {
                self.problems.push(format!("{PREFIX}{variable} is not UTF-8"));
                None
            }
        };
        Some(Found { text, source })
    }

    fn warn_of_what_is_not_offered(&mut self) {
        let mut set = Vec::new();
        if self.resolve(&JWT_SECRET).text.is_some_and(|text| !text.is_empty()) {
            set.push(JWT_SECRET.variable());
        }
        if self.resolve(&LOCAL_ONLY).text.and_then(|text| parse_flag(&text)) == Some(true) {
            set.push(LOCAL_ONLY.variable());
        }
        if !set.is_empty() {
            let (names, verb) = (set.join(" and "), if set.len() == 1 { "is" } else { "are" });
            self.warnings.push(format!("{names} {verb} not offered: every request needs a token or the API key"));
        }
    }

    fn warn_of_unknown_names(&mut self) {
        let from_env = self.env.keys().map(|name| (name, "environment"));
        let from_dotenv = self.dotenv.keys().map(|name| (name, ".env"));
        let variables = from_env.chain(from_dotenv).filter(|(name, _)| !registry::is_known(name));
        let variables = variables.map(|(name, place)| format!("{PREFIX}{name} ({place})"));
        let in_secret = self.sources.secret.iter().map(|(variable, _)| variable);
        let known = |variable: &str| our_name(OsStr::new(variable)).is_some_and(|name| registry::is_known_value(&name));
        let in_secret = in_secret.filter(|variable| !known(variable)).map(|variable| format!("{variable} (secret)"));
        let keys = self.yaml.keys().filter(|key| !registry::is_known_yaml(key));
        let keys = keys.map(|key| format!("{key} ({})", self.yaml_name));
        let unknown: Vec<_> = variables.chain(in_secret).chain(keys).collect();
        self.warnings.extend(unknown.iter().map(|name| {
            let name = name.escape_debug();
            format!("{name} is not a setting of this version and has no effect")
        }));
    }
}

fn falls_back_when_empty(setting: &Setting) -> bool {
    setting.kind == registry::Kind::Text && setting.default.is_some()
}

/// Names are case-insensitive; where two differ in case alone, the upper-case one wins.
fn env_variables(env: &[(OsString, OsString)]) -> Variables {
    let mut variables = Variables::new();
    for (variable, value) in env {
        let Some(name) = our_name(variable) else { continue };
        let exact = variable.to_str().is_some_and(|variable| !variable.bytes().any(|byte| byte.is_ascii_lowercase()));
        if exact || !variables.contains_key(&name) {
            variables.insert(name, value.to_str().map(str::to_owned));
        }
    }
    variables
}

/// A whole file without its closing line end.
fn read_value(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
