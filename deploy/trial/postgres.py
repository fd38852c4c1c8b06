"""A PostgreSQL server inside the machine, with a role that owns one schema and nothing else."""

import pathlib
import shutil
import subprocess

HOME = pathlib.Path("/var/lib/postgresql")
PROGRAMS = pathlib.Path("/usr/lib/postgresql")
UNIT = pathlib.Path("/etc/systemd/system/postgresql.service")
ADDRESS = "postgres://llm:a%40quiet%2Fafternoon@127.0.0.1:5432/llm"
SCHEMA = "llm_api"


def programs():
    """The folder of the newest version's programs; none where there is no version."""
    return max(PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name), default=None)


def is_here():
    return UNIT.exists()


def as_owner(*args, **more):
    command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", timeout=120, **more).stdout.strip()


def sql(text, database="llm"):
    settings = {"PGOPTIONS": f"--search_path={SCHEMA}", "PATH": "/usr/bin:/bin"}
    return as_owner(str(programs() / "psql"), "-XqAtv", "ON_ERROR_STOP=1", "-d", database, "-c", text, env=settings)


def install():
    """Sets one up that starts with the machine and keeps what it has acknowledged, as the defaults do."""
    subprocess.run(["systemd-sysusers", "--inline", f'u postgres - "PostgreSQL" {HOME}'], check=True)
    HOME.mkdir(exist_ok=True)
    shutil.chown(HOME, "postgres", "postgres")
    data = HOME / "data"
    as_owner(str(programs() / "initdb"), "-D", str(data), "-E", "UTF8", "--locale=C", "--auth-local=peer", "--auth-host=scram-sha-256")
    UNIT.parent.mkdir(parents=True, exist_ok=True)
    UNIT.write_text(
        f"""[Unit]
Description=PostgreSQL

[Service]
Type=notify
User=postgres
RuntimeDirectory=postgresql
ExecStart={programs()}/postgres -D {data} -c listen_addresses=127.0.0.1 -c unix_socket_directories=/run/postgresql
KillMode=mixed
KillSignal=SIGINT
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""
    )
    subprocess.run(["systemctl", "enable", "--quiet", "--now", "postgresql"], check=True)
    sql("CREATE ROLE llm LOGIN PASSWORD 'a@quiet/afternoon'", "postgres")
    sql("CREATE DATABASE llm", "postgres")
    sql(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION llm")
