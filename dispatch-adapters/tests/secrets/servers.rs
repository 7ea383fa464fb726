//! Servers that speak just enough for a client to say who it is, and remember what they hear.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is spoken with clients of each kind.
pub(crate) const KINDS: [&str; 7] = ["http", "amqp", "kafka", "mqtt", "nats", "postgres", "redis"];

/// One server for each kind.
pub(crate) struct Servers(BTreeMap<&'static str, Server>);

struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let mut servers = BTreeMap::new();
        for kind in KINDS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let heard = Arc::new(Mutex::new(Vec::new()));
            servers.insert(kind, Server { port, heard: Arc::clone(&heard) });
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(kind, stream, Arc::clone(&heard)));
                }
            });
        }
        Self(servers)
    }

    /// `127.0.0.1:port` of a server.
    pub(crate) fn place(&self, kind: &str) -> String {
        format!("127.0.0.1:{}", self.0[kind].port)
    }

    /// Whether a client has said that.
    pub(crate) fn has_heard(&self, kind: &str, text: &str) -> bool {
        self.0[kind].heard.lock().unwrap().windows(text.len()).any(|part| part == text.as_bytes())
    }
}

/// Answers everything that is said, until the client goes.
async fn serve(kind: &'static str, mut stream: TcpStream, heard: Arc<Mutex<Vec<u8>>>) {
    if kind == "nats" {
        let info = br#"INFO {"server_id":"S","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576,"auth_required":true}"#;
        let _ = stream.write_all(&[info.as_slice(), b"\r\n"].concat()).await;
    }
    let mut bytes = vec![0; 65_536];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        let said = &bytes[..read];
        heard.lock().unwrap().extend_from_slice(said);
        if stream.write_all(&answer(kind, said)).await.is_err() {
            return;
        }
    }
}

fn answer(kind: &str, said: &[u8]) -> Vec<u8> {
    match (kind, said) {
        ("http", _) => b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
        // Version 0.9, no properties, one way to log in, one language.
        ("amqp", [b'A', b'M', b'Q', b'P', ..]) => {
            let start = b"\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US";
            let size = u8::try_from(start.len()).unwrap();
            [&[1, 0, 0, 0, 0, 0, size], start.as_slice(), &[0xCE]].concat()
        }
        // A question has a number after its size, kind and version. First it is which kinds are known, in version 0 to 3:
        // messages, topics, SASL and this one.
        ("kafka", [_, _, _, _, 0, 18, _, _, number @ ..]) => {
            let kinds = b"\0\0\0\0\0\x03\0\0\x03\0\0\0\x03\0\0\x11\0\0\0\0\0\0\x12\0\0\0\x03\0";
            [&[0, 0, 0, 40], &number[..4], b"\0\0\x05", kinds.as_slice(), b"\0\0\0\0\0"].concat()
        }
        // Then, which ways to log in there are: PLAIN.
        ("kafka", [_, _, _, _, 0, 17, _, _, number @ ..]) => {
            let rest = b"\0\0\0\0\0\x01\0\x05PLAIN";
            [&[0, 0, 0, 17], &number[..4], rest.as_slice()].concat()
        }
        // Bad user name or password.
        ("mqtt", [0x10, ..]) => vec![0x20, 3, 0, 0x86, 0],
        ("nats", [b'C', ..]) => b"-ERR 'Authorization Violation'\r\n".to_vec(),
        ("postgres", [b'p', ..]) => {
            let fields = b"SFATAL\0VFATAL\0C28P01\0Mno\0\0";
            let size = u8::try_from(fields.len() + 4).unwrap();
            [&[b'E', 0, 0, 0, size], fields.as_slice()].concat()
        }
        // Say the password.
        ("postgres", _) => vec![b'R', 0, 0, 0, 8, 0, 0, 0, 3],
        ("redis", _) => b"-WRONGPASS no\r\n".to_vec(),
        _ => Vec::new(),
    }
}
