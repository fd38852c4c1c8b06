"""A throw-away machine with a systemd of its own, on a disk that can lose its power."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SYSTEMD = HERE.parent / "systemd"
# What lies on the disk; everything else of the machine outlives a power cut as it was at that moment.
ON_DISK = ["/var/lib/llm-api", "/var/lib/postgresql"]


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, timeout=120).stdout.strip()


def must(*args):
    subprocess.run(args, check=True, timeout=120)


class Machine:
    """It has this machine's /usr below a layer of its own, and no network."""

    def __init__(self, binary, disk_mib):
        self.scratch = tempfile.TemporaryDirectory(prefix="llm-api-systemd-")
        self.folder = pathlib.Path(self.scratch.name)
        self.root, self.layer, self.mounted = (self.folder / name for name in ("root", "usr", "mounted"))
        self.disk, self.nspawn, self.leader, self.mounts = self.folder / "disk", None, None, 0
        for folder in (self.root / "usr/lib", self.mounted):
            folder.mkdir(parents=True)
        # systemd-nspawn looks for these before /usr is there.
        shutil.copy("/usr/lib/os-release", self.root / "usr/lib/os-release")
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if (pathlib.Path("/usr") / name).is_dir():
                (self.root / name).symlink_to(f"usr/{name}")
        for source, target in [
            (binary, "bin/llm-api"),
            (SYSTEMD / "llm-api-run", "bin/llm-api-run"),
            (SYSTEMD / "llm-api.service", "lib/systemd/system/llm-api.service"),
            (SYSTEMD / "llm-api.socket", "lib/systemd/system/llm-api.socket"),
            (HERE.parent / "test-systemd", "lib/llm-api/test-systemd"),
            *((module, f"lib/llm-api/trial/{module.name}") for module in HERE.glob("*.py")),
        ]:
            (self.layer / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, self.layer / target)
        # Nothing that happens to be installed on this machine starts there by itself.
        preset = self.layer / "lib/systemd/system-preset/00-trial.preset"
        preset.parent.mkdir()
        preset.write_text("disable *\n")
        with self.disk.open("wb") as file:
            file.truncate(disk_mib << 20)
        # Blocks as large disks have them: SQLite counts on that when the disk is full.
        must("mkfs.ext4", "-q", "-b", "4096", "-m", "0", str(self.disk))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.nspawn:
            self.nspawn.send_signal(signal.SIGTERM)
            self.nspawn.wait(timeout=60)
        self.unmount()
        self.scratch.cleanup()

    def mount(self):
        # What no program has asked to be on the disk stays in memory for longer than any trial.
        must("mount", "-o", "loop,commit=3600", str(self.disk), str(self.mounted))
        for path in ON_DISK:
            (self.mounted / pathlib.Path(path).name).mkdir(exist_ok=True)

    def unmount(self):
        if os.path.ismount(self.mounted):
            must("umount", str(self.mounted))

    def boot(self):
        """How many seconds it took."""
        self.mount()
        begun = time.monotonic()
        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot", "--register=no", "--keep-unit"]
        command += ["--console=passive", "--private-network", f"--machine=llm-api-{os.getpid()}"]
        command += [f"--overlay=/usr:{self.layer}:/usr", "--bind-ro=/etc/ssl"]
        command += [f"--bind={self.mounted / pathlib.Path(path).name}:{path}" for path in ON_DISK]
        command.append("systemd.firstboot=off")
        with (self.folder / "console").open("ab") as console:
            self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.wait()
        return time.monotonic() - begun

    def wait(self):
        """Until it has booted."""
        begun = time.monotonic()
        while time.monotonic() < begun + 90 and self.nspawn.poll() is None:
            self.leader = next(iter(run("pgrep", "-P", str(self.nspawn.pid)).split()), None)
            listens = self.leader and pathlib.Path(f"/proc/{self.leader}/root/run/systemd/private").exists()
            if listens and self.ask("systemctl", "is-active", "multi-user.target") == "active":
                return
            time.sleep(0.1)
        raise SystemExit(f"the machine does not boot:\n{(self.folder / 'console').read_text(errors='replace')[-4000:]}")

    def enter(self, *args):
        command = ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-C", "env", "-i"]
        return [*command, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", *args]

    def ask(self, *args):
        return run(*self.enter(*args))

    def tell(self, part, *args, **more):
        """One part of the story, inside; it must end well."""
        command = self.enter("/usr/bin/python3", "/usr/lib/llm-api/test-systemd", "--inside", part, *args)
        if (code := subprocess.run(command, **more).returncode) != 0:
            sys.exit(code)

    def begin(self, part):
        command = self.enter("/usr/bin/python3", "/usr/lib/llm-api/test-systemd", "--inside", part)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def reboot(self):
        """As an operator does it."""
        run(*self.enter("systemctl", "reboot"))
        # Its code says that it is to be started again.
        if (code := self.nspawn.wait(timeout=120)) != 133:
            raise SystemExit(f"the machine ended with {code} instead of restarting")
        self.unmount()

    def cut_power(self):
        """Everything ends at once, and what was not on the disk is gone."""
        os.kill(int(self.leader), signal.SIGKILL)
        self.nspawn.wait(timeout=60)
        left = self.folder / "left"
        must("cp", "--sparse=always", str(self.disk), str(left))
        # This writes to the former file what the cut has lost.
        self.unmount()
        left.replace(self.disk)
