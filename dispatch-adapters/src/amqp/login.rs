//! The login, which the client never gets to know.
//!
//! The client logs every frame that it sends, and the login stands in one of them. So it is given another one of the
//! same length, and the stream writes the real one in its place.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use lapin::uri::{AMQPUri, SASLMechanism};

/// What the client sends first: protocol and version.
const GREETING: usize = 8;
/// Kind, channel and size of a frame.
const HEAD: usize = 7;
/// Class and method of `connection.start-ok`.
const START_OK: [u8; 4] = [0, 10, 0, 11];
/// A frame with a login is far shorter; what is longer is not one.
const LONGEST: usize = 128 * 1024;

/// What is answered to the broker that asks who it is.
#[derive(Clone)]
pub(super) struct Login(Arc<[u8]>);

impl Login {
    /// Takes user and password out of a URI. `None` if it asks for a way to log in that is not known here.
    pub(super) fn take_from(uri: &mut AMQPUri) -> Option<Self> {
        let user = &mut uri.authority.userinfo;
        let login = match uri.query.auth_mechanism.unwrap_or_default() {
            SASLMechanism::Plain => format!("\0{}\0{}", user.username, user.password),
            SASLMechanism::External | SASLMechanism::Anonymous => String::new(),
            _ => return None,
        };
        user.username = String::new();
        user.password = "*".repeat(login.len().saturating_sub(2));
        Some(Self(login.into_bytes().into()))
    }

    /// A new connection, on which nothing has been said.
    pub(super) fn on<S>(self, stream: S) -> LoginStream<S> {
        LoginStream { stream, stage: Stage::Greeting(GREETING), login: self }
    }

    /// Puts the login into the frame of the client's answer; any other frame stays as it is.
    fn put_into(&self, frame: &mut [u8]) {
        let place = || -> Option<std::ops::Range<usize>> {
            let mut at = HEAD;
            let mut take = |length: usize| {
                let part = at..at.checked_add(length)?;
                at = part.end;
                Some(part)
            };
            if frame.get(take(START_OK.len())?)? != START_OK {
                return None;
            }
            let properties = long(frame.get(take(4)?)?)?;
            take(properties)?;
            let mechanism = usize::from(*frame.get(take(1)?)?.first()?);
            take(mechanism)?;
            let login = long(frame.get(take(4)?)?)?;
            take(login)
        };
        if let Some(place) = place()
            && let Some(place) = frame.get_mut(place)
            && place.len() == self.0.len()
        {
            place.copy_from_slice(&self.0);
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

fn long(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
}

/// A connection on which the real login is written.
#[derive(Debug)]
pub(super) struct LoginStream<S> {
    stream: S,
    stage: Stage,
    login: Login,
}

enum Stage {
    /// So many bytes are left.
    Greeting(usize),
    /// The beginning of the first frame; nothing of it is sent yet.
    Frame(Vec<u8>),
    /// The first frame, how much of it is sent, and how many bytes of it the client has yet to be told of.
    Sending { frame: Vec<u8>, sent: usize, told: usize },
    /// The login is sent.
    Open,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting(_) => "Greeting",
            Self::Frame(_) => "Frame",
            Self::Sending { .. } => "Sending",
            Self::Open => "Open",
        })
    }
}

/// How many bytes the frame has that begins like this; `None` as long as nobody can know.
fn size(begun: &[u8]) -> Option<usize> {
    let size = long(begun.get(3..HEAD)?)?;
    // With the byte at its end.
    size.checked_add(HEAD + 1)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LoginStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, stage, login } = self.get_mut();
        loop {
            match stage {
                Stage::Open => return Pin::new(stream).poll_write(cx, bytes),
                Stage::Greeting(left) => {
                    let part = bytes.get(..*left).unwrap_or(bytes);
                    let written = ready!(Pin::new(stream).poll_write(cx, part))?;
                    *left = left.saturating_sub(written);
                    if *left == 0 {
                        *stage = Stage::Frame(Vec::new());
                    }
                    return Poll::Ready(Ok(written));
                }
                Stage::Frame(begun) => {
                    // First what tells the size, then the rest: no byte of what follows.
                    let wanted = size(begun).unwrap_or(HEAD);
                    if wanted > LONGEST {
                        return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                    }
                    let missing = wanted.saturating_sub(begun.len());
                    let part = bytes.get(..missing).unwrap_or(bytes);
                    begun.extend_from_slice(part);
                    if begun.len() < wanted || begun.len() == HEAD {
                        return Poll::Ready(Ok(part.len()));
                    }
                    let (mut frame, told) = (std::mem::take(begun), part.len());
                    login.put_into(&mut frame);
                    *stage = Stage::Sending { frame, sent: 0, told };
                }
                Stage::Sending { frame, sent, told } => {
                    while let Some(rest) = frame.get(*sent..).filter(|rest| !rest.is_empty()) {
                        // Until all is sent the client is told of nothing, and comes again with the same bytes.
                        match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                            written => *sent = sent.saturating_add(written),
                        }
                    }
                    let told = *told;
                    *stage = Stage::Open;
                    return Poll::Ready(Ok(told));
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LoginStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures_util::task::noop_waker;

    use super::*;

    /// Takes so many bytes at each other call, and none at the others.
    #[derive(Default)]
    struct Slow {
        most: usize,
        ready: bool,
        written: Vec<u8>,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.ready = !self.ready;
            if self.ready {
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.most);
            self.written.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn frame(method: [u8; 4], login: &str) -> Vec<u8> {
        let mut body = method.to_vec();
        body.extend([0, 0, 0, 3]);
        body.extend(b"abc");
        body.extend(b"\x05PLAIN");
        body.extend(u32::try_from(login.len()).unwrap().to_be_bytes());
        body.extend(login.as_bytes());
        body.extend(b"\x05en_US");
        let mut frame = vec![1, 0, 0];
        frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend(body);
        frame.push(0xCE);
        frame
    }

    fn taken(url: &str) -> (Login, String) {
        let mut uri = url.parse::<AMQPUri>().unwrap();
        let login = Login::take_from(&mut uri).unwrap();
        let told = format!("\0{}\0{}", uri.authority.userinfo.username, uri.authority.userinfo.password);
        assert!(!format!("{uri:?}{login:?}").contains("hunter2"));
        (login, told)
    }

    /// What arrives when the client hands over so many bytes at a time, and the stream takes so many.
    fn written(login: Login, sent: &[u8], offered: usize, most: usize) -> Vec<u8> {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let mut stream = login.on(Slow { most, ..Slow::default() });
        let mut left: VecDeque<u8> = sent.iter().copied().collect();
        while !left.is_empty() {
            left.make_contiguous();
            let (bytes, _) = left.as_slices();
            let bytes = &bytes[..bytes.len().min(offered)];
            if let Poll::Ready(written) = Pin::new(&mut stream).poll_write(&mut cx, bytes) {
                left.drain(..written.unwrap());
            }
        }
        stream.stream.written
    }

    #[test]
    fn the_login_is_written_where_the_client_has_none_however_it_is_cut() {
        let (login, told) = taken("amqp://app:hunter2@h/%2f");
        let rest = b"and all that follows \0**\0**";
        let sent = [b"AMQP\0\0\x09\x01".as_slice(), &frame(START_OK, &told), rest].concat();
        let expected = [b"AMQP\0\0\x09\x01".as_slice(), &frame(START_OK, "\0app\0hunter2"), rest].concat();
        for offered in [1, 2, 7, 8, 9, 20, 1_000] {
            for most in [1, 5, 1_000] {
                assert_eq!(written(login.clone(), &sent, offered, most), expected, "{offered} {most}");
            }
        }
    }

    #[test]
    fn another_frame_stays_as_it_is() {
        let (login, told) = taken("amqp://app:hunter2@h/%2f");
        for other in [frame([0, 10, 0, 31], &told), frame(START_OK, "short"), vec![8, 0, 0, 0, 0, 0, 0, 0xCE]]
        {
            let sent = [b"AMQP\0\0\x09\x01".as_slice(), &other].concat();
            assert_eq!(written(login.clone(), &sent, 1_000, 1_000), sent);
        }
    }

    #[test]
    fn a_way_to_log_in_that_would_show_it_is_not_taken() {
        let take = |mechanism: &str| {
            let url = format!("amqp://app:hunter2@h/%2f?auth_mechanism={mechanism}");
            Login::take_from(&mut url.parse::<AMQPUri>().unwrap()).is_some()
        };
        assert!(take("plain") && take("external") && take("anonymous"));
        assert!(!take("amqplain") && !take("rabbit-cr-demo"));
    }
}
