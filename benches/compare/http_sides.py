"""Servers that keep what is posted to them: ours on each store, NestJS and fastify with BullMQ."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

import services
from services import FORGETFUL, HOME, KEPT

SECONDS = float(os.environ.get("SECONDS", 5))
SECRET = "compared-by-the-same-secret-of-43-characters"
SESSIONS = 10
# More than can be answered in a second, so that the time is used up before the requests are.
AT_MOST = {"nest": 15_000, "fastify": 35_000, "ours": 70_000}


def post(port, path, body, token):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    for patience in range(30, 0, -1):
        try:
            return json.load(urllib.request.urlopen(request))
        except urllib.error.HTTPError as error:
            # A machine that is busy with something else may keep the store from answering in time.
            if error.code != 503 or patience == 1:
                raise
            time.sleep(1)


def wait_until_applied(port):
    """Webhooks take effect after they are answered: that belongs to the load before."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/webhooks/health") as answer:
            if json.load(answer)["pending"] == 0:
                return
        time.sleep(0.2)
    raise SystemExit("webhooks are not applied within two minutes")


class Http:
    """One row: what is posted, to whom."""

    def __init__(self, name, tools, postgres, event="message.any"):
        self.name, self.tools, self.postgres, self.event, self.run = name, tools, postgres, event, 0

    def sides(self):
        return {
            "NestJS + BullMQ": lambda: self.measure("nest", self.node("nest.js")),
            "fastify + BullMQ": lambda: self.measure("fastify", self.node("fastify.js")),
            "SQLite": lambda: self.measure("ours", self.ours_on_sqlite()),
            "PostgreSQL": lambda: self.measure("ours", self.ours_on_postgres([])),
            "PostgreSQL + Redis": lambda: self.measure("ours", self.ours_on_postgres(FORGETFUL)),
        }

    def measure(self, side, started):
        """Warmed up, then one connection, then 64; what was answered must have been kept."""
        with contextlib.ExitStack() as stack:
            port, token, kept = stack.enter_context(started)
            warm = self.load(port, token, 2, 64, AT_MOST[side])
            if side == "ours":
                wait_until_applied(port)
            alone = self.load(port, token, 2, 1, 10_000)
            spent = services.cpu_seconds()
            many = self.load(port, token, SECONDS, 64, AT_MOST[side])
            if side == "ours":
                wait_until_applied(port)
            cpu = (services.cpu_seconds() - spent) / many["accepted"] * 1e6
            answered = warm["accepted"] + many["accepted"] + alone["accepted"]
            is_kept = kept()
        if is_kept != answered:
            raise SystemExit(f"{self.name}, {side}: {answered} were answered, {is_kept} were kept")
        return {"rate": many["rate"], "p99_us": many["p99_us"], "alone_p50_us": alone["p50_us"], "cpu_us": cpu}

    def load(self, port, token, seconds, connections, a_second):
        self.run += 1
        answers = json.loads(subprocess.check_output([
            self.tools.load, self.name, "--to", f"127.0.0.1:{port}", "--connections", str(connections),
            "--seconds", str(seconds), "--requests", str(int(a_second * seconds)), "--run", str(self.run),
            "--secret", SECRET, "--token", token, "--sessions", str(SESSIONS), "--event", self.event]))
        if answers["refused"]:
            raise SystemExit(f"{self.name}: {answers['refused']} refused, the first: {answers['first_refusal']}")
        return answers

    @contextlib.contextmanager
    def node(self, script):
        with services.redis(KEPT) as redis:
            port = services.free_port()
            env = {"PORT": str(port), "REDIS_URL": f"redis://127.0.0.1:{redis}", "SECRET": SECRET,
                   "NODE_ENV": "production"}
            token = subprocess.check_output(
                ["node", self.tools.node / "checks.js"], env={**os.environ, **env}, text=True).strip()
            with services.program(["node", self.tools.node / script], port, env):
                yield port, token, lambda: int(services.redis_cli(redis, "LLEN", "bull:kept:wait"))

    @contextlib.contextmanager
    def ours_on_sqlite(self):
        data = HOME / f"data-{services.free_port()}"

        def kept():
            with contextlib.closing(sqlite3.connect(data / "messaging.db")) as database:
                return database.execute(self.count("")).fetchone()[0]

        with self.ours({"DATA_DIR": str(data)}) as (port, token):
            yield port, token, kept
        shutil.rmtree(data)

    @contextlib.contextmanager
    def ours_on_postgres(self, redis_options):
        with self.postgres.database() as database, contextlib.ExitStack() as stack:
            env = {"DATABASE_URL": self.postgres.url(database), "DATA_DIR": str(HOME / database)}
            if redis_options:
                env["REDIS_URL"] = f"redis://127.0.0.1:{stack.enter_context(services.redis(redis_options))}"
            with self.ours(env) as (port, token):
                yield port, token, lambda: int(self.postgres.sql(self.count("messaging."), database))

    def count(self, schema):
        table = {"webhook": "inbox_keys", "send": "messages"}[self.name]
        return f"SELECT count(*) FROM {schema}{table}"

    @contextlib.contextmanager
    def ours(self, storage):
        """The server as it is installed: a WAHA (simulated) with sessions, a tenant, a token."""
        port, waha = services.free_port(), services.free_port()
        env = {
            "PORT": str(port), "WAHA_BASE_URL": f"http://127.0.0.1:{waha}", "WAHA_API_KEY": "simulator",
            "WAHA_WEBHOOK_SECRET": SECRET, "JWT_SECRET": SECRET, "LOG_LEVEL": "warn",
            # Out of the way; the rest is as it is out of the box.
            "WEBHOOK_RATE_LIMIT": "1000000000", "TENANT_RATE_LIMIT": "1000000000", "MAX_WAITING": "1000000000",
            **storage,
        }
        command = lambda *arguments: subprocess.check_output(
            [self.tools.server, *arguments], env={"PATH": os.environ["PATH"], **env}, cwd=HOME, text=True).strip()
        sessions = [f"s{n}" for n in range(SESSIONS)]
        seeded = [part for name in sessions for part in ("--session", name)]
        with services.program([self.tools.server, "waha-sim", "--port", waha, *seeded], waha):
            command("tenant", "create", "acme")
            token = command("token", "--tenant", "acme", "--role", "owner")
            with services.program([self.tools.server, "serve"], port, env):
                for name in sessions:
                    made = post(port, "/sessions", {"name": name, "wahaSession": name, "adopt": True}, token)
                    assert made["status"].lower() == "working", made
                yield port, token
