mod reply;
mod request;
mod stream;
