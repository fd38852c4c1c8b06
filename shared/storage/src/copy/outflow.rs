//! Rows out of Postgres: its binary COPY, which is the form that rows have here anyway.

use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _, stream::BoxStream};
use sqlx::PgConnection;

use super::row::Row;

/// Signature and flags; the length of an extension follows.
const HEADER: usize = 11 + 4;
/// Stands for the count of fields after the last row.
const END: i16 = -1;

pub(crate) struct Outflow<'c> {
    stream: BoxStream<'c, Result<Vec<u8>, sqlx::Error>>,
    columns: usize,
    /// What came and was not read yet begins at `at`.
    buffer: Vec<u8>,
    at: usize,
    has_begun: bool,
}

impl<'c> Outflow<'c> {
    pub(crate) fn new(conn: &'c mut PgConnection, query: &str, columns: usize) -> Self {
        let statement = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
        let stream = async move { conn.copy_out_raw(&statement).await }.boxed().try_flatten_stream();
        let stream = stream.map_ok(|piece| piece.to_vec()).boxed();
        Self { stream, columns, buffer: Vec::new(), at: 0, has_begun: false }
    }

    /// Reads the next row into `row`; false at the end.
    pub(crate) async fn next(&mut self, row: &mut Row) -> Result<bool, sqlx::Error> {
        if !self.has_begun {
            self.take(HEADER).await?;
            let extension = i32::from_be_bytes(self.array().await?);
            self.take(usize::try_from(extension).map_err(|_| broken())?).await?;
            self.has_begun = true;
        }
        let fields = i16::from_be_bytes(self.array().await?);
        if fields == END {
            // To its own end, so that the connection is free again.
            while self.stream.try_next().await?.is_some() {}
            return Ok(false);
        }
        if usize::try_from(fields) != Ok(self.columns) {
            return Err(broken());
        }
        row.begin(self.columns);
        for _ in 0..self.columns {
            match i32::from_be_bytes(self.array().await?) {
                -1 => row.null(),
                length => row.data(self.take(usize::try_from(length).map_err(|_| broken())?).await?),
            }
        }
        Ok(true)
    }

    async fn array<const N: usize>(&mut self) -> Result<[u8; N], sqlx::Error> {
        self.take(N).await?.try_into().map_err(|_| broken())
    }

    async fn take(&mut self, count: usize) -> Result<&[u8], sqlx::Error> {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
        while self.buffer.len() - self.at < count {
            let piece = self.stream.try_next().await?.ok_or_else(broken)?;
            if self.buffer.is_empty() {
                self.buffer = piece;
            } else {
                self.buffer.extend(piece);
            }
        }
        let start = self.at;
        self.at += count;
        Ok(&self.buffer[start..self.at])
    }
}

fn broken() -> sqlx::Error {
    sqlx::Error::Protocol("the rows of COPY ended too early".to_owned())
}
