//! The schema: whether it is there, whether we may use it, and whether others may.

use llm_api_storage::{PostgresProbe, SchemaFacts};

use super::{Failed, Run};

const CHECK: &str = "schema";

/// `Ok` when the tables in it may be looked at.
pub(super) async fn check(run: &mut Run<'_>, probe: &mut PostgresProbe) -> Result<(), Failed> {
    let facts = match run.within(probe.schema()).await {
        Some(Ok(facts)) => facts,
        Some(Err(error)) => {
            run.report.fail(CHECK, error, "look into the server's log");
            return Err(Failed(CHECK));
        }
        None => {
            let detail = run.no_answer();
            run.report.fail(CHECK, detail, "look for locks and load on the server");
            return Err(Failed(CHECK));
        }
    };
    let judged = judge(run, &facts);
    if judged.is_ok() && facts.has_data_api {
        data_api(run, &facts);
    }
    judged
}

fn judge(run: &mut Run<'_>, facts: &SchemaFacts) -> Result<(), Failed> {
    let Some(name) = facts.name.as_deref() else {
        run.report.fail(CHECK, "the role's search_path leads to no schema", "set LLM_API_DATABASE_SCHEMA=llm_api");
        return Err(Failed(CHECK));
    };
    let (role, migrates_elsewhere) = (&facts.role, run.config.migration_database_url.is_some());
    if !facts.exists {
        if facts.may_make || migrates_elsewhere {
            run.report.ok(CHECK, format!("\"{name}\" is not there yet: the migrations make it"));
            return Ok(());
        }
        let remedy = format!("run `CREATE SCHEMA \"{name}\" AUTHORIZATION \"{role}\"` as the database's owner");
        run.report.fail(CHECK, format!("\"{name}\" does not exist, and role \"{role}\" may not make it"), &remedy);
        return Err(Failed(CHECK));
    }
    let knows_us = facts.tables.iter().any(|table| table == "_sqlx_migrations");
    if !facts.may_use || (!facts.may_create && !knows_us && !migrates_elsewhere) {
        let right = if facts.may_use { "CREATE" } else { "USAGE" };
        let remedy = format!("run `GRANT USAGE, CREATE ON SCHEMA \"{name}\" TO \"{role}\"` as its owner");
        run.report.fail(CHECK, format!("role \"{role}\" has no {right} right on \"{name}\""), &remedy);
        return Err(Failed(CHECK));
    }
    if !facts.tables.is_empty() && !knows_us {
        let detail =
            format!("\"{name}\" has tables of another application by the names of ours: {}", list(&facts.tables));
        run.report.fail(CHECK, detail, "set LLM_API_DATABASE_SCHEMA to a schema of our own, such as llm_api");
        return Err(Failed(CHECK));
    }
    if !facts.closed.is_empty() {
        let detail = format!("role \"{role}\" may not read and write {} in \"{name}\"", list(&facts.closed));
        let remedy =
            format!("run `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{name}\" TO \"{role}\"`");
        run.report.fail(CHECK, detail, &remedy);
        return Err(Failed(CHECK));
    }
    let rights = if facts.may_create { "USAGE and CREATE" } else { "USAGE" };
    let tables = match facts.tables.len() {
        0 => "no table of ours yet".to_owned(),
        tables => format!("{tables} tables of ours"),
    };
    run.report.ok(CHECK, format!("\"{name}\", {rights} for role \"{role}\", {tables}"));
    Ok(())
}

/// Supabase serves every table of `public`, and of the schemas that are listed there, to whom the database lets in.
fn data_api(run: &mut Run<'_>, facts: &SchemaFacts) {
    const CHECK: &str = "data-api";
    const EVERYBODY: &str = "PUBLIC, anon, authenticated";
    let Some(name) = facts.name.as_deref() else { return };
    if name == "public" {
        if facts.tables.is_empty() {
            let detail = "Supabase's Data API serves the schema \"public\", where the tables would be";
            run.report.warn(CHECK, detail, "set LLM_API_DATABASE_SCHEMA=llm_api before the first start");
        } else if !facts.open.is_empty() {
            let remedy = format!("run `REVOKE ALL ON {} FROM {EVERYBODY}`", list(&facts.open));
            let detail = format!("Supabase's Data API serves \"public\", and lets others into {}", list(&facts.open));
            run.report.warn(CHECK, detail, &remedy);
        } else {
            run.report.ok(CHECK, "Supabase's Data API serves \"public\", but may use no table of ours");
        }
        return;
    }
    if facts.exposed_to.is_empty() && facts.open.is_empty() {
        run.report.ok(CHECK, format!("Supabase's Data API may not use \"{name}\""));
        return;
    }
    let who = if facts.exposed_to.is_empty() { "the Data API's roles".to_owned() } else { facts.exposed_to.join(", ") };
    let remedy = format!(
        "run `REVOKE ALL ON SCHEMA \"{name}\" FROM {EVERYBODY}; REVOKE ALL ON ALL TABLES IN SCHEMA \"{name}\" FROM {EVERYBODY}`"
    );
    run.report.warn(CHECK, format!("{who} may use \"{name}\", which Supabase's Data API could serve"), &remedy);
}

fn list(tables: &[String]) -> String {
    tables.join(", ")
}
