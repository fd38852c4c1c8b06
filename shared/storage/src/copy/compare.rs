//! Two databases side by side, at any time.

use std::cmp::Ordering;

use super::{
    conn::Conn,
    end::DatabaseEnd,
    error::{CopyError, Side},
    row::{Row, key_order},
    scan::{Progress, Step, Summing, TableSum, Teller},
    tables::{TABLES, Table},
};

/// How many differing rows of a table are named.
const NAMED: usize = 10;

/// One row that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The primary key.
    pub id: String,
    /// The columns that differ; none where only one side has the row.
    pub columns: Vec<&'static str>,
    /// The side that has it, where only one has.
    pub only_in: Option<Side>,
}

#[derive(Clone, Debug)]
pub struct TableComparison {
    pub source: TableSum,
    pub target: TableSum,
    /// How many rows differ or are on one side alone.
    pub differing: u64,
    /// The first ten of them.
    pub differences: Vec<Difference>,
}

impl TableComparison {
    pub fn is_equal(&self) -> bool {
        self.differing == 0 && self.source == self.target
    }
}

#[derive(Clone, Debug)]
pub struct Comparison {
    pub tables: Vec<TableComparison>,
}

impl Comparison {
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(TableComparison::is_equal)
    }
}

/// Compares every row of two databases; changes neither.
pub async fn compare_databases(
    source: &DatabaseEnd,
    target: &DatabaseEnd,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Comparison, CopyError> {
    let mut left = source.open_for_reading(Side::Source).await?;
    let mut right = target.open_for_reading(Side::Target).await?;
    let mut teller = Teller::new(progress, Step::Comparing, None);
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        teller.table(table.name);
        tables.push(compare_table(table, &mut left, &mut right, &mut teller).await?);
    }
    left.close().await;
    right.close().await;
    Ok(Comparison { tables })
}

async fn compare_table(
    table: &'static Table,
    left: &mut Conn,
    right: &mut Conn,
    teller: &mut Teller<'_>,
) -> Result<TableComparison, CopyError> {
    let (mut source, mut target) = (Reader::new(table, left, Side::Source), Reader::new(table, right, Side::Target));
    let (mut differing, mut differences) = (0, Vec::new());
    source.step().await?;
    target.step().await?;
    while source.has_row || target.has_row {
        let order = match (source.has_row, target.has_row) {
            (true, true) => key_order(table, &source.row, &target.row),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        if order != Ordering::Equal || source.row.bytes() != target.row.bytes() {
            differing += 1;
            if differences.len() < NAMED {
                differences.push(difference(table, order, &source.row, &target.row));
            }
        }
        teller.row(table.name);
        if order.is_le() {
            source.step().await?;
        }
        if order.is_ge() {
            target.step().await?;
        }
    }
    Ok(TableComparison { source: source.sum.finish(), target: target.sum.finish(), differing, differences })
}

/// One side's rows, with the one that is looked at.
struct Reader<'c> {
    side: Side,
    table: &'static str,
    rows: super::conn::Rows<'c>,
    row: Row,
    has_row: bool,
    sum: Summing,
}

impl<'c> Reader<'c> {
    fn new(table: &'static Table, conn: &'c mut Conn, side: Side) -> Self {
        let sum = Summing::new(table);
        Self { side, table: table.name, rows: conn.rows(table, None), row: Row::default(), has_row: false, sum }
    }

    async fn step(&mut self) -> Result<(), CopyError> {
        let read = self.rows.next(&mut self.row).await;
        self.has_row = read.map_err(CopyError::of(self.side, Some(self.table)))?;
        if self.has_row {
            self.sum.row(&self.row);
        }
        Ok(())
    }
}

fn difference(table: &Table, order: Ordering, source: &Row, target: &Row) -> Difference {
    match order {
        Ordering::Less => Difference { id: source.id(table), columns: Vec::new(), only_in: Some(Side::Source) },
        Ordering::Greater => Difference { id: target.id(table), columns: Vec::new(), only_in: Some(Side::Target) },
        Ordering::Equal => {
            let columns = table.columns.iter().enumerate();
            let columns = columns.filter(|(place, _)| !source.same_cell(target, *place));
            Difference {
                id: source.id(table),
                columns: columns.map(|(_, column)| column.name).collect(),
                only_in: None,
            }
        }
    }
}
