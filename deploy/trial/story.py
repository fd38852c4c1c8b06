"""What the service has to live through, one part after the other."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from . import postgres
from .clients import BROKEN, PROVIDER, Load, Stream, Writers, call, lost, provide, question
from .service import STATE, check, is_alive, is_ready, main_pid, reload, run, say, shown, statuses, wait_for

ENVIRONMENT = pathlib.Path("/etc/llm-api/llm-api.env")
CREDENTIALS = pathlib.Path("/etc/credstore")
TOKEN = pathlib.Path("/root/token")
UNSYNCED = STATE / "unsynced"
SETTINGS = f"""LLM_API_OPENAI_BASE_URL=http://127.0.0.1:{PROVIDER}/v1
LLM_API_BASE_URL_ALLOW=http://127.0.0.1:{PROVIDER}
LLM_API_LOCAL_BASE_URL=http://127.0.0.1:9/v1
"""
PASSWORD = "a long and quiet afternoon"


def day(database):
    """From the installation on, while the machine runs."""
    provide()
    token = install(database)
    TOKEN.write_text(token)
    restart_under_load(token)
    reloads(token)
    upgrade(token)
    bad_settings(token)
    kill(token)
    watchdog()
    if database == "postgres":
        database_away(token)
    else:
        disk_full(token)


def write():
    """Writes until the machine ends; each line says what was acknowledged."""
    provide()
    shutil.rmtree(UNSYNCED, ignore_errors=True)
    UNSYNCED.mkdir()
    Writers(TOKEN.read_text(), UNSYNCED).join()


def look(how):
    """After the machine came back: whether everything is there that was acknowledged, which is told line by line."""
    lines = sys.stdin.read().splitlines()
    told, token = [json.loads(line) for line in lines], TOKEN.read_text()
    if how == "cut_power":
        kept = len({note.read_text() for note in UNSYNCED.glob("*")} & set(lines))
        check("the disk has lost what was in memory", kept < len(lines), f"it has {kept} of {len(lines)} notes")
    begun = time.monotonic()
    wait_for("it serves", is_ready, 60)
    check("it serves again by itself", shown("ActiveState") == "active", f"{time.monotonic() - begun:.2f} s after the boot")
    check("many writes were acknowledged", len(told) > 100, len(told))
    gone = list(lost(token, told))
    check("each of them is there", not gone, gone[:5] or "")
    provide()
    check("a chat is answered", call("POST", "/v1/chat/completions", question("echo"), token)[0] == 200)


def end():
    run("systemctl", "stop", "llm-api.socket", "llm-api.service")
    check("it stops in order", shown("Result") == "success", shown("Result"))
    say("everything is as it should be")


def secret(name, value):
    CREDENTIALS.mkdir(mode=0o700, exist_ok=True)
    path = CREDENTIALS / f"llm-api.{name}"
    path.write_text(value)
    path.chmod(0o600)


def settle(database):
    run("systemd-sysusers", "--inline", 'u llm-api - "LLM API" /var/lib/llm-api')
    shutil.chown(STATE, "llm-api", "llm-api")
    ENVIRONMENT.parent.mkdir(parents=True, exist_ok=True)
    ENVIRONMENT.write_text(SETTINGS)
    ENVIRONMENT.chmod(0o600)
    secret("encryption-key", run("llm-api", "keys", "generate"))
    if database == "postgres":
        postgres.install()
        secret("database-url", postgres.ADDRESS)
        with ENVIRONMENT.open("a") as file:
            file.write(f"LLM_API_DATABASE_SCHEMA={postgres.SCHEMA}\n")


def install(database):
    settle(database)
    run("systemctl", "daemon-reload")
    units = [f"/usr/lib/systemd/system/llm-api.{kind}" for kind in ("service", "socket")]
    complaints = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    told = [line for line in complaints.stderr.splitlines() if "llm-api" in line]
    check("systemd-analyze verify has nothing to say", complaints.returncode == 0 and not told, told or "")
    exposure = run("systemd-analyze", "security", "--offline=true", "--threshold=15", units[0]).splitlines()[-1]
    check("exposure is at most 1.5", True, exposure.split(":", 1)[1].strip())

    begun = time.monotonic()
    run("systemctl", "enable", "--now", "llm-api.socket", "llm-api.service")
    check("it starts, and is ready when systemctl returns", is_ready(), f"{time.monotonic() - begun:.2f} s")
    status = pathlib.Path(f"/proc/{main_pid()}/status").read_text()
    facts = {name: re.search(rf"^{name}:\s*(\S+)", status, re.M)[1] for name in ("Uid", "CapBnd", "NoNewPrivs", "Seccomp")}
    check("it has no rights", facts["Uid"] != "0" and int(facts["CapBnd"], 16) == 0 and facts["NoNewPrivs"] == "1", facts)
    check("the key is the credential, and none was made", not (STATE / "encryption.key").exists())
    check("the database is the one that was meant", (STATE / "llm-api.db").exists() == (database == "sqlite"), database)
    made = run("llm-api-run", "user", "create", "--username", "ada", "--admin", "--password-stdin", input=PASSWORD + "\n", cwd="/root")
    check("a command of the operator works beside it", "ada" in made, made.splitlines()[0])
    token = call("POST", "/v1/users/login", {"username": "ada", "password": PASSWORD})[1]["token"]
    stored = call("POST", "/v1/users/provider-keys", {"provider": "openai", "api_key": "sk-good"}, token)
    check("a provider key is stored", stored[0] == 201, stored[1].get("status"))
    return token


def restart_under_load(token):
    load = Load(token)
    for _ in range(3):
        run("systemctl", "restart", "llm-api")
        time.sleep(0.5)
    told = load.end()
    check("three restarts under load", not load.failures, f"{told} {load.failures[:3] or ''}")
    load, stream = Load(token), Stream(token, 6)
    run("systemctl", "restart", "llm-api")
    stream.join()
    told = load.end()
    good = not load.failures and stream.whole and stream.pieces == 20
    check("a restart with a stream of 6 s", good, f"{told}, {stream.pieces} pieces {load.failures[:3] or ''}")


def reloads(token):
    load, stream = Load(token), Stream(token, 6)
    old, seconds = reload()
    check("the old process still has its stream", is_alive(old) and stream.is_alive(), f"the new one served after {seconds:.2f} s")
    stream.join()
    wait_for("the old process ends", lambda: not is_alive(old))
    told = load.end()
    good = not load.failures and stream.whole and stream.pieces == 20
    check("a reload with a stream of 6 s", good, f"{told}, {stream.pieces} pieces {load.failures[:3] or ''}")
    load = Load(token)
    for _ in range(3):
        reload()
    told = load.end()
    check("three reloads, one right after the other", not load.failures, f"{told} {load.failures[:3] or ''}")
    check("it is one service, still", shown("ActiveState") == "active" and shown("NRestarts") == "0", shown("SubState"))
    check("nothing was cut short", "interrupted" not in statuses(), statuses())


def upgrade(token):
    program, new = pathlib.Path("/usr/bin/llm-api"), pathlib.Path("/usr/bin/llm-api.new")
    shutil.copy(program, new)
    old_file, load = program.stat().st_ino, Load(token)
    os.replace(new, program)
    reload()
    told = load.end()
    serving = os.stat(f"/proc/{main_pid()}/exe").st_ino
    check("an upgrade of the program by a reload", not load.failures and serving == program.stat().st_ino != old_file, told)


def bad_settings(token):
    before = main_pid()
    settings = STATE / "config.yaml"
    settings.write_text("max_streams: many\n")
    settings.chmod(0o644)
    run("systemctl", "reload", "llm-api")
    wait_for("it says so", lambda: "failed" in shown("StatusText"))
    check("a reload with a bad setting changes nothing", is_ready() and main_pid() == before, shown("StatusText"))
    ended = subprocess.run(["systemctl", "restart", "llm-api"], capture_output=True).returncode
    time.sleep(3)
    told = f"{shown('ActiveState')}, exit code {shown('ExecMainStatus')}, {shown('NRestarts')} restarts"
    check("a start with it is not tried again", ended != 0 and told == "failed, exit code 78, 0 restarts", told)
    try:
        status = call("GET", "/health", timeout=30)[0]
    except BROKEN as error:
        status = repr(error)
    sockets = shown("ActiveState", "llm-api.socket")
    check("a connection to it is not held for ever, nor tried for ever", sockets == "failed", f"{status}, the socket {sockets}")
    settings.unlink()
    time.sleep(10)
    run("systemctl", "restart", "llm-api")
    check("and with good ones it starts", is_ready())


def kill(token):
    for what, prepare in [("kill -9", lambda: None), ("kill -9 after a reload", reload)]:
        prepare()
        wait_for("one process", lambda: len(run("pgrep", "-x", "llm-api").split()) == 1)
        old = main_pid()
        os.kill(old, signal.SIGKILL)
        begun = time.monotonic()
        status = call("GET", "/v1/users/me", token=token)[0]
        check(f"{what}: it starts again", status == 200 and main_pid() != old, f"answers after {time.monotonic() - begun:.2f} s")
    stream = Stream(token, 20)
    old, _ = reload()
    os.kill(main_pid(), signal.SIGKILL)
    begun = time.monotonic()
    status = call("GET", "/v1/users/me", token=token)[0]
    told = f"answers after {time.monotonic() - begun:.2f} s"
    check("kill -9 of the new one while the old one has a stream", status == 200 and main_pid() != old, told)
    stream.join()


def watchdog():
    old = main_pid()
    os.kill(old, signal.SIGSTOP)
    begun = time.monotonic()
    wait_for("the watchdog ends it", lambda: main_pid() not in (0, old), 60)
    wait_for("it serves again", is_ready)
    check("a process that hangs is replaced", True, f"after {time.monotonic() - begun:.0f} s")


def disk_full(token):
    rows = sum(statuses().values())
    filler = STATE / "filler"
    session = {"title": "a title", "system_prompt": "x" * 4000}
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
    wait_for("writes are refused", lambda: call("POST", "/v1/sessions", session, token)[0] == 507, 60)
    status, body = call("POST", "/v1/sessions", session, token)
    check("with a full disk a write answers 507", status == 507, body)
    check("a chat is answered", call("POST", "/v1/chat/completions", question("echo"), token)[0] == 200)
    check("and reads go on", call("GET", "/v1/users/me", token=token)[0] == 200 and call("GET", "/v1/sessions", token=token)[0] == 200)
    old = main_pid()
    filler.unlink()
    status = call("POST", "/v1/sessions", session, token)[0]
    check("with space again the same process writes", status in (200, 201) and main_pid() == old, status)
    wait_for("the chat's usage row, later", lambda: sum(statuses().values()) == rows + 1)
    check("and the chat's usage row is there, too", True)


def database_away(token):
    before, begun_rows = main_pid(), sum(statuses().values())
    stream = Stream(token, 8)
    run("systemctl", "stop", "postgresql")
    status, body = call("GET", "/v1/sessions", token=token)
    check("without the database a request answers 503", status == 503 and body["code"] == "db_unavailable", body)
    check("and the process lives", call("GET", "/health")[0] == 200 and call("GET", "/ready")[0] == 503)
    run("systemctl", "reload", "llm-api")
    wait_for("the reload fails", lambda: "failed" in shown("StatusText"), 45)
    check("a reload without it changes nothing", main_pid() == before, shown("StatusText"))
    stream.join()
    check("a stream goes on", stream.whole and stream.pieces == 20, f"{stream.pieces} pieces")
    run("systemctl", "start", "postgresql")
    begun = time.monotonic()
    wait_for("it is ready", is_ready)
    good = call("GET", "/v1/sessions", token=token)[0] == 200 and main_pid() == before
    check("with the database again the same process answers", good, f"after {time.monotonic() - begun:.2f} s")
    wait_for("the stream's usage row, later", lambda: sum(statuses().values()) == begun_rows + 1)

    load = Load(token)
    run("systemctl", "restart", "postgresql")
    wait_for("it is ready", is_ready)
    told = load.end()
    others = [failure for failure in load.failures if "db_unavailable" not in failure]
    check("while the database restarts nothing but 503 is answered", not others, f"{told} {others[:3] or ''}")
    load = Load(token)
    told = load.end()
    check("and after it nothing fails", not load.failures, f"{told} {load.failures[:3] or ''}")

    run("systemctl", "stop", "postgresql")
    run("systemctl", "restart", "llm-api", ok=False)
    # Longer than it takes to be short of patience: it ends at once, and is started again each second.
    time.sleep(60)
    tries = shown("NRestarts")
    run("systemctl", "start", "postgresql")
    begun = time.monotonic()
    wait_for("it is ready", is_ready)
    check("started without the database, it serves once that is there", True, f"after {time.monotonic() - begun:.2f} s, try {tries}")
