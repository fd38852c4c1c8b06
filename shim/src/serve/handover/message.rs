//! The one message that carries files from process to process. A newer version must be able to read an older one's.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// One byte: the form of the message, and whether a lock comes with it.
const WITHOUT_LOCK: u8 = b'1';
const WITH_LOCK: u8 = b'2';
/// The listener, the lock, and the lifelines of so many reloads that a minute has hardly more.
const MOST_FILES: usize = 16;

pub(super) struct Handed {
    pub(super) listener: OwnedFd,
    pub(super) lock: Option<OwnedFd>,
    pub(super) lifelines: Vec<OwnedFd>,
}

pub(super) fn send(socket: impl AsFd, handed: &Handed) -> io::Result<()> {
    let form = if handed.lock.is_some() { WITH_LOCK } else { WITHOUT_LOCK };
    let files: Vec<_> = [&handed.listener].into_iter().chain(&handed.lock).chain(&handed.lifelines).collect();
    let files: Vec<_> = files.into_iter().map(|file| file.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("too many processes before this one have not ended yet: try again later"));
    }
    sendmsg(socket, &[IoSlice::new(&[form])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// `None` for a message in a form of later times, or none at all.
pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<Handed>> {
    let mut form = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(&mut form)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            files.extend(passed);
        }
    }
    let mut files = files.into_iter();
    let lock = |files: &mut std::vec::IntoIter<OwnedFd>| match form {
        [WITHOUT_LOCK] => Some(None),
        [WITH_LOCK] => files.next().map(Some),
        _ => None,
    };
    let Some(listener) = files.next() else { return Ok(None) };
    let Some(lock) = lock(&mut files) else { return Ok(None) };
    Ok(Some(Handed { listener, lock, lifelines: files.collect() }))
}
