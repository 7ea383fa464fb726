use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dispatch_adapters::model::uuid::Uuid;
use tokio_postgres::NoTls;

use crate::support::{server, soon};

/// A server of PostgreSQL of one's own, which can be stopped and started.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Whose the server is: it does not run as the superuser.
    user: Option<u32>,
    running: Option<Child>,
}

impl Cluster {
    /// A new one, or `None` where nobody says in which folder the programs of the server are.
    pub(crate) async fn start() -> Option<Self> {
        let programs = PathBuf::from(server("DISPATCH_POSTGRES_BIN")?);
        let folder = std::env::temp_dir().join(format!("dispatch-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        let user = (id(&["-u"]) == 0).then(|| id(&["-u", "postgres"]));
        if user.is_some() {
            chown(&folder, user, None).unwrap();
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut cluster = Self { programs, folder, port, user, running: None };
        let data = cluster.data();
        let made = cluster.command("initdb").args(["-U", "postgres", "-A", "trust", "-D"]).arg(data).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.up().await;
        Some(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends the server by a signal: `INT` is a stop, `QUIT` a stop without a checkpoint, `KILL` no stop at all.
    pub(crate) fn down(&mut self, signal: &str) {
        let Some(mut server) = self.running.take() else { return };
        let id = server.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
        server.wait().unwrap();
    }

    /// Starts the server, and waits until it answers. One that was killed leaves processes that hold it up for a moment.
    pub(crate) async fn up(&mut self) {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let starts = async {
            loop {
                look.tick().await;
                let has_ended = |server: &mut Child| server.try_wait().unwrap().is_some();
                if self.running.as_mut().is_none_or(has_ended) {
                    self.running = Some(self.spawn());
                }
                if let Ok((client, connection)) = tokio_postgres::connect(&self.url(), NoTls).await {
                    tokio::spawn(connection);
                    if client.simple_query("SELECT 1").await.is_ok() {
                        return;
                    }
                }
            }
        };
        soon("a server of PostgreSQL", starts).await;
    }

    fn spawn(&self) -> Child {
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder);
        if let Some(user) = self.user {
            command.uid(user);
        }
        command
    }

    fn data(&self) -> PathBuf {
        Path::new(&self.folder).join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.down("QUIT");
        // What is left in a temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What `id` says.
fn id(arguments: &[&str]) -> u32 {
    let said = Command::new("id").args(arguments).output().unwrap();
    assert!(
        said.status.success(),
        "the superuser needs a user named postgres: it cannot run the server itself"
    );
    String::from_utf8(said.stdout).unwrap().trim().parse().unwrap()
}
