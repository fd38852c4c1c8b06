//! The one list of what is moved: every table but the driver's own and the receipts, every column. A test compares it
//! with the real tables of both databases, so that a new migration cannot be forgotten.

use uuid::Uuid;

use crate::Invites;

/// What a column holds, and so how it is read, checked and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 16 bytes.
    Id,
    Text,
    /// Text that must be JSON.
    Json,
    /// One of these texts.
    Word(&'static [&'static str]),
    Bytes,
    /// An envelope of the vault.
    Sealed,
    Int,
    /// 0 or 1 on SQLite.
    Flag,
    /// Microseconds since the Unix epoch on SQLite.
    Time,
    Real,
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    /// The table whose `id` it names.
    pub references: Option<&'static str>,
    /// Text or bytes of any length in an index, of which Postgres takes a third of a page at most.
    pub indexed: bool,
}

impl Column {
    const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    const fn of(self, table: &'static str) -> Self {
        Self { references: Some(table), ..self }
    }
}

/// What a fresh installation has by itself, and a copy may replace without being asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fresh {
    Nothing,
    Anything,
    /// Rows of this condition, with the id as its parameter.
    Rows(&'static str, Uuid),
}

#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub name: &'static str,
    /// Places in `columns`, in the order of the primary key.
    pub key: &'static [usize],
    pub columns: &'static [Column],
    pub(crate) fresh: Fresh,
    /// Integer columns of which the first may not be greater than the second.
    pub(crate) at_most: Option<(usize, usize)>,
}

impl Table {
    /// The place of a column, for those that code names.
    pub(crate) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    pub(crate) fn column_list(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    const fn fresh(self, fresh: Fresh) -> Self {
        Self { fresh, ..self }
    }

    const fn at_most(self, smaller: usize, greater: usize) -> Self {
        Self { at_most: Some((smaller, greater)), ..self }
    }
}

const fn table(name: &'static str, key: &'static [usize], columns: &'static [Column]) -> Table {
    Table { name, key, columns, fresh: Fresh::Nothing, at_most: None }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, nullable: false, references: None, indexed: false }
}

const fn id(name: &'static str) -> Column {
    column(name, Kind::Id)
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const fn json(name: &'static str) -> Column {
    column(name, Kind::Json)
}

const fn word(name: &'static str, words: &'static [&'static str]) -> Column {
    column(name, Kind::Word(words))
}

const fn bytes(name: &'static str) -> Column {
    column(name, Kind::Bytes)
}

const fn sealed(name: &'static str) -> Column {
    column(name, Kind::Sealed)
}

const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}

const fn flag(name: &'static str) -> Column {
    column(name, Kind::Flag)
}

const fn time(name: &'static str) -> Column {
    column(name, Kind::Time)
}

const SERVICE_USER: Uuid = llm_api_domain::SERVICE_USER_ID.as_uuid();

/// Every table, after those that it refers to.
pub static TABLES: &[Table] = &[
    table(
        "users",
        &[0],
        &[
            id("id"),
            text("username").indexed(),
            word("kind", &["person", "service"]),
            text("password_hash").or_null(),
            text("display_name").or_null(),
            text("preferred_model").or_null(),
            json("preferences"),
            flag("is_admin"),
            flag("is_active"),
            time("created_at"),
            time("last_login_at").or_null(),
        ],
    )
    .fresh(Fresh::Rows("id = $1", SERVICE_USER)),
    table(
        "user_tokens",
        &[0],
        &[
            id("id"),
            id("user_id").of("users"),
            word("kind", &["login", "personal"]),
            text("name").or_null(),
            bytes("token_hash").indexed(),
            json("scopes"),
            time("created_at"),
            time("last_used_at").or_null(),
            time("expires_at").or_null(),
            time("revoked_at").or_null(),
            word("on_disconnect", &["cancel", "drain"]),
        ],
    ),
    table(
        "invite_tokens",
        &[0],
        &[
            id("id"),
            bytes("token_hash").indexed(),
            id("created_by").or_null().of("users"),
            flag("grants_admin"),
            int("max_uses"),
            int("uses"),
            id("last_used_by").or_null().of("users"),
            time("created_at"),
            time("expires_at"),
            time("revoked_at").or_null(),
        ],
    )
    .fresh(Fresh::Rows("id = $1 AND uses = 0", Invites::FIRST_ADMIN))
    .at_most(5, 4),
    table(
        "provider_keys",
        &[0],
        &[
            id("id"),
            id("user_id").of("users"),
            text("provider").indexed(),
            text("credential_type"),
            text("base_url").or_null(),
            text("origin"),
            sealed("sealed"),
            text("masked_key"),
            word("status", &["unchecked", "valid", "rejected", "unreachable"]),
            text("status_detail").or_null(),
            time("checked_at").or_null(),
            time("created_at"),
            time("updated_at"),
        ],
    ),
    table("vault_canaries", &[0], &[bytes("key_id").indexed(), sealed("sealed"), time("created_at")])
        .fresh(Fresh::Anything),
    table(
        "requests",
        &[1, 0],
        &[
            id("id"),
            id("user_id").of("users"),
            id("token_id").or_null().of("user_tokens"),
            text("endpoint"),
            text("provider"),
            text("model"),
            flag("streamed"),
            word("status", &["running", "completed", "failed", "incomplete", "cancelled", "interrupted"]),
            text("error_code").or_null(),
            int("prompt_tokens").or_null(),
            int("completion_tokens").or_null(),
            int("total_tokens").or_null(),
            int("cached_tokens").or_null(),
            int("reasoning_tokens").or_null(),
            time("started_at"),
            time("first_byte_at").or_null(),
            time("finished_at").or_null(),
            time("cancel_requested_at").or_null(),
            text("fallback_reason").or_null(),
            id("session_id").or_null(),
        ],
    ),
    table(
        "audit_events",
        &[0],
        &[
            id("id"),
            time("created_at"),
            id("actor_id").or_null().of("users"),
            text("action"),
            id("target_id").or_null(),
            text("address").or_null(),
            id("request_id").or_null(),
            flag("succeeded"),
        ],
    )
    .fresh(Fresh::Rows("target_id = $1 AND action = 'invite.created'", Invites::FIRST_ADMIN)),
    table(
        "sessions",
        &[0],
        &[
            id("id"),
            id("user_id").of("users"),
            word("status", &["active", "closed"]),
            text("title").or_null(),
            text("system_prompt").or_null(),
            json("state_tokens").or_null(),
            int("exchange_count"),
            int("last_sequence"),
            time("created_at"),
            time("last_used_at"),
        ],
    ),
    table(
        "exchanges",
        &[0],
        &[
            id("id"),
            id("session_id").of("sessions"),
            id("user_id").of("users"),
            int("sequence"),
            id("request_id"),
            text("modality"),
            text("provider"),
            text("model"),
            word("status", &["completed", "incomplete"]),
            text("finish_reason").or_null(),
            text("error_code").or_null(),
            time("created_at"),
            text("prompt").or_null(),
            text("reply").or_null(),
            json("state_tokens").or_null(),
            json("input").or_null(),
            json("output").or_null(),
        ],
    ),
    table(
        "default_models",
        &[0],
        &[
            text("modality").indexed(),
            text("provider").or_null(),
            text("model"),
            time("updated_at"),
            id("updated_by").or_null().of("users"),
        ],
    ),
    table(
        "user_default_models",
        &[0, 1],
        &[
            id("user_id").of("users"),
            text("modality").indexed(),
            text("provider").or_null(),
            text("model"),
            time("updated_at"),
        ],
    ),
    table(
        "usage_buckets",
        &[0, 1],
        &[
            time("bucket_start"),
            text("provider").indexed(),
            int("requests"),
            int("errors"),
            int("fallbacks"),
            int("latency_ms_total"),
        ],
    ),
    table(
        "artifacts",
        &[0],
        &[
            id("id"),
            id("user_id").of("users"),
            id("session_id").or_null(),
            word("kind", &["image", "mesh"]),
            text("content_type"),
            int("size_bytes"),
            word("store", &["local", "s3"]),
            text("object_key"),
            time("created_at"),
            time("expires_at").or_null(),
        ],
    ),
    table(
        "download_jobs",
        &[0],
        &[
            id("id"),
            id("user_id").of("users"),
            text("model"),
            word("status", &["queued", "running", "completed", "failed", "cancelled"]),
            column("progress_pct", Kind::Real),
            text("error").or_null(),
            text("source_type").or_null(),
            text("source_uri").or_null(),
            time("created_at"),
            time("started_at").or_null(),
            time("finished_at").or_null(),
            time("cancel_requested_at").or_null(),
        ],
    ),
    table(
        "model_aliases",
        &[0],
        &[
            text("name").indexed(),
            json("targets"),
            text("context_target").or_null(),
            time("created_at"),
            time("updated_at"),
            id("updated_by").or_null().of("users"),
        ],
    ),
    table(
        "user_model_aliases",
        &[0, 1],
        &[
            id("user_id").of("users"),
            text("name").indexed(),
            json("targets"),
            text("context_target").or_null(),
            time("created_at"),
            time("updated_at"),
        ],
    ),
    table(
        "idempotency_keys",
        &[0, 1],
        &[
            id("user_id").of("users"),
            text("key").indexed(),
            bytes("fingerprint"),
            word("state", &["running", "done"]),
            id("request_id"),
            int("status_code").or_null(),
            text("content_type").or_null(),
            json("headers").or_null(),
            bytes("body").or_null(),
            time("created_at"),
            time("finished_at").or_null(),
            time("expires_at"),
            int("kept_bytes"),
        ],
    ),
];
