//! Asks every question of a matrix and judges what comes back.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::Mutex,
    time::{Duration, Instant},
};

use http::StatusCode;
use llm_api_domain::{RequestId, RequestStatus};
use llm_api_testkit::{Database, HttpReply, Person, TestApp};
use serde_json::Value;

use super::{
    Fault,
    answer::{Case, Expected, FAILED, LATE, UNREACHABLE, credentials},
    upstream::{Script, Upstream},
    wire::TEXT,
};
use crate::{
    asking::store_credential,
    compatible::Caller,
    usage_rows::{request_id, rows_of},
};

/// How long the provider's side of an answered question may stay open.
const CLOSING: Duration = Duration::from_secs(2);
/// Longer than any provider is left alone after its failures.
const REST: Duration = Duration::from_secs(130);

/// What a provider does, and what its caller is to get.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) script: Script,
    pub(super) expected: Expected,
}

impl Play {
    #[expect(clippy::unnecessary_wraps, reason = "not every fault can happen to every answer")]
    pub(super) const fn some(script: Script, expected: Expected) -> Option<Self> {
        Some(Self { script, expected })
    }
}

/// Which questions are asked, and how.
pub(super) struct Matrix {
    pub(super) faults: Vec<&'static Fault>,
    /// Of all questions every n-th.
    pub(super) every: usize,
    /// How many servers ask them, each for itself: so no fault is another one's.
    pub(super) servers: usize,
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// No answer may take longer.
    pub(super) limit: Duration,
}

impl Matrix {
    /// Asks everything of a provider that plays the faults.
    pub(super) async fn run(self, database: Database) {
        let questions = self.faults.iter().flat_map(|fault| Case::all().into_iter().map(|case| (*fault, case)));
        let questions = questions.filter(|((_, play), case)| play(*case).is_some());
        let queue: Mutex<VecDeque<_>> = Mutex::new(questions.step_by(self.every).collect());
        let servers = (0..self.servers).map(async |_| {
            let upstream = Upstream::start().await;
            let mut server = Server::start(database, upstream, self.settings, self.limit).await;
            let next = || queue.lock().expect("no panic while taking").pop_front();
            while let Some((fault, case)) = next() {
                server.ask(fault, case).await;
            }
            server.finish().await
        });
        judge(futures_util::future::join_all(servers).await);
    }
}

/// Asks everything of providers where nobody listens.
pub(super) async fn run_refused(database: Database, every: usize) {
    // Bound and not listening: nobody else can take the port.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let origin = format!("http://{}", socket.local_addr().expect("bound"));
    let (app, person) = open(database, &origin, &[]).await;
    let mut wrong = Vec::new();
    for case in Case::all().into_iter().step_by(every) {
        let outcome = match send(&app, &person, case).await {
            Ok(reply) => reply.judge(case, &Expected::early(UNREACHABLE)).map(drop),
            Err(error) => Err(error),
        };
        wrong.extend(outcome.err().map(|error| format!("refused, {case:?}: {error}")));
        app.advance(REST);
    }
    judge(vec![wrong]);
}

fn judge(wrong: Vec<Vec<String>>) {
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    let list = wrong.iter().fold(String::new(), |mut list, line| {
        let _ = writeln!(list, "{line}");
        list
    });
    assert!(wrong.is_empty(), "{} went wrong:\n{list}", wrong.len());
}

/// A server whose providers are all at one address, and somebody with keys for them.
async fn open(database: Database, origin: &str, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let (v1, v1beta) = (format!("{origin}/v1"), format!("{origin}/v1beta"));
    let own = [
        ("OPENAI_BASE_URL", v1.as_str()),
        ("GROQ_BASE_URL", &v1),
        ("ANTHROPIC_BASE_URL", &v1),
        ("GOOGLE_BASE_URL", &v1beta),
        ("LOCAL_BASE_URL", &v1),
        ("BASE_URL_ALLOW", origin),
    ];
    let app = TestApp::start_with(database, &[&own[..], settings].concat()).await;
    let ada = app.person("ada").await;
    for credential in credentials(origin) {
        store_credential(&app, &ada, credential).await;
    }
    (app, ada)
}

/// One server, its provider, and the only person that asks it, one question after the other.
struct Server {
    app: TestApp,
    person: Person,
    upstream: Upstream,
    limit: Duration,
    /// Each answered request with its place in the matrix and the code that its row must have.
    asked: HashMap<RequestId, (String, Option<&'static str>)>,
    wrong: Vec<String>,
}

impl Server {
    async fn start(database: Database, upstream: Upstream, settings: &[(&str, &str)], limit: Duration) -> Self {
        let (app, person) = open(database, &format!("http://{}", upstream.address()), settings).await;
        Self { app, person, upstream, limit, asked: HashMap::new(), wrong: Vec::new() }
    }

    async fn ask(&mut self, (name, play): &Fault, case: Case) {
        let Some(Play { script, expected }) = play(case) else { return };
        let place = format!("{name}: {case:?}");
        match self.answer(script, case, &expected, &place).await {
            Err(error) => self.wrong.push(format!("{place}: {error}")),
            // After some of these the provider would be left alone, were it not to answer well in between.
            Ok(Some(UNREACHABLE | LATE | FAILED)) => {
                let whole = Case { streamed: false, ..case };
                if let Err(error) = self.answer(whole.good().script(), whole, &Expected::Text, &place).await {
                    self.wrong.push(format!("{place}: then a good answer: {error}"));
                }
            }
            Ok(_) => {}
        }
    }

    /// The code of the error that was expected, and came.
    async fn answer(
        &mut self,
        script: Script,
        case: Case,
        expected: &Expected,
        place: &str,
    ) -> Result<Option<&'static str>, String> {
        self.upstream.play(script);
        let reply = send(&self.app, &self.person, case).await?;
        let code = reply.judge(case, expected)?;
        self.asked.insert(reply.id, (place.to_owned(), code));
        if reply.took > self.limit {
            return Err(format!("it took {:?}", reply.took));
        }
        if !self.upstream.is_left_alone(CLOSING).await {
            return Err("the connection to the provider stays open".to_owned());
        }
        match self.app.state.relay.open_streams() {
            0 => Ok(code),
            open => Err(format!("{open} streams are still open")),
        }
    }

    /// What went wrong, after a look at the usage rows.
    async fn finish(mut self) -> Vec<String> {
        for row in rows_of(&self.app, &self.person).await {
            if row.status == RequestStatus::Running {
                self.wrong.push(format!("a request still runs: {row:?}"));
            }
            let Some((place, code)) = self.asked.remove(&row.id) else { continue };
            let is_right = (row.status == RequestStatus::Completed) == code.is_none();
            if !is_right || row.error_code.as_deref() != code {
                self.wrong.push(format!("{place}: its row says {:?} {:?}, not {code:?}", row.status, row.error_code));
            }
        }
        self.wrong.extend(self.asked.into_values().map(|(place, _)| format!("{place}: it has no row")));
        self.wrong
    }
}

/// What a caller got.
struct Reply {
    id: RequestId,
    status: StatusCode,
    body: Vec<u8>,
    took: Duration,
}

async fn send(app: &TestApp, person: &Person, case: Case) -> Result<Reply, String> {
    let begin = Instant::now();
    let request = app.http().post(case.caller.path()).bearer(&person.token).json(case.body());
    let mut reply: HttpReply = request.try_send().await.map_err(|error| format!("no reply: {error}"))?;
    let mut body = Vec::new();
    while let Some(piece) = reply.next_chunk().await.map_err(|error| format!("the reply broke: {error}"))? {
        body.extend_from_slice(&piece);
    }
    Ok(Reply { id: request_id(&reply), status: reply.status, body, took: begin.elapsed() })
}

impl Reply {
    /// Whether it is what was expected; the code of the error where that is one.
    fn judge(&self, case: Case, expected: &Expected) -> Result<Option<&'static str>, String> {
        let wrong = |what: &str| {
            let shown: String = String::from_utf8_lossy(&self.body).chars().take(2000).collect();
            Err(format!("{what}; expected {expected:?}, got {} {shown}", self.status))
        };
        if let Expected::WholeOr(other) = expected {
            let whole = self.judge(case, &Expected::Whole);
            return if whole.is_ok() { whole } else { self.judge(case, other) };
        }
        let is_right = match expected {
            Expected::Refused(status, code) => self.status == *status && self.is_error(case.caller, code),
            _ if self.status != StatusCode::OK => false,
            Expected::Broken(_) => self.is_broken(case.caller),
            Expected::Bytes => !case.streamed || self.is_whole(case.caller),
            Expected::Whole if case.streamed => self.is_whole(case.caller),
            Expected::Whole => self.json().is_some(),
            Expected::Text if case.streamed => self.is_whole(case.caller) && self.streamed_text(case.caller) == TEXT,
            Expected::Text => self.json().is_some_and(|json| case.caller.text(&json) == TEXT),
            Expected::WholeOr(_) => false,
        };
        match expected {
            _ if !is_right => wrong("not as it should be"),
            Expected::Refused(_, code) | Expected::Broken(code) => Ok(Some(code)),
            _ => Ok(None),
        }
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The data of each event.
    fn data(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.body).replace("\r\n", "\n").replace('\r', "\n");
        let of_event = |event: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
        };
        text.split("\n\n").map(of_event).filter(|data| !data.is_empty()).collect()
    }

    fn is_whole(&self, caller: Caller) -> bool {
        caller.is_whole(&self.data())
    }

    fn streamed_text(&self, caller: Caller) -> String {
        let events: Vec<Value> = self.data().iter().filter_map(|data| serde_json::from_str(data).ok()).collect();
        caller.streamed_text(&events)
    }

    /// Whether it is an error in the caller's format. Providers may have a code of their own for a refusal.
    fn is_error(&self, caller: Caller, code: &str) -> bool {
        let Some(body) = self.json() else { return false };
        let is_own = matches!(self.status.as_u16(), 400 | 404) || body["code"] == code;
        is_own
            && body["code"].is_string()
            && is_error_object(caller, &body["error"])
            && match caller {
                Caller::Chat | Caller::Responses => true,
                Caller::Messages => body["type"] == "error",
            }
    }

    /// Whether the stream ends with an error, and nowhere looks as if it were whole.
    fn is_broken(&self, caller: Caller) -> bool {
        let data = self.data();
        let looks_whole = (1..=data.len()).any(|end| caller.is_whole(&data[..end]));
        let last: Value = data.last().and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        let is_error = match caller {
            Caller::Chat => is_error_object(caller, &last["error"]),
            Caller::Messages => last["type"] == "error" && is_error_object(caller, &last["error"]),
            Caller::Responses if last["type"] == "error" => last["message"].is_string() && last["code"].is_string(),
            Caller::Responses => {
                let response = &last["response"];
                last["type"] == "response.failed"
                    && response["status"] == "failed"
                    && response["error"]["message"].is_string()
                    && response["error"]["code"].is_string()
            }
        };
        !looks_whole && is_error
    }
}

fn is_error_object(caller: Caller, error: &Value) -> bool {
    let is_openai = error.get("param").is_some() && error.get("code").is_some();
    error["message"].is_string() && error["type"].is_string() && (is_openai || caller == Caller::Messages)
}
