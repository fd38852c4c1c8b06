//! A session of a thousand exchanges, among many of another person.

use llm_api_testkit::{Database, Person, each_db};
use serde_json::json;

use super::{fill, list, open, say, shown, start};
use crate::database::OpenDatabase;

/// The statements themselves: what is explained here must be what is asked there.
const SOURCES: [&str; 2] =
    [include_str!("../../../shared/storage/src/sessions.rs"), include_str!("../../../shared/storage/src/exchanges.rs")];

/// A statement that reads sessions, and how it may find its rows.
struct Read {
    what: &'static str,
    /// What stands behind the columns, word for word and in as many pieces as in the source.
    pieces: &'static [&'static str],
    values: &'static [&'static str],
    /// What the plan must have: the index, and the columns that it is entered by. Postgres may sort what it found.
    sqlite: &'static str,
    postgres: [&'static str; 2],
}

const BY_NUMBER: &str = "exchanges_session_id_user_id_sequence_key";
const OF_ONE_PERSON: &str = "Index Cond: ((session_id = '{session}'::uuid) AND (user_id = '{user}'::uuid)";

const READS: [Read; 5] = [
    Read {
        what: "the list of a person's sessions",
        pieces: &["FROM sessions WHERE user_id = $1 ORDER BY last_used_at DESC, id DESC LIMIT $2 OFFSET $3"],
        values: &["{user}", "10001", "0"],
        sqlite: "SEARCH sessions USING INDEX sessions_by_user (user_id=?)",
        postgres: ["using sessions_by_user", "Index Cond: (user_id = '{user}'::uuid)"],
    },
    Read {
        what: "one session",
        pieces: &["FROM sessions WHERE id = $1 AND user_id = $2"],
        values: &["{session}", "{user}"],
        sqlite: "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)",
        postgres: ["using sessions_pkey", "Index Cond: (id = '{session}'::uuid)"],
    },
    Read {
        what: "the exchanges of a session",
        pieces: &[
            "FROM exchanges WHERE session_id = $1 AND user_id = $2",
            "AND sequence > $3 ORDER BY sequence LIMIT $4",
        ],
        values: &["{session}", "{user}", "0", "9223372036854775807"],
        sqlite: "SEARCH exchanges USING INDEX sqlite_autoindex_exchanges_2 (session_id=? AND user_id=? AND sequence>?)",
        postgres: [BY_NUMBER, OF_ONE_PERSON],
    },
    Read {
        what: "the last exchange of a session",
        pieces: &["FROM exchanges WHERE session_id = $1 AND user_id = $2", "ORDER BY sequence DESC LIMIT 1"],
        values: &["{session}", "{user}"],
        sqlite: "SEARCH exchanges USING INDEX sqlite_autoindex_exchanges_2 (session_id=? AND user_id=?)",
        postgres: [BY_NUMBER, OF_ONE_PERSON],
    },
    Read {
        what: "what of a session is sent along",
        pieces: &[
            "FROM exchanges WHERE session_id = $1 AND user_id = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT $4",
        ],
        values: &["{session}", "{user}", "9223372036854775807", "256"],
        sqlite: "SEARCH exchanges USING INDEX sqlite_autoindex_exchanges_2 (session_id=? AND user_id=? AND sequence<?)",
        postgres: [BY_NUMBER, OF_ONE_PERSON],
    },
];

/// Twenty thousand sessions with an exchange each, and what the databases count to plan by.
const SQLITE_CROWD: [&str; 3] = [
    "INSERT INTO sessions WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
     SELECT randomblob(16), {user}, 'active', NULL, NULL, NULL, 1, 1, 1795348800000000 + i, 1795348800000000 + i
     FROM n",
    "INSERT INTO exchanges SELECT randomblob(16), id, user_id, 1, id, 'text', 'openai', 'echo', 'completed', NULL, NULL,
     created_at, 'Hello', 'You said: Hello', NULL, NULL, NULL FROM sessions WHERE user_id = {user}",
    "ANALYZE",
];
const POSTGRES_CROWD: [&str; 3] = [
    "INSERT INTO sessions SELECT gen_random_uuid(), {user}, 'active', NULL, NULL, NULL, 1, 1,
     timestamptz '2026-11-22 12:00:00Z' + i * interval '1 ms', timestamptz '2026-11-22 12:00:00Z' + i * interval '1 ms'
     FROM generate_series(1, 20000) AS n (i)",
    "INSERT INTO exchanges SELECT gen_random_uuid(), id, user_id, 1, id, 'text', 'openai', 'echo', 'completed', NULL,
     NULL, created_at, 'Hello', 'You said: Hello', NULL, NULL, NULL FROM sessions WHERE user_id = {user}",
    "ANALYZE sessions, exchanges",
];

/// An id as the database writes it.
fn literal(database: Database, id: &str) -> String {
    match database {
        Database::Sqlite => format!("x'{}'", id.replace('-', "")),
        Database::Postgres => format!("'{id}'"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Read {
    /// The whole statement with the values of `person` and `session` in it.
    fn statement(&self, database: Database, person: &Person, session: &str) -> String {
        for piece in self.pieces {
            let is_asked = SOURCES.iter().any(|source| one_line(source).contains(piece));
            assert!(is_asked, "{} is asked for otherwise than explained here: {piece}", self.what);
        }
        let mut statement = format!("SELECT * {}", self.pieces.join(" "));
        for (index, value) in self.values.iter().enumerate() {
            let value = match *value {
                "{user}" => literal(database, &person.id),
                "{session}" => literal(database, session),
                number => number.to_owned(),
            };
            statement = statement.replace(&format!("${}", index + 1), &value);
        }
        statement
    }

    fn assert_plan(&self, database: Database, plan: &str, person: &Person, session: &str) {
        match database {
            Database::Sqlite => {
                assert!(plan.contains(self.sqlite), "{}: {plan}", self.what);
                assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{}: {plan}", self.what);
            }
            Database::Postgres => {
                for part in self.postgres {
                    let part = part.replace("{user}", &person.id).replace("{session}", session);
                    assert!(plan.contains(&part), "{}: {part} in {plan}", self.what);
                }
                assert!(!plan.contains("Seq Scan"), "{}: {plan}", self.what);
            }
        }
    }
}

each_db! {
    async fn a_thousand_exchanges_are_listed_opened_and_sent_along(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        fill(&app, &ada, &session, 1000, 0).await;
        assert_eq!(list(&app, &ada).await[0]["message_count"], 1000);
        let shown = shown(&app, &ada, &session).await;
        let messages = shown["messages"].as_array().expect("messages");
        assert_eq!((&shown["message_count"], messages.len()), (&json!(1000), 2000));
        for (number, two) in (1..).zip(messages.chunks(2)) {
            assert_eq!(two[0]["content"], format!("question {number:04}"));
            assert_eq!(two[1]["content"], format!("answer {number:04}"));
        }
        let reply = say(&app, &ada, &session, "openai:counts", "How many?").await;
        let said = reply["output"]["text"].as_str().expect("a text");
        assert!(said.starts_with("turns: 2001 user assistant user"), "{}", &said[..said.len().min(50)]);
        let sent = &app.provider.last_request().body["messages"];
        assert_eq!((&sent[0]["content"], &sent[1999]["content"]), (&json!("question 0001"), &json!("answer 1000")));
    }

    async fn nobody_elses_rows_are_read_on_the_way(database: Database) {
        let shared = OpenDatabase::new(database).await;
        let (app, ada) = start(database, &[shared.setting()]).await;
        let bob = app.person("bob").await;
        let session = open(&app, &ada, json!({})).await;
        fill(&app, &ada, &session, 300, 0).await;
        for _ in 0..20 {
            open(&app, &ada, json!({})).await;
        }
        let crowd = match database {
            Database::Sqlite => SQLITE_CROWD,
            Database::Postgres => POSTGRES_CROWD,
        };
        for statement in crowd {
            shared.query(&statement.replace("{user}", &literal(database, &bob.id))).await;
        }
        let explain = match database {
            Database::Sqlite => "EXPLAIN QUERY PLAN",
            Database::Postgres => "EXPLAIN (COSTS OFF)",
        };
        for read in READS {
            let statement = read.statement(database, &ada, &session);
            let plan = shared.query(&format!("{explain} {statement}")).await;
            read.assert_plan(database, &plan, &ada, &session);
        }
        assert_eq!(list(&app, &ada).await.len(), 21);
    }
}
