mod read_requests;
mod replies;
mod streams;
mod write_requests;
