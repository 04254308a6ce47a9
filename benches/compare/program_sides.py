"""Sides that are programs of their own. Each prints a line of JSON, but for criterion's benches and
redis-benchmark, whose own ways of telling are read."""

import csv
import json
import os
import shutil
import struct
import subprocess
import time

import services
from build import ROOT
from services import FORGETFUL, HOME, KEPT


def told(command, env):
    command = [str(part) for part in command]
    out = subprocess.check_output(command, env={**os.environ, **env}, cwd=HOME, text=True)
    return json.loads(out.splitlines()[-1])


class Programs:
    """Programs that are given what they need: a Redis and a database, both empty."""

    def __init__(self, tools, postgres):
        self.tools, self.postgres = tools, postgres

    def on_redis(self, options, command):
        """A side that needs a Redis; `command` is what to run."""
        def side():
            with services.redis(options) as port:
                url = f"redis://127.0.0.1:{port}"
                return told(command, {"REDIS_URL": url, "SECRET": "none"})
        return side

    def on_postgres(self, command):
        def side():
            with self.postgres.database() as database:
                return told(command, {"DATABASE_URL": self.postgres.url(database)})
        return side

    def ours(self, bench, *arguments):
        """One of the benches of this project."""
        def side():
            with services.redis(FORGETFUL) as port, self.postgres.database() as database:
                return told([self.tools.benches[bench], *arguments], {
                    "TEST_REDIS_URL": f"redis://127.0.0.1:{port}", "COMPARE_DIR": str(HOME),
                    "TEST_POSTGRES_URL": self.postgres.url(database)})
        return side

    def criterion(self, bench, case):
        """One of the benches that criterion runs."""
        def side():
            home = HOME / "criterion"
            with services.redis(FORGETFUL) as port:
                subprocess.run(
                    [self.tools.benches[bench], "--bench", "--noplot", "--exact", case], check=True,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HOME,
                    env={**os.environ, "TEST_REDIS_URL": f"redis://127.0.0.1:{port}", "CRITERION_HOME": str(home)})
            estimates, = home.glob("**/new/estimates.json")
            nanoseconds = json.loads(estimates.read_text())
            nanoseconds = (nanoseconds["slope"] or nanoseconds["mean"])["point_estimate"]
            shutil.rmtree(home)
            return {"rate": 1e9 / nanoseconds}
        return side

    def node(self, script, *arguments):
        return ["node", self.tools.node / script, *arguments]

    def bare_script(self):
        """Our limiter's script, one check a call, by the fastest client there is."""
        script = (ROOT / "messaging-store-redis" / "src" / "scripts" / "limiter.lua").read_text()
        now, minute = time.time_ns() // 1000, 60_000_000
        # A million a minute: the letter, now, the interval, the burst, and when the key expires. It
        # stands in the script, since redis-benchmark sends no zero bytes.
        check = b"A" + struct.pack(">6Q", now, 60, minute, now + 31 * minute, now + 61 * minute, 61 * 60_000)
        script = 'local ARGV = {"' + "".join(f"\\{byte:03}" for byte in check) + '"}\n' + script
        with services.redis(FORGETFUL) as port:
            sha = services.redis_cli(port, "SCRIPT", "LOAD", script)
            out = subprocess.run(
                ["redis-benchmark", "-p", str(port), "-c", "64", "-P", "16", "-n", "500000", "-r", "1000", "--csv",
                 "EVALSHA", sha, "1", "limit:__rand_int__"], stdout=subprocess.PIPE, text=True, check=True).stdout
            keys = int(services.redis_cli(port, "DBSIZE"))
        if keys < 900:
            raise SystemExit(f"the bare script counted {keys} keys")
        # Under a line of headings: the test and, second, how many a second.
        return {"rate": float(next(csv.reader(out.splitlines()[1:]))[1])}
