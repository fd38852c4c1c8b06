use serde_json::Value;

use crate::{Event, Losses, Reply, Request, Unreadable, Unsupported};

pub(crate) fn write_request(_request: Request, _model: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    Err(losses.never("model", "not yet"))
}

pub(crate) fn read_reply(_body: &[u8]) -> Result<Reply, Unreadable> {
    Err(Unreadable::OtherForm("not yet"))
}

#[derive(Debug, Default)]
pub(crate) struct StreamReader;

impl StreamReader {
    pub(crate) fn read(&mut self, _data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        Ok(Vec::new())
    }
}
