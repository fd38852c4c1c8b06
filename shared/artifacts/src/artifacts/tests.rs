use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, Mutex},
};

use llm_api_crypto::{MasterKey, Vault};
use llm_api_domain::SERVICE_USER_ID;
use llm_api_storage::{DatabaseAddress, NewSession, OpenMode, OpenOptions, PoolMode};
use llm_api_upstream::{Client, UpstreamConfig};

use super::*;
use crate::BucketConfig;

const KEY: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";
const NOON: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);
const USER: UserId = SERVICE_USER_ID;

/// A folder that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let mut name = [0; 8];
        llm_api_crypto::fill(&mut name).expect("random");
        let path = std::env::temp_dir().join(format!("llm-api-artifacts-{:016x}", u64::from_be_bytes(name)));
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A keeper with room for 100 bytes, on a database of its own.
struct House {
    artifacts: Artifacts,
    clock: Clock,
    scratch: Scratch,
}

impl House {
    async fn new() -> Self {
        Self::with_bucket(None).await
    }

    async fn with_bucket(bucket: Option<Bucket>) -> Self {
        let scratch = Scratch::new();
        let clock = Clock::manual(NOON);
        let options = OpenOptions {
            address: DatabaseAddress::sqlite(scratch.0.join("test.db")),
            migration_address: None,
            pool_mode: PoolMode::Auto,
            schema: None,
            max_connections: 2,
            mode: OpenMode::Server,
            expect_receipt: None,
            clock: clock.clone(),
        };
        let vault = Vault::new(MasterKey::parse(KEY).expect("a strong key"), Vec::new());
        let artifacts = Artifacts::new(ArtifactsConfig {
            store: Store::open(options).await.expect("a database"),
            folder: scratch.0.join("artifacts"),
            bucket,
            signer: vault.signer("artifact-link"),
            link_life: Duration::from_hours(1),
            max_total_bytes: 100,
            inline_threshold_bytes: 10,
            clock: clock.clone(),
        });
        Self { artifacts, clock, scratch }
    }

    /// Makes files at different times, so that one is the oldest.
    async fn save(&self, session: Option<SessionId>, size: usize) -> Link {
        self.clock.advance(Duration::from_secs(1));
        let saved = self.artifacts.save(USER, session, Bytes::from(vec![7; size]), "image/png").await;
        saved.expect("a file")
    }

    async fn session(&self) -> SessionId {
        let id = SessionId::new(self.clock.now());
        let new = NewSession { id, user: USER, title: None, system_prompt: None };
        self.artifacts.0.store.sessions().create(&new, self.clock.now()).await.expect("a session");
        id
    }

    async fn open(&self, link: &Link) -> Opened {
        let (_, query) = link.path.split_once("?expires=").expect("a query");
        let (expires, signature) = query.split_once("&signature=").expect("a signature");
        let opened = self.artifacts.open_signed(link.id, expires.parse().expect("a number"), signature).await;
        opened.expect("the database answers")
    }

    async fn has(&self, link: &Link) -> bool {
        matches!(self.artifacts.open_own(USER, link.id).await.expect("the database answers"), Opened::File(_))
    }

    fn path(&self, link: &Link) -> PathBuf {
        self.scratch.0.join("artifacts").join(key(link.id))
    }

    fn files(&self) -> usize {
        let folders = fs::read_dir(self.scratch.0.join("artifacts")).expect("a folder");
        folders.map(|folder| fs::read_dir(folder.expect("a folder").path()).expect("a folder").count()).sum()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn a_file_is_private_on_disk_and_opens_by_its_link_until_that_expires() {
    let house = House::new().await;
    let bytes = Bytes::from_static(b"\x89PNG and so on");
    let link = house.artifacts.save(USER, None, bytes.clone(), "image/png").await.expect("a file");
    let path = house.path(&link);
    assert_eq!(fs::read(&path).expect("the bytes"), bytes);
    let folder = path.parent().expect("a folder");
    let above = folder.parent().expect("a folder");
    assert_eq!((mode(&path), mode(folder), mode(above)), (0o600, 0o700, 0o700));
    assert_eq!(house.files(), 1, "the draft is gone");

    let end = NOON + Duration::from_hours(1);
    let file = File { bytes, content_type: "image/png", expires_at: Some(end) };
    assert_eq!((house.open(&link).await, link.expires_at), (Opened::File(file.clone()), end));
    assert_eq!(house.artifacts.open_own(USER, link.id).await.expect("answers"), Opened::File(file));
    let stranger = UserId::new(NOON);
    assert_eq!(house.artifacts.open_own(stranger, link.id).await.expect("answers"), Opened::Missing);
    let forged = house.artifacts.open_signed(link.id, end.as_secs(), "AAAA").await.expect("answers");
    assert_eq!(forged, Opened::Missing);

    house.clock.advance(Duration::from_hours(1));
    assert_eq!(house.open(&link).await, Opened::Expired);
    assert_eq!(house.artifacts.open_own(USER, link.id).await.expect("answers"), Opened::Expired);
    let later = house.artifacts.link(link.id);
    assert_eq!(house.open(&later).await, Opened::Expired, "without a session it ends with its first link");
    assert_eq!(house.artifacts.purge_expired(house.clock.now()).await.expect("purged"), 1);
    assert_eq!((house.open(&later).await, house.files()), (Opened::Missing, 0));
}

#[tokio::test]
async fn a_sessions_file_is_kept_with_it_and_every_link_to_it_is_fresh() {
    let house = House::new().await;
    let session = house.session().await;
    let link = house.save(Some(session), 20).await;
    let other = house.save(None, 20).await;
    house.clock.advance(Duration::from_hours(30));
    assert_eq!(house.open(&link).await, Opened::Expired);
    assert!(matches!(house.open(&house.artifacts.link(link.id)).await, Opened::File(_)));
    let own = house.artifacts.open_own(USER, link.id).await.expect("answers");
    assert!(matches!(own, Opened::File(File { expires_at: None, .. })), "{own:?}");

    assert_eq!(house.artifacts.delete_of_session(UserId::new(NOON), session).await.expect("deleted"), 0);
    assert!(house.path(&link).exists(), "it is not the stranger's");
    assert_eq!(house.artifacts.delete_of_session(USER, session).await.expect("deleted"), 1);
    assert_eq!((house.has(&link).await, house.path(&link).exists()), (false, false));
    assert!(house.path(&other).exists(), "it is not the session's");

    let gone = house.save(Some(SessionId::new(NOON)), 20).await;
    house.clock.advance(Duration::from_hours(1));
    let opened = house.artifacts.open_own(USER, gone.id).await.expect("answers");
    assert_eq!(opened, Opened::Expired, "a session that is gone keeps nothing");
}

#[tokio::test]
async fn room_is_made_by_expired_files_first_and_then_by_the_oldest() {
    let house = House::new().await;
    let session = house.session().await;
    let first = house.save(Some(session), 40).await;
    let expired = house.save(None, 10).await;
    house.clock.advance(Duration::from_hours(2));
    let second = house.save(Some(session), 40).await;
    let third = house.save(None, 20).await;
    assert_eq!((house.path(&expired).exists(), house.has(&first).await), (false, true), "expired before old");
    assert!(house.has(&second).await && house.has(&third).await);

    let fourth = house.save(None, 1).await;
    assert_eq!((house.path(&first).exists(), house.has(&first).await), (false, false), "the oldest goes");
    assert!(house.has(&second).await && house.has(&third).await && house.has(&fourth).await);

    let whole = house.save(None, 100).await;
    assert!(house.has(&whole).await);
    assert_eq!((house.files(), house.artifacts.0.store.artifacts().total_bytes().await.ok()), (1, Some(100)));
    let refused = house.artifacts.save(USER, None, Bytes::from(vec![7; 101]), "image/png").await;
    let sentence = refused.expect_err("too large").to_string();
    assert_eq!(sentence, "a file of 101 bytes is larger than all files together may be: 100 bytes");
    assert!(house.has(&whole).await, "nothing goes for a file that is refused");
}

#[tokio::test]
async fn files_saved_at_once_stay_within_the_limit() {
    let house = House::new().await;
    let one = || house.artifacts.save(USER, None, Bytes::from(vec![7; 40]), "image/png");
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    // One that made room before its bytes had arrived says so.
    assert!([a, b, c, d].iter().all(|saved| matches!(saved, Ok(_) | Err(ArtifactError::Gone))));
    let total = house.artifacts.0.store.artifacts().total_bytes().await.expect("answers");
    assert_eq!((total, house.files()), (80, 2));
}

#[tokio::test]
async fn only_images_that_browsers_show_keep_their_type() {
    let house = House::new().await;
    for (given, shown) in [
        ("image/webp", "image/webp"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/html", "application/octet-stream"),
        ("image/avif", "application/octet-stream"),
    ] {
        let link = house.artifacts.save(USER, None, Bytes::from_static(b"x"), given).await.expect("a file");
        let opened = house.open(&link).await;
        assert!(matches!(&opened, Opened::File(file) if file.content_type == shown), "{given}: {opened:?}");
    }
    assert!(house.artifacts.is_inline(10) && !house.artifacts.is_inline(11));
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_leaves_no_row() {
    let house = House::new().await;
    fs::write(house.scratch.0.join("artifacts"), "in the way").expect("a file");
    let failed = house.artifacts.save(USER, None, Bytes::from_static(b"x"), "image/png").await;
    assert!(matches!(failed, Err(ArtifactError::Folder(_))), "{failed:?}");
}

/// What a request to the bucket was: method, path and the names in its query.
type Asked = (String, String, Vec<String>);

/// A bucket that keeps objects in memory and refuses what is not signed.
#[derive(Clone, Default)]
struct FakeBucket {
    objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeBucket {
    fn start(&self) -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let fake = self.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                fake.answer(connection.expect("a connection"));
            }
        });
        let config = BucketConfig {
            name: "files".to_owned(),
            endpoint: Some(format!("http://{address}")),
            region: "auto".to_owned(),
            access_key_id: "id".to_owned(),
            secret_access_key: "secret".into(),
            session_token: None,
        };
        let client = Client::new(&UpstreamConfig::default()).expect("a client");
        Bucket::new(&config, client, Clock::manual(NOON)).expect("an address")
    }

    fn answer(&self, connection: TcpStream) {
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request line");
        let mut words = line.split(' ');
        let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).expect("a header");
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let (status, reply) = self.act(method, target, body);
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", reply.len());
        let connection = reader.get_mut();
        connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&reply)).expect("it listens");
    }

    fn act(&self, method: &str, target: &str, body: Vec<u8>) -> (&'static str, Vec<u8>) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let names: Vec<_> = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
        let signed = names.iter().any(|name| name == "X-Amz-Signature");
        self.asked.lock().expect("whole").push((method.to_owned(), path.to_owned(), names));
        let mut objects = self.objects.lock().expect("whole");
        match method {
            _ if !signed => ("403 Forbidden", b"<Error/>".to_vec()),
            "PUT" => {
                objects.insert(path.to_owned(), body);
                ("200 OK", Vec::new())
            }
            "GET" => match objects.get(path) {
                Some(bytes) => ("200 OK", bytes.clone()),
                None => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            },
            "DELETE" => {
                objects.remove(path);
                ("204 No Content", Vec::new())
            }
            _ => ("405 Method Not Allowed", Vec::new()),
        }
    }
}

#[tokio::test]
async fn a_bucket_is_asked_by_signed_addresses() {
    let fake = FakeBucket::default();
    let house = House::with_bucket(Some(fake.start())).await;
    let link = house.save(None, 20).await;
    let path = format!("/files/artifacts/{}", key(link.id));
    assert_eq!(fake.objects.lock().expect("whole").get(&path), Some(&vec![7; 20]));
    assert!(!house.scratch.0.join("artifacts").exists(), "nothing lies on this machine");
    let opened = house.open(&link).await;
    assert!(matches!(&opened, Opened::File(file) if file.bytes == [7; 20][..]), "{opened:?}");
    house.clock.advance(Duration::from_hours(1));
    assert_eq!(house.artifacts.purge_expired(house.clock.now()).await.expect("purged"), 1);
    assert!(fake.objects.lock().expect("whole").is_empty());
    let lost = house.save(None, 20).await;
    fake.objects.lock().expect("whole").clear();
    assert_eq!(house.open(&lost).await, Opened::Missing, "its bytes are gone");

    let asked = fake.asked.lock().expect("whole").clone();
    let methods: Vec<_> = asked.iter().map(|(method, path, _)| (method.as_str(), path.clone())).collect();
    let lost = format!("/files/artifacts/{}", key(lost.id));
    assert_eq!(
        methods,
        [("PUT", path.clone()), ("GET", path.clone()), ("DELETE", path), ("PUT", lost.clone()), ("GET", lost)]
    );
    for (method, _, names) in asked {
        let signature = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"];
        assert_eq!(names, signature.map(|name| format!("X-Amz-{name}")), "{method}");
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_is_an_error_and_its_file_is_not_there() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let config = BucketConfig {
        name: "files".to_owned(),
        endpoint: Some(format!("http://{address}")),
        region: "auto".to_owned(),
        access_key_id: "id".to_owned(),
        secret_access_key: "secret".into(),
        session_token: None,
    };
    let client = Client::new(&UpstreamConfig::default()).expect("a client");
    let bucket = Bucket::new(&config, client, Clock::manual(NOON)).expect("an address");
    let house = House::with_bucket(Some(bucket)).await;
    let failed = house.artifacts.save(USER, None, Bytes::from_static(b"x"), "image/png").await;
    assert!(matches!(failed, Err(ArtifactError::Bucket(_))), "{failed:?}");
    assert_eq!(house.artifacts.0.store.artifacts().total_bytes().await.ok(), Some(1), "until it is surely deleted");
}
