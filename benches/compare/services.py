"""Servers and programs that a comparison starts, each on a free port and in a directory of its own."""

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# On a disk: what /tmp is kept in may be memory, where a commit costs nothing.
HOME = Path(tempfile.mkdtemp(prefix="compare-", dir=os.environ.get("COMPARE_DIR", "/var/tmp")))
HOME.chmod(0o755)
# The processes that were started and still run.
RUNNING = set()
KEPT = ["--appendonly", "yes", "--appendfsync", "always"]
FORGETFUL = ["--appendonly", "no"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port, process, log, limit=60):
    """Waits until somebody listens there; says what went wrong where nobody does."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"{process.args[0]} did not start:\n{Path(log).read_text()[-3000:]}")


@contextlib.contextmanager
def program(command, port, env=None, cwd=None, stop_within=40):
    """Runs a program that listens on a port, until the block ends."""
    log = HOME / f"{Path(str(command[0])).name}-{port}.log"
    with open(log, "w") as out:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env=None if env is None else {"PATH": os.environ["PATH"], **env}, cwd=cwd or HOME)
        try:
            RUNNING.add(process.pid)
            listens(port, process, log)
            yield process
        finally:
            RUNNING.discard(process.pid)
            process.terminate()
            try:
                process.wait(stop_within)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cpu_seconds(pids=None):
    """What all that runs, and what that has started, has taken of the processors (Linux)."""
    total = 0
    for pid in RUNNING if pids is None else pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # User and system, of its own and of its children that have ended.
            spent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]
            total += sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")
            total += cpu_seconds(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return total


@contextlib.contextmanager
def redis(options):
    """A Redis with nothing in it; gives its port."""
    port = free_port()
    home = HOME / f"redis-{port}"
    home.mkdir()
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", home, "--save", ""]
    with program([*command, *options], port):
        yield port
    shutil.rmtree(home)


def redis_cli(port, *command):
    return subprocess.check_output(["redis-cli", "-p", str(port), *map(str, command)], text=True).strip()


class Postgres:
    """A PostgreSQL as it is out of the box."""

    def __init__(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda it: int(it.split("/")[-2]))
        self.bin = Path(found[-1] if found else os.path.dirname(shutil.which("postgres")))
        self.port = free_port()

    @contextlib.contextmanager
    def running(self):
        home = HOME / "postgres"
        home.mkdir()
        user = []
        if os.geteuid() == 0:  # as whom it does not run
            shutil.chown(home, "postgres")
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        data = home / "data"
        subprocess.run([*user, self.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                        "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=home)
        server = [*user, self.bin / "postgres", "-D", data, "-h", "127.0.0.1", "-p", self.port, "-k", ""]
        with program(server, self.port, cwd=home):
            while subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode:
                time.sleep(0.05)
            yield self

    def sql(self, statement, database="postgres"):
        return subprocess.check_output(
            [self.bin / "psql", "-qtAX", "-v", "ON_ERROR_STOP=1", self.url(database), "-c", statement], text=True).strip()

    def url(self, database="postgres"):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self):
        """A database with nothing in it; gives its name. What others left to be written is written."""
        name = f"compare_{free_port()}"
        self.sql(f"CREATE DATABASE {name}")
        self.sql("CHECKPOINT")
        yield name
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")
