//! The models of the operator's own server: which are in memory, and how they get there and out again. Ollama can be
//! told; of any other server only the list is known, and what it lists is loaded.

mod book;
mod download;
mod progress;
mod pulls;
mod source;
mod work;

use std::sync::Arc;

use llm_api_domain::{ProviderId, Timestamp, UserId, WireFamily};
use llm_api_upstream::{Auth, Client, Endpoint, UpstreamError};

pub(crate) use book::AtWork;
pub use download::{Download, DownloadCall, DownloadSource};
pub use source::{BadPullName, PullName};

use crate::{Access, CatalogueEntry, Relay, RelayError, route::split_prefix};
use book::{Book, full_name};

/// What the relay keeps of the local models.
#[derive(Debug, Default)]
pub(crate) struct Local {
    book: Book,
    pulls: pulls::Pulls,
    work: work::Work,
}

/// What came of the wish to have a model in memory. Ids are those of the list of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// A provider's: there is nothing to load.
    Hosted {
        id: String,
        provider: ProviderId,
    },
    Loaded {
        id: String,
    },
    /// It goes on after the reply.
    Loading {
        id: String,
    },
}

/// What came of the wish to have a model out of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unload {
    Unloaded {
        id: String,
    },
    /// The local server has no such model.
    Nothing,
}

/// Whether a model is ready to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeStatus {
    Unloaded,
    Loading,
    Loaded,
    /// It answers a request of this process.
    Busy,
}

impl RuntimeStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unloaded => "unloaded",
            Self::Loading => "loading",
            Self::Loaded => "loaded",
            Self::Busy => "busy",
        }
    }
}

/// A local model in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedLocalModel {
    pub id: String,
    /// Since when this process knows it to be there: servers do not tell.
    pub loaded_at: Timestamp,
    pub last_used_at: Timestamp,
    /// On the graphics card, else in all; 0 is unknown.
    pub memory_bytes: i64,
    /// How many requests of this process it answers now.
    pub busy_count: u32,
}

/// What an id names, to one caller.
enum Named {
    Hosted(Box<CatalogueEntry>),
    Local {
        name: String,
        /// Whether the id or the list of models says that it is a local one.
        is_certain: bool,
    },
    Nothing,
}

/// The id of a local model in the list of models.
fn local_id(name: &str) -> String {
    format!("{}:{name}", ProviderId::Local)
}

fn failed(error: UpstreamError) -> RelayError {
    RelayError::Upstream { provider: ProviderId::Local, error }
}

/// The operator's own server, as it was found a moment ago.
struct Server<'r> {
    client: &'r Client,
    endpoint: Endpoint,
    auth: Option<&'r Auth>,
    is_ollama: bool,
}

impl Server<'_> {
    /// The server's own name of a model that it has.
    async fn find(&self, name: &str) -> Result<Option<String>, RelayError> {
        if self.is_ollama {
            let models = self.client.ollama_tags(&self.endpoint).await.map_err(failed)?;
            let wanted = full_name(name);
            return Ok(models.into_iter().map(|model| model.name).find(|name| full_name(name) == wanted));
        }
        Ok(self.listed().await?.into_iter().find(|listed| listed == name))
    }

    async fn listed(&self) -> Result<Vec<String>, RelayError> {
        let models = self.client.models(&self.endpoint, WireFamily::OpenaiChat, self.auth).await.map_err(failed)?;
        Ok(models.into_iter().map(|model| model.id).collect())
    }

    /// What is in memory, with its size in bytes.
    async fn loaded(&self) -> Result<Vec<(String, i64)>, RelayError> {
        if !self.is_ollama {
            return Ok(self.listed().await?.into_iter().map(|name| (name, 0)).collect());
        }
        let models = self.client.ollama_loaded(&self.endpoint).await.map_err(failed)?;
        let sized = models.into_iter().map(|model| {
            let bytes = model.vram_bytes.filter(|bytes| *bytes > 0).or(model.size_bytes);
            (model.name, bytes.unwrap_or(0))
        });
        Ok(sized.collect())
    }

    async fn has_loaded(&self, name: &str) -> Result<bool, RelayError> {
        let wanted = full_name(name);
        Ok(self.loaded().await?.iter().any(|(name, _)| full_name(name) == wanted))
    }
}

impl Relay {
    /// Notes that a request goes to a local model, until what is returned is dropped.
    pub(crate) fn answering(&self, provider: ProviderId, model: &str) -> Option<Arc<AtWork>> {
        let is_local = provider == ProviderId::Local;
        is_local.then(|| Arc::new(self.0.local.book.answering(model, self.0.config.clock.now())))
    }

    /// `None` where local models are switched off.
    async fn local_server(&self) -> Result<Option<Server<'_>>, RelayError> {
        let Some(endpoint) = self.local_endpoint() else { return Ok(None) };
        let config = &self.0.config;
        let is_ollama = config.client.ollama_version(&endpoint).await.map_err(failed)?.is_some();
        let auth = config.providers.server_key(ProviderId::Local);
        Ok(Some(Server { client: &config.client, endpoint, auth, is_ollama }))
    }

    fn local_endpoint(&self) -> Option<Endpoint> {
        // The address was checked at the start.
        self.0.config.providers.endpoint(ProviderId::Local, None).ok().flatten()
    }

    /// The prefix decides, then the list of models: an id means here what it means to a request. A name that stands
    /// nowhere may still be one that has just come, or one without its tag.
    async fn named(&self, user: UserId, id: &str) -> Result<Named, RelayError> {
        let prefixed = split_prefix(id);
        if let Some((ProviderId::Local, name)) = prefixed {
            return Ok(Named::Local { name: name.to_owned(), is_certain: true });
        }
        let found = self.whole_catalogue(user).await?.into_iter().find(|entry| entry.is_asked_for_by(id));
        Ok(match (found, prefixed) {
            (Some(entry), _) if entry.provider == ProviderId::Local => {
                Named::Local { name: entry.model.id, is_certain: true }
            }
            (Some(entry), _) => Named::Hosted(Box::new(entry)),
            (None, None) => Named::Local { name: id.to_owned(), is_certain: false },
            (None, Some(_)) => Named::Nothing,
        })
    }

    /// The local models in memory.
    pub async fn loaded_models(&self) -> Result<Vec<LoadedLocalModel>, RelayError> {
        let Some(server) = self.local_server().await? else { return Ok(Vec::new()) };
        let loaded = server.loaded().await?;
        let now = self.0.config.clock.now();
        let names: Vec<&str> = loaded.iter().map(|(name, _)| name.as_str()).collect();
        let known = self.0.local.book.see(&names, now);
        let models = loaded.iter().zip(known).map(|((name, memory_bytes), known)| {
            let loaded_at = known.seen_at.unwrap_or(now);
            LoadedLocalModel {
                id: local_id(name),
                loaded_at,
                last_used_at: known.used_at.unwrap_or(loaded_at),
                memory_bytes: *memory_bytes,
                busy_count: known.uses,
            }
        });
        Ok(models.collect())
    }

    /// Whether a model is ready, by its id in the list of models; `None` when there is no such model.
    pub async fn model_status(&self, user: UserId, id: &str) -> Result<Option<(String, RuntimeStatus)>, RelayError> {
        let (name, is_certain) = match self.named(user, id).await? {
            Named::Hosted(entry) => {
                let status = match entry.access {
                    Access::Available => RuntimeStatus::Loaded,
                    Access::Locked => RuntimeStatus::Unloaded,
                };
                return Ok(Some((entry.id(), status)));
            }
            Named::Local { name, is_certain } => (name, is_certain),
            Named::Nothing => return Ok(None),
        };
        match self.local_status(&name).await {
            // Nothing says that it is a model at all.
            Err(RelayError::Upstream { .. }) if !is_certain => Ok(None),
            status => status,
        }
    }

    async fn local_status(&self, name: &str) -> Result<Option<(String, RuntimeStatus)>, RelayError> {
        let Some(server) = self.local_server().await? else { return Ok(None) };
        let Some(name) = server.find(name).await? else { return Ok(None) };
        let known = self.0.local.book.of(&name);
        let status = match server.has_loaded(&name).await? {
            true if known.uses > 0 => RuntimeStatus::Busy,
            true => RuntimeStatus::Loaded,
            false if known.loads > 0 => RuntimeStatus::Loading,
            false => RuntimeStatus::Unloaded,
        };
        Ok(Some((local_id(&name), status)))
    }

    /// Has a model loaded, where it stays; `None` when there is no such model. Waits for it when asked to, else only begins.
    pub async fn load_model(&self, user: UserId, id: &str, wait: bool) -> Result<Option<Load>, RelayError> {
        let name = match self.named(user, id).await? {
            Named::Hosted(entry) => return Ok(Some(Load::Hosted { id: entry.id(), provider: entry.provider })),
            Named::Local { name, .. } => name,
            Named::Nothing => return Ok(None),
        };
        let server = self.local_server().await?.ok_or(RelayError::LocalDisabled)?;
        let Some(name) = server.find(&name).await? else {
            return if server.is_ollama { Ok(None) } else { Err(RelayError::NotSupported("load")) };
        };
        let id = local_id(&name);
        if server.has_loaded(&name).await? {
            return Ok(Some(Load::Loaded { id }));
        }
        if self.takes_no_work() {
            return Err(RelayError::Stopping);
        }
        let (loading, is_first) = self.0.local.book.loading(&name);
        if wait {
            self.load(&server.endpoint, &name, loading).await?;
            return Ok(Some(Load::Loaded { id }));
        }
        if is_first {
            let (relay, endpoint) = (self.clone(), server.endpoint);
            self.0.local.work.spawn(async move { relay.load_quietly(&endpoint, &name, loading).await });
        }
        Ok(Some(Load::Loading { id }))
    }

    async fn load(&self, endpoint: &Endpoint, name: &str, loading: AtWork) -> Result<(), RelayError> {
        let config = &self.0.config;
        let loaded = config.client.ollama_load(endpoint, name).await.map_err(failed);
        if loaded.is_ok() {
            self.0.local.book.loaded(name, config.clock.now());
        }
        drop(loading);
        loaded
    }

    async fn load_quietly(&self, endpoint: &Endpoint, name: &str, loading: AtWork) {
        tokio::select! {
            biased;
            () = self.stopped() => {}
            loaded = self.load(endpoint, name, loading) => {
                if let Err(error) = loaded {
                    tracing::warn!(%error, model = name, "a local model could not be loaded");
                }
            }
        }
    }

    /// Has a model out of memory. One that answers a request of this process stays, unless it is forced out.
    pub async fn unload_model(&self, user: UserId, id: &str, force: bool) -> Result<Unload, RelayError> {
        let Named::Local { name, is_certain } = self.named(user, id).await? else { return Ok(Unload::Nothing) };
        let server = match self.local_server().await {
            Ok(Some(server)) => server,
            Ok(None) => return Ok(Unload::Nothing),
            Err(RelayError::Upstream { .. }) if !is_certain => return Ok(Unload::Nothing),
            Err(error) => return Err(error),
        };
        if !server.is_ollama && is_certain {
            return Err(RelayError::NotSupported("unload"));
        }
        let Some(name) = server.find(&name).await? else { return Ok(Unload::Nothing) };
        let book = &self.0.local.book;
        if book.of(&name).uses > 0 && !force {
            return Err(RelayError::ModelBusy);
        }
        server.client.ollama_unload(&server.endpoint, &name).await.map_err(failed)?;
        book.unloaded(&name);
        self.forget_local_list();
        Ok(Unload::Unloaded { id: local_id(&name) })
    }
}
