use serde_json::Value;

use crate::{Event, Losses, Malformed, Reply, Request, Stamp, Unreadable, Unsupported};

pub(crate) fn read_request(_body: &[u8]) -> Result<Request, Malformed> {
    Err(Malformed { param: None, message: String::new() })
}

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

pub(crate) fn write_reply(_reply: Reply, _stamp: &Stamp) -> Value {
    Value::Null
}

#[derive(Debug)]
pub(crate) struct StreamWriter;

impl StreamWriter {
    pub(crate) fn new(_request: &Request, _stamp: Stamp) -> Self {
        Self
    }

    pub(crate) fn write(&mut self, _event: Event, _out: &mut Vec<u8>) {}

    pub(crate) fn fail(&mut self, _error: &Value, _out: &mut Vec<u8>) {}
}
