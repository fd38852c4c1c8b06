//! Makes room in the target, and takes what slows its filling out of the way: all within the transaction.

use super::{
    conn::Conn,
    error::{CopyError, Side},
    tables::TABLES,
};

fn quoted_names() -> String {
    let names: Vec<String> = TABLES.iter().map(|table| format!("'{}'", table.name)).collect();
    names.join(", ")
}

/// Empties our tables and nothing else. Rows go in the reverse order of the references. On Postgres one `TRUNCATE` of
/// exactly these tables does the same within the transaction: deleting row by row would look up every deleted parent among
/// all the deleted children. `RESTRICT` refuses where another application's table refers to one of ours.
pub(crate) async fn clear(target: &mut Conn) -> Result<(), CopyError> {
    if let Some(table) = foreign_reference(target).await.map_err(CopyError::of(Side::Target, None))? {
        return Err(CopyError::ForeignTable { table });
    }
    match target {
        Conn::Postgres(_) => {
            let names: Vec<&str> = TABLES.iter().rev().map(|table| table.name).collect();
            let statement = format!("TRUNCATE TABLE ONLY {} RESTRICT", names.join(", ONLY "));
            target.run(statement).await.map_err(CopyError::of(Side::Target, None))
        }
        Conn::Sqlite(_) => {
            for table in TABLES.iter().rev() {
                let statement = format!("DELETE FROM {}", table.name);
                target.run(statement).await.map_err(CopyError::of(Side::Target, Some(table.name)))?;
            }
            Ok(())
        }
    }
}

/// A table that is not ours and has a foreign key to one of ours.
async fn foreign_reference(target: &mut Conn) -> Result<Option<String>, sqlx::Error> {
    let ours = quoted_names();
    let query = match target {
        Conn::Sqlite(_) => format!(
            "SELECT m.name FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
             WHERE m.type = 'table' AND m.name NOT IN ({ours}) AND f.\"table\" COLLATE NOCASE IN ({ours}) LIMIT 1"
        ),
        Conn::Postgres(_) => format!(
            "SELECT f.conrelid::regclass::text FROM pg_constraint f
             JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
             JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
             WHERE f.contype = 'f' AND pn.nspname = current_schema() AND p.relname IN ({ours})
             AND NOT (cn.nspname = current_schema() AND c.relname IN ({ours})) LIMIT 1"
        ),
    };
    Ok(target.texts(query).await?.pop())
}

/// The foreign keys of our tables on Postgres. Looking up the parent of every single row takes longer than everything else
/// together, so they are taken off, and come back over the whole tables: the same words in the same transaction.
pub(crate) struct References(Vec<String>);

impl References {
    /// Lets those be that another role owns: they cost time and nothing else.
    pub(crate) async fn lift(target: &mut Conn) -> Result<Self, CopyError> {
        if matches!(target, Conn::Sqlite(_)) {
            return Ok(Self(Vec::new()));
        }
        let read = |statement: &str| {
            format!(
                "SELECT format({statement}) FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE f.contype = 'f' AND n.nspname = current_schema() AND c.relname IN ({}) AND f.convalidated
                 AND pg_has_role(c.relowner, 'USAGE') ORDER BY c.relname, f.conname",
                quoted_names()
            )
        };
        let failed = CopyError::of(Side::Target, None);
        let back = "'ALTER TABLE %s ADD CONSTRAINT %I %s', c.oid::regclass, f.conname, pg_get_constraintdef(f.oid)";
        let back = target.texts(read(back)).await.map_err(&failed)?;
        let off = "'ALTER TABLE %s DROP CONSTRAINT %I', c.oid::regclass, f.conname";
        for statement in target.texts(read(off)).await.map_err(&failed)? {
            target.run(statement).await.map_err(&failed)?;
        }
        Ok(Self(back))
    }

    pub(crate) async fn restore(self, target: &mut Conn) -> Result<(), CopyError> {
        for statement in self.0 {
            target.run(statement).await.map_err(CopyError::of(Side::Target, None))?;
        }
        Ok(())
    }
}
