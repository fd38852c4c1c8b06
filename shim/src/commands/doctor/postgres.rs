//! From the host name to a signed-in connection, and what it gives.

use std::net::IpAddr;

use llm_api_storage::{
    CertificateProblem, DatabaseAddress, DatabaseProbe, LoginProblem, PoolMode, PostgresPlace, PostgresProbe,
    SignInProblem, TlsMode, speaks_tls,
};
use tokio::net::TcpStream;

use super::{Failed, Run, data, network, schema};

/// In this order; each depends on those before.
const STEPS: [&str; 6] = ["host", "tcp", "tls", "login", "pooler", "schema"];

const ANOTHER_SESSION: &str = "the address leads to a pooler that gives each transaction another session";

/// What is known of the login before its own check.
enum Login {
    Untried,
    Done(Box<PostgresProbe>),
    Refused(LoginProblem),
}

/// Gives the connection when the tables may be looked at.
pub(super) async fn check(
    run: &mut Run<'_>,
    address: &DatabaseAddress,
    place: &PostgresPlace,
) -> Option<DatabaseProbe> {
    match steps(run, address, place).await {
        Ok(probe) => Some(DatabaseProbe::Postgres(probe)),
        Err(Failed(check)) => {
            let after = STEPS.iter().skip_while(|step| **step != check).skip(1).chain(&data::STEPS);
            for step in after {
                run.report.skip(step, format_args!("{check} failed"));
            }
            None
        }
    }
}

async fn steps(
    run: &mut Run<'_>,
    address: &DatabaseAddress,
    place: &PostgresPlace,
) -> Result<Box<PostgresProbe>, Failed> {
    let login = if place.is_socket {
        run.report.ok("host", format_args!("{}, a socket of this machine", place.host));
        Login::Untried
    } else {
        let reachable = network::host(run, &place.host, place.port).await?;
        let stream = network::tcp(run, &reachable).await?;
        tls(run, address, place, stream).await?
    };
    let mut probe = sign_in(run, address, place, login).await?;
    pooler(run, place, &mut probe).await?;
    schema::check(run, &mut probe).await?;
    Ok(probe)
}

/// A certificate is checked as `verify-full` does, whatever the address asks for. The connection for that is kept: a wrong
/// password must not be tried twice, as some servers shut the door after that.
async fn tls(
    run: &mut Run<'_>,
    address: &DatabaseAddress,
    place: &PostgresPlace,
    stream: TcpStream,
) -> Result<Login, Failed> {
    const CHECK: &str = "tls";
    let mode = place.tls;
    let is_here = stream.peer_addr().is_ok_and(|peer| is_loopback(peer.ip()));
    if mode == TlsMode::Disable {
        match is_here {
            true => run.report.ok(CHECK, "sslmode=disable, within this machine"),
            false => run.report.warn(
                CHECK,
                "sslmode=disable: all data can be read and changed on the way",
                "set sslmode=verify-full",
            ),
        }
        return Ok(Login::Untried);
    }
    match run.within(speaks_tls(stream)).await {
        Some(Ok(true)) => {}
        Some(Ok(false)) => return without_tls(run, mode, is_here),
        Some(Err(error)) => return Err(unexpected(run, CHECK, &format!("the server broke off: {error}"))),
        None => {
            let detail = run.no_answer();
            return Err(unexpected(run, CHECK, &detail));
        }
    }
    let schema = run.config.database_schema.as_deref();
    let (login, problem) = match run.within(PostgresProbe::sign_in_verified(address, schema)).await {
        Some(Ok(probe)) => (Login::Done(Box::new(probe)), None),
        Some(Err(SignInProblem::Login(problem))) => (Login::Refused(problem), None),
        Some(Err(SignInProblem::Certificate(problem))) => (Login::Untried, Some(problem)),
        None => {
            let detail = run.no_answer();
            return Err(unexpected(run, CHECK, &detail));
        }
    };
    certificate(run, mode, is_here, problem.as_ref())?;
    Ok(login)
}

fn unexpected(run: &mut Run<'_>, check: &'static str, detail: &str) -> Failed {
    let remedy = "check that a PostgreSQL server or its pooler listens there, and has connections left";
    run.report.fail(check, detail, remedy);
    Failed(check)
}

fn without_tls(run: &mut Run<'_>, mode: TlsMode, is_here: bool) -> Result<Login, Failed> {
    const CHECK: &str = "tls";
    match (mode, is_here) {
        (TlsMode::Prefer, true) => run.report.ok(CHECK, "none, within this machine"),
        (TlsMode::Prefer | TlsMode::Disable, _) => run.report.warn(
            CHECK,
            "the server speaks no TLS: all data can be read and changed on the way",
            "turn on `ssl` at the server, and set sslmode=verify-full",
        ),
        (TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull, _) => {
            let remedy = "turn on `ssl` at the server; sslmode=disable is for networks that nobody else is in";
            run.report.fail(CHECK, format!("the server speaks no TLS, and sslmode={mode} asks for it"), remedy);
            return Err(Failed(CHECK));
        }
    }
    Ok(Login::Untried)
}

fn certificate(
    run: &mut Run<'_>,
    mode: TlsMode,
    is_here: bool,
    problem: Option<&CertificateProblem>,
) -> Result<(), Failed> {
    const CHECK: &str = "tls";
    match (mode, problem) {
        (TlsMode::VerifyFull | TlsMode::VerifyCa, None) => {
            run.report.ok(CHECK, format!("sslmode={mode}, and the certificate is good"));
        }
        (TlsMode::VerifyCa, Some(CertificateProblem::WrongName)) => {
            run.report.ok(CHECK, "sslmode=verify-ca, and the certificate is good, though for another host name");
        }
        (TlsMode::VerifyFull | TlsMode::VerifyCa, Some(problem)) => {
            run.report.fail(CHECK, format!("sslmode={mode}: {problem}"), remedy(problem));
            return Err(Failed(CHECK));
        }
        (TlsMode::Prefer, _) if is_here => run.report.ok(CHECK, "it is spoken, within this machine"),
        (TlsMode::Prefer | TlsMode::Require | TlsMode::Disable, None) => run.report.warn(
            CHECK,
            format!("sslmode={mode} checks no certificate; this one would pass"),
            "set sslmode=verify-full",
        ),
        (TlsMode::Prefer | TlsMode::Require | TlsMode::Disable, Some(problem)) => run.report.warn(
            CHECK,
            format!("sslmode={mode} checks no certificate, and this one would not pass: {problem}"),
            &format!("{}; then set sslmode=verify-full", remedy(problem)),
        ),
    }
    Ok(())
}

fn remedy(problem: &CertificateProblem) -> &'static str {
    match problem {
        CertificateProblem::UnknownIssuer => {
            "name the file with the authority's certificate in LLM_API_DATABASE_ROOT_CERT (Supabase: Database Settings, \
             SSL Configuration, Download certificate)"
        }
        CertificateProblem::WrongName => "use the host name that the certificate is for",
        CertificateProblem::Expired => "renew the server's certificate; check this machine's date",
        CertificateProblem::NotValidYet => "check this machine's date",
        CertificateProblem::RootFile(_) => "check LLM_API_DATABASE_ROOT_CERT, or sslrootcert in the address",
        CertificateProblem::Other(_) => "look at it with `openssl s_client -starttls postgres -connect HOST:PORT`",
    }
}

async fn sign_in(
    run: &mut Run<'_>,
    address: &DatabaseAddress,
    place: &PostgresPlace,
    login: Login,
) -> Result<Box<PostgresProbe>, Failed> {
    const CHECK: &str = "login";
    let tried = match login {
        Login::Done(probe) => Some(Ok(probe)),
        Login::Refused(problem) => Some(Err(SignInProblem::Login(problem))),
        Login::Untried => {
            let schema = run.config.database_schema.as_deref();
            run.within(PostgresProbe::sign_in(address, schema)).await.map(|tried| tried.map(Box::new))
        }
    };
    let PostgresPlace { user, database, .. } = place;
    match tried {
        Some(Ok(probe)) => {
            run.report.ok(CHECK, format!("user {user}, database {database}"));
            Ok(probe)
        }
        Some(Err(SignInProblem::Login(problem))) => {
            let detail = format!("user {user}, database {database}: {problem}");
            run.report.fail(CHECK, detail, &login_remedy(&problem, place));
            Err(Failed(CHECK))
        }
        Some(Err(SignInProblem::Certificate(problem))) => {
            run.report.fail(CHECK, &problem, remedy(&problem));
            Err(Failed(CHECK))
        }
        None => {
            let detail = run.no_answer();
            Err(unexpected(run, CHECK, &detail))
        }
    }
}

pub(super) fn login_remedy(problem: &LoginProblem, place: &PostgresPlace) -> String {
    let remedy = match problem {
        LoginProblem::Password if place.host.ends_with(".pooler.supabase.com") && !place.user.contains('.') => {
            "on Supabase's poolers the user name is ROLE.PROJECT, such as postgres.abcdefgh"
        }
        LoginProblem::Password => {
            "check both in LLM_API_DATABASE_URL; in a password, reserved characters are written @ as %40, : as %3A, / as \
             %2F, # as %23, ? as %3F, % as %25"
        }
        LoginProblem::NoDatabase => {
            return format!(
                "name another one at the end of LLM_API_DATABASE_URL, or run `CREATE DATABASE \"{}\"`",
                place.database
            );
        }
        LoginProblem::NotAllowed(_) => {
            "let the server's pg_hba.conf take this user, database and address, and give the role LOGIN and CONNECT"
        }
        LoginProblem::NoTenant => "on Supabase's poolers the user name is ROLE.PROJECT, such as postgres.abcdefgh",
        LoginProblem::TooMany(_) => {
            "lower LLM_API_DATABASE_MAX_CONNECTIONS here or elsewhere, or use a pooler of transactions (Supabase's port \
             6543)"
        }
        LoginProblem::NotYet => "try again in a moment",
        LoginProblem::Broken(_) | LoginProblem::Other(_) => "look into the server's log",
    };
    remedy.to_owned()
}

pub(super) fn expects_transactions(mode: PoolMode, place: &PostgresPlace) -> bool {
    match mode {
        PoolMode::Auto => place.is_transaction_port(),
        PoolMode::Session => false,
        PoolMode::Transaction => true,
    }
}

async fn pooler(run: &mut Run<'_>, place: &PostgresPlace, probe: &mut PostgresProbe) -> Result<(), Failed> {
    const CHECK: &str = "pooler";
    let expected = expects_transactions(run.config.database_pool_mode, place);
    let found = match run.within(probe.gives_sessions()).await {
        Some(Ok(found)) => found,
        Some(Err(problem)) => {
            let detail = format!("a second connection: {problem}");
            run.report.fail(CHECK, detail, &login_remedy(&problem, place));
            return Err(Failed(CHECK));
        }
        None => {
            let detail = run.no_answer();
            return Err(unexpected(run, CHECK, &detail));
        }
    };
    match (found, expected) {
        (true, false) => run.report.ok(CHECK, "the address gives sessions"),
        (false, true) => run.report.ok(CHECK, "the address gives transactions, and is used that way"),
        // What follows keeps to transactions, so it can be asked all the same.
        (false, false) => run.report.fail(
            CHECK,
            ANOTHER_SESSION,
            "set LLM_API_DATABASE_POOL_MODE=transaction, or use the direct or the session address",
        ),
        (true, true) => run.report.warn(
            CHECK,
            "the address gives sessions, but is used as a pooler of transactions, which takes three times as long",
            "set LLM_API_DATABASE_POOL_MODE=session, if no pooler of transactions stands behind it",
        ),
    }
    Ok(())
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
