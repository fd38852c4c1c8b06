//! One server after the other on one port: by a reload, by a restart with a socket that stays, and what the service
//! manager is told.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use llm_api_domain::{RequestId, RequestStatus, UserId};
use llm_api_testkit::{Database, Http, each_db, target_binary};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

use crate::support::{Site, chat, eventually, get, question, sign_in, store_key};

/// For what a test waits for from another process.
const PATIENCE: Duration = Duration::from_mins(1);
/// No request may take longer while servers change: the machine may be busy.
const LONGEST: Duration = Duration::from_secs(5);
const WORKERS: usize = 4;

/// What systemd is to a server: it holds the port, passes it on, and listens to what it is told.
struct Manager {
    listener: TcpListener,
    /// Lines of messages, and those that nobody has asked for yet.
    notes: RefCell<mpsc::UnboundedReceiver<String>>,
    unread: RefCell<Vec<String>>,
    folder: PathBuf,
    envs: Vec<(String, String)>,
    binary: PathBuf,
}

impl Manager {
    fn of(site: &Site) -> Self {
        let folder = site.dir.path().to_owned();
        let notes = RefCell::new(listen(UnixDatagram::bind(folder.join("notify")).expect("a socket")));
        let mut envs: Vec<_> =
            site.envs().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        envs.push(("NOTIFY_SOCKET".to_owned(), folder.join("notify").display().to_string()));
        envs.push(("WATCHDOG_USEC".to_owned(), "200000".to_owned()));
        envs.push(("PATH".to_owned(), "/usr/bin:/bin".to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self { listener, notes, unread: RefCell::default(), folder, envs, binary: target_binary("llm-api") }
    }

    fn http(&self) -> Http {
        Http::new(format!("http://{}", self.listener.local_addr().expect("a bound listener")))
    }

    /// Starts the server as systemd does: the listener is file 3, and the process's own id is in its environment.
    async fn start(&self) -> Service {
        let listener = OwnedFd::from(self.listener.try_clone().expect("another handle"));
        let log = File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let script = "LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_PID=$$ exec \"$0\" serve 3<&0 </dev/null";
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .arg(&self.binary)
            .env_clear()
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("a shell");
        let pid = child.id().expect("a running child");
        let service = Service { child: Some(child), pid };
        self.heard("READY=1").await;
        service
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until it was told a line that begins so; its rest.
    async fn heard(&self, beginning: &str) -> String {
        let hear = async {
            loop {
                let found = self.unread.borrow().iter().position(|line| line.starts_with(beginning));
                if let Some(found) = found {
                    return self.unread.borrow_mut().remove(found)[beginning.len()..].to_owned();
                }
                let next = std::future::poll_fn(|context| self.notes.borrow_mut().poll_recv(context)).await;
                self.unread.borrow_mut().push(next.expect("somebody who listens"));
            }
        };
        let heard = timeout(PATIENCE, hear).await;
        heard.unwrap_or_else(|_| panic!("{beginning} was not told:\n{}", self.log()))
    }

    /// Forgets what was told so far.
    fn forget(&self) {
        while self.notes.borrow_mut().try_recv().is_ok() {}
        self.unread.borrow_mut().clear();
    }

    /// Asks for a reload and waits until another process serves.
    async fn reload(&self, service: &Service) -> Service {
        self.forget();
        service.signal("HUP").await;
        let pid = self.heard("MAINPID=").await.parse().expect("a process id");
        assert_ne!(pid, service.pid);
        let successor = Service { child: None, pid };
        self.heard("READY=1").await;
        successor
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.notes.get_mut().close();
        // So that the listening thread sees that nobody wants to know any more.
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"end", self.folder.join("notify")));
    }
}

/// Takes in what is told, whether anybody asks for it or not: whoever tells more than fits would have to wait.
fn listen(socket: UnixDatagram) -> mpsc::UnboundedReceiver<String> {
    let (lines, notes) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok(count) = socket.recv(&mut message) {
            let message = String::from_utf8_lossy(&message[..count]).into_owned();
            if message.lines().any(|line| lines.send(line.to_owned()).is_err()) {
                return;
            }
        }
    });
    notes
}

/// A process that serves; killed by its id when dropped.
struct Service {
    /// `None` for one that another one started.
    child: Option<Child>,
    pid: u32,
}

impl Service {
    async fn signal(&self, name: &str) {
        let kill = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &self.pid.to_string()]).status().await;
        assert!(kill.expect("sh").success(), "signal {name} to {}", self.pid);
    }

    /// Waits for the end of one that was started by us.
    async fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("a child of ours");
        timeout(PATIENCE, child.wait()).await.expect("it ends").expect("a child of ours")
    }

    fn is_gone(&self) -> bool {
        // The state follows the name; a dead one waits for whoever inherited it.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.is_gone() {
            let _ = std::process::Command::new("sh").args(["-c", "kill -9 \"$0\"", &self.pid.to_string()]).status();
        }
    }
}

/// What clients did while the servers changed.
#[derive(Default)]
struct Load {
    enough: Cell<bool>,
    done: RefCell<Vec<RequestId>>,
    slowest: Cell<Duration>,
}

impl Load {
    /// Completes one chat after the other, each over a connection of its own.
    async fn work(&self, http: &Http, token: &str) {
        while !self.enough.get() {
            let begun = Instant::now();
            let reply = http.post("/v1/chat/completions").bearer(token).json(question("openai:echo")).send().await;
            assert_eq!(reply.status, 200);
            let id = reply.header("x-request-id").parse().expect("a UUID");
            let body: Value = reply.json().await;
            assert_eq!(body["usage"]["total_tokens"], 18);
            self.slowest.set(self.slowest.get().max(begun.elapsed()));
            self.done.borrow_mut().push(id);
        }
    }

    /// Waits until so many more were answered.
    async fn more(&self, count: usize) {
        let before = self.done.borrow().len();
        eventually("more answers", async || (self.done.borrow().len() >= before + count).then_some(())).await;
    }
}

/// Waits until the row of a running request is written, which is after its first second.
async fn row_is_written(site: &Site, user: UserId, id: RequestId) {
    let store = site.store().await;
    eventually("the row of the running request", async || {
        let rows = store.requests().list(user, 100_000).await.expect("rows");
        rows.into_iter().find(|row| row.id == id && row.status == RequestStatus::Running)
    })
    .await;
    store.close().await;
}

/// Checks that every request ended well and was written down.
async fn all_is_written(site: &Site, user: UserId, load: &Load, streams: usize) {
    let rows = site.rows(user).await;
    let done = load.done.borrow();
    assert_eq!(rows.len(), done.len() + streams);
    assert!(rows.iter().all(|row| row.status == RequestStatus::Completed && row.usage.total_tokens == Some(18)));
    assert!(done.iter().all(|id| rows.iter().any(|row| row.id == *id)));
    assert!(load.slowest.get() < LONGEST, "{:?}", load.slowest.get());
}

each_db! {
    async fn a_reload_loses_nothing_and_holds_nobody_up(database: Database) {
        let site = Site::new(database).await;
        let ada_id = site.add_user("ada").await;
        let manager = Manager::of(&site);
        let mut first = manager.start().await;
        let http = manager.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;

        let mut stream = chat(&http, &ada, "slow-stream", true).await;
        let stream_id: RequestId = stream.header("x-request-id").parse().expect("a UUID");
        stream.next_event().await.expect("a stream").expect("an event");
        row_is_written(&site, ada_id, stream_id).await;

        let load = Load::default();
        let workers = join_all((0..WORKERS).map(|_| load.work(&http, &ada)));
        let story = async {
            load.more(20).await;
            let second = manager.reload(&first).await;
            load.more(40).await;
            // The stream is still the first one's, and while that one lives, the third must take it into account, too.
            assert!(!first.is_gone());
            let third = manager.reload(&second).await;
            load.more(40).await;
            eventually("the end of the second", async || second.is_gone().then_some(())).await;
            assert!(!first.is_gone());
            // Nobody else gets hold of the file meanwhile.
            if site.database.is_none() {
                let other = site.run(&["serve"], "").await.expect(75);
                assert!(other.stderr.contains("another"), "{}", other.stderr);
            }
            // What is revoked is out at once.
            let token = sign_in(&http, "ada").await;
            assert_eq!(get(&http, &token, "/v1/users/me").await.status, 200);
            assert_eq!(http.post("/v1/users/logout").bearer(&token).send().await.status, 200);
            assert_eq!(get(&http, &token, "/v1/users/me").await.status, 401);

            site.provider.release();
            assert_eq!(stream.data().await.last().map(String::as_str), Some("[DONE]"));
            assert_eq!(first.ended().await.code(), Some(0));
            load.more(40).await;
            load.enough.set(true);
            third
        };
        let (_, third) = tokio::join!(workers, story);

        manager.forget();
        third.signal("TERM").await;
        manager.heard("STOPPING=1").await;
        eventually("the end of the third", async || third.is_gone().then_some(())).await;
        all_is_written(&site, ada_id, &load, 1).await;
        let log = manager.log();
        assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("\"level\":\"WARN\""), "{log}");
    }

    async fn one_that_cannot_start_changes_nothing(database: Database) {
        let site = Site::new(database).await;
        site.add_user("ada").await;
        let manager = Manager::of(&site);
        let first = manager.start().await;
        let http = manager.http();

        let settings = site.dir.path().join("config.yaml");
        std::fs::write(&settings, "max_streams: many\n").expect("a file");
        first.signal("HUP").await;
        let status = manager.heard("STATUS=").await;
        assert_eq!(status, "The last reload failed, and nothing changed: it ended with exit status: 78");
        let log = manager.log();
        assert!(log.contains("so this one goes on serving"), "{log}");
        let ada = sign_in(&http, "ada").await;
        for _ in 0..3 {
            assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 200);
        }
        assert_eq!(http.post("/v1/users/logout").bearer(&ada).send().await.status, 200);
        assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 401);

        std::fs::remove_file(&settings).expect("the file");
        let second = manager.reload(&first).await;
        assert_eq!(http.get("/ready").send().await.status, 200);
        second.signal("TERM").await;
        manager.heard("STOPPING=1").await;
    }

    async fn a_successor_that_is_killed_ends_the_old_one_with_a_failure(database: Database) {
        let site = Site::new(database).await;
        let ada_id = site.add_user("ada").await;
        let manager = Manager::of(&site);
        let mut first = manager.start().await;
        let http = manager.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;
        let mut stream = chat(&http, &ada, "slow-stream", true).await;
        stream.next_event().await.expect("a stream").expect("an event");

        let second = manager.reload(&first).await;
        manager.forget();
        second.signal("KILL").await;
        // So that the service manager looks at the process that can tell it.
        assert_eq!(manager.heard("MAINPID=").await, first.pid.to_string());
        let last = stream.data().await.last().cloned().expect("an event");
        assert!(last.contains("server_stopping"), "{last}");
        assert_eq!(first.ended().await.code(), Some(1));
        assert!(manager.log().contains("had taken over failed: signal: 9"), "{}", manager.log());
        let statuses: Vec<_> = site.rows(ada_id).await.iter().map(|row| row.status).collect();
        assert_eq!(statuses, [RequestStatus::Incomplete]);

        let again = manager.start().await;
        assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 200);
        again.signal("TERM").await;
        manager.heard("STOPPING=1").await;
    }

    async fn signs_of_life_come_from_whoever_serves(database: Database) {
        let site = Site::new(database).await;
        let manager = Manager::of(&site);
        let mut first = manager.start().await;
        manager.heard("WATCHDOG=1").await;
        manager.heard("WATCHDOG=1").await;
        let second = manager.reload(&first).await;
        assert_eq!(first.ended().await.code(), Some(0));
        manager.forget();
        manager.heard("WATCHDOG=1").await;
        manager.heard("WATCHDOG=1").await;
        manager.forget();
        second.signal("TERM").await;
        manager.heard("STOPPING=1").await;
        eventually("its end", async || second.is_gone().then_some(())).await;
    }

    async fn a_restart_with_a_socket_that_stays_loses_nothing(database: Database) {
        let site = Site::new(database).await;
        let ada_id = site.add_user("ada").await;
        let manager = Manager::of(&site);
        let mut service = manager.start().await;
        let http = manager.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;

        let load = Load::default();
        let workers = join_all((0..WORKERS).map(|_| load.work(&http, &ada)));
        let story = async {
            for _ in 0..3 {
                load.more(20).await;
                manager.forget();
                service.signal("TERM").await;
                manager.heard("STOPPING=1").await;
                assert_eq!(service.ended().await.code(), Some(0));
                service = manager.start().await;
            }
            load.more(20).await;
            load.enough.set(true);
        };
        tokio::join!(workers, story);
        service.signal("TERM").await;
        assert_eq!(service.ended().await.code(), Some(0));
        all_is_written(&site, ada_id, &load, 0).await;
    }
}

/// On PostgreSQL another server could still be at it, so there this waits until nobody can be.
#[tokio::test]
async fn one_that_is_killed_while_it_drains_is_settled_by_its_successor() {
    let site = Site::new(Database::Sqlite).await;
    let ada_id = site.add_user("ada").await;
    let manager = Manager::of(&site);
    let mut first = manager.start().await;
    let http = manager.http();
    let ada = sign_in(&http, "ada").await;
    store_key(&http, &ada, "sk-good").await;
    let mut old = chat(&http, &ada, "slow-stream", true).await;
    let old_id: RequestId = old.header("x-request-id").parse().expect("a UUID");
    old.next_event().await.expect("a stream").expect("an event");
    row_is_written(&site, ada_id, old_id).await;

    let _second = manager.reload(&first).await;
    let mut new = chat(&http, &ada, "slow-stream", true).await;
    let new_id: RequestId = new.header("x-request-id").parse().expect("a UUID");
    new.next_event().await.expect("a stream").expect("an event");
    row_is_written(&site, ada_id, new_id).await;
    first.signal("KILL").await;
    first.ended().await;
    let status = async |id| site.rows(ada_id).await.into_iter().find(|row| row.id == id).expect("a row").status;
    eventually("the old one's request is settled", async || {
        (status(old_id).await == RequestStatus::Interrupted).then_some(())
    })
    .await;
    assert_eq!(status(new_id).await, RequestStatus::Running);
    site.provider.release();
    site.provider.release();
    assert_eq!(new.data().await.last().map(String::as_str), Some("[DONE]"));
    assert_eq!(status(new_id).await, RequestStatus::Completed);
}
