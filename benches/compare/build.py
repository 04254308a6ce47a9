"""Builds what is compared: ours by cargo, the peers by npm and cargo, all under target/."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


@dataclass
class Tools:
    server: str = ""
    load: str = ""
    node: Path = TARGET / "compare" / "node"
    benches: dict = None
    peers: str = ""


def executables(*arguments, cwd=ROOT, target=TARGET):
    """Builds with the profile for releases; the programs by name."""
    command = ["cargo", *arguments, "--profile", "release", "--locked", "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True,
                           env={**os.environ, "CARGO_TARGET_DIR": str(target)}).stdout
    messages = map(json.loads, built.splitlines())
    return {it["target"]["name"]: it["executable"] for it in messages if it.get("executable")}


def build(rows):
    if not shutil.which("redis-server") or not Path("/usr/lib/postgresql").is_dir():
        subprocess.run([ROOT / "scripts" / "with-services", "true"], check=True)
    tools = Tools()
    if {"webhooks", "kept", "send"} & set(rows):
        tools.server = executables("build", "-p", "messaging-server")["messaging-server"]
        tools.load = executables("build", "-p", "load")["load"]
    if {"pass", "lone", "queue", "writes", "limiter"} & set(rows):
        tools.benches = executables("bench", "--no-run", "-p", "benches")
    if {"queue", "writes"} & set(rows):
        tools.peers = executables("build", cwd=HERE / "peers", target=TARGET / "compare" / "peers")["peers"]
    install_node_peers(tools.node)
    return tools


def install_node_peers(to):
    to.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "node" / "package-lock.json").read_bytes()
    for file in (HERE / "node").iterdir():
        shutil.copy(file, to / file.name)
    stamp = to / "installed"
    if not stamp.exists() or stamp.read_bytes() != wanted:
        subprocess.run(["npm", "ci", "--no-fund", "--no-audit", "--loglevel", "error"], cwd=to, check=True)
        stamp.write_bytes(wanted)
