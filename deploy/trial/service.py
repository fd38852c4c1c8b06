"""Looks at the service from inside the machine, and says what was seen."""

import json
import pathlib
import subprocess
import time

from . import clients, postgres

STATE = pathlib.Path("/var/lib/llm-api")


def run(*args, ok=True, **more):
    done = subprocess.run(args, capture_output=True, text=True, timeout=120, **more)
    if ok and done.returncode != 0:
        check(" ".join(args), False, f"ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def say(text):
    print(text, flush=True)


def check(what, good, told=""):
    say(f"{'ok  ' if good else 'FAIL'} {what}{': ' + str(told) if told != '' else ''}")
    if not good:
        raise SystemExit(f"--- the journal ends with\n{journal()[-4000:]}")


def wait_for(what, look, seconds=30):
    begun = time.monotonic()
    while not (found := look()):
        if time.monotonic() - begun > seconds:
            check(what, False, f"not within {seconds} s")
        time.sleep(0.05)
    return found


def shown(name, unit="llm-api.service"):
    return run("systemctl", "show", "--property", name, "--value", unit)


def main_pid():
    return int(shown("MainPID"))


def journal():
    return run("journalctl", "-u", "llm-api", "--no-pager", "-o", "cat", ok=False)


def is_ready():
    try:
        return clients.call("GET", "/ready", timeout=5)[0] == 200
    except clients.BROKEN:
        return False


def is_alive(pid):
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def reload():
    """Reloads; the old process's id, and how long the new one took to be the one that serves."""
    old, begun = main_pid(), time.monotonic()
    run("systemctl", "reload", "llm-api")
    wait_for("another process serves", lambda: main_pid() not in (0, old))
    return old, time.monotonic() - begun


def statuses():
    """How many rows of usage there are of each status."""
    query = "SELECT status, COUNT(*) FROM requests GROUP BY 1"
    if postgres.is_here():
        return {name: int(count) for name, count in (row.split("|") for row in postgres.sql(query).splitlines())}
    script = "import json, sqlite3, sys; print(json.dumps(dict(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]))))"
    return json.loads(run("/usr/bin/python3", "-c", script, str(STATE / "llm-api.db"), query))
