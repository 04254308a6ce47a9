"""The rows: who is asked to do what, and what is to come of it."""

from dataclasses import dataclass
from typing import Callable

import http_sides
import program_sides
from services import FORGETFUL, KEPT


@dataclass
class Row:
    name: str
    # A side gives its figures of one round: `rate` a second, or microseconds.
    sides: dict[str, Callable[[], dict]]
    # What it is called, our side, the peer's, the figure, what is wanted.
    lines: list[tuple]


def http(name, kind, path, wanted, event="message.any"):
    def row(tools, postgres):
        ask = http_sides.Http(kind, tools, postgres, event)
        lines = []
        for store, (than_nest, than_fastify) in wanted.items():
            lines += [
                (f"`POST {path}`, {store}", store, "NestJS + BullMQ", "rate", than_nest),
                (f"`POST {path}`, {store}", store, "fastify + BullMQ", "rate", than_fastify),
                (f"`POST {path}`, {store}: CPU time of each", store, "fastify + BullMQ", "cpu_us", ""),
                (f"`POST {path}`, {store}: p99", store, "fastify + BullMQ", "p99_us", "≤ 5 ms"),
                (f"`POST {path}`, {store}: one connection, p50", store, "fastify + BullMQ", "alone_p50_us", "≤ 500 µs"),
            ]
        return Row(name, ask.sides(), lines)
    return row


def passing(tools, postgres):
    run = program_sides.Programs(tools, postgres)
    what = "accept → claimed → settled, in process, 64 callers"
    bullmq = "BullMQ add + worker, AOF always"
    return Row("pass", {
        bullmq: run.on_redis(KEPT, run.node("bullmq.js", "pass", "30000")),
        "SQLite": run.ours("delivery", "pass", "sqlite", "30000"),
        "PostgreSQL + Redis": run.ours("delivery", "pass", "postgres+redis", "8000"),
    }, [
        (f"{what}, SQLite", "SQLite", bullmq, "rate", "≥ 2×"),
        (f"{what}, PostgreSQL + Redis", "PostgreSQL + Redis", bullmq, "rate", "≥ 1.2×"),
    ])


def lone(tools, postgres):
    run = program_sides.Programs(tools, postgres)
    what = "a lone message, accept → transport called"
    sides = {
        "BullMQ": run.on_redis(FORGETFUL, run.node("bullmq.js", "lone", "2000")),
        "BullMQ, AOF always": run.on_redis(KEPT, run.node("bullmq.js", "lone", "2000")),
        "SQLite": run.ours("delivery", "lone", "sqlite", "2000"),
        "PostgreSQL + Redis": run.ours("delivery", "lone", "postgres+redis", "2000"),
    }
    wanted = {"p50": "≤ 500 µs", "p99": "≤ 2 ms"}
    return Row("lone", sides, [
        (f"{what}, {store}: {share}", store, "BullMQ, AOF always", f"{share}_us", limit)
        for store in ("SQLite", "PostgreSQL + Redis") for share, limit in wanted.items()
    ])


def queue(tools, postgres):
    run = program_sides.Programs(tools, postgres)
    what = "Redis queue: push, claim, complete"
    peer = lambda name, count: run.on_redis(FORGETFUL, [tools.peers, name, count])
    return Row("queue", {
        "BullMQ worker": run.on_redis(FORGETFUL, run.node("bullmq.js", "work", "40000")),
        "bullmq-official": peer("bullmq", "40000"),
        # Its worker ends where some 8000 are due at once.
        "apalis-redis": peer("apalis-redis", "7000"),
        "ours": run.criterion("redis_queue", "redis_queue/push_claim_complete/1_partitions/1000_due"),
    }, [
        (what, "ours", "BullMQ worker", "rate", "≥ 4×"),
        (what, "ours", "bullmq-official", "rate", "≥ 3×"),
        (what, "ours", "apalis-redis", "rate", ""),
    ])


def writes(tools, postgres):
    run = program_sides.Programs(tools, postgres)
    node = lambda name, count: run.on_postgres(run.node("postgres.js", name, count))
    return Row("writes", {
        "pg-boss": node("pg-boss", "20000"),
        "graphile-worker": node("graphile", "10000"),
        "graphile-worker, batched": node("graphile-batched", "40000"),
        "apalis-postgres": run.on_postgres([tools.peers, "apalis-postgres", "10000"]),
        "64 callers": run.ours("postgres_writes", "64", "10000"),
        "256 callers": run.ours("postgres_writes", "256", "20000"),
    }, [
        (f"accept, begin, settle in PostgreSQL, {ours}", ours, peer, "rate", wanted)
        for ours in ("64 callers", "256 callers")
        for peer, wanted in {
            "pg-boss": "> 1×", "apalis-postgres": "> 1×", "graphile-worker": "> 1×",
            "graphile-worker, batched": "beside it"}.items()
    ])


def limiter(tools, postgres):
    run = program_sides.Programs(tools, postgres)
    bare, flexible = "redis-benchmark -P 16, the same script", "rate-limiter-flexible"
    return Row("limiter", {
        bare: run.bare_script,
        flexible: run.on_redis(FORGETFUL, run.node("limiter.js", "200000")),
        "ours": run.criterion("redis_limiter", "redis_limiter/admit/64_callers"),
    }, [
        ("Redis limiter, 64 in flight", "ours", bare, "rate", "≥ 0.8×"),
        ("Redis limiter, 64 in flight", "ours", flexible, "rate", "≥ 1.2×"),
    ])


WEBHOOKS = {
    "SQLite": ("≥ 10×", "≥ 3×"), "PostgreSQL": ("≥ 6×", "≥ 1.8×"), "PostgreSQL + Redis": ("≥ 6×", "≥ 1.8×")}

ROWS = {
    "webhooks": http("webhooks", "webhook", "/webhooks/waha", WEBHOOKS),
    "kept": http("kept", "webhook", "/webhooks/waha, nothing to apply", WEBHOOKS, event="engine.event"),
    "send": http("send", "send", "/messages/send", {
        "SQLite": ("≥ 5×", "≥ 1.5×"), "PostgreSQL": ("≥ 4×", "≥ 1.2×"), "PostgreSQL + Redis": ("≥ 4×", "≥ 1.2×")}),
    "pass": passing,
    "lone": lone,
    "queue": queue,
    "writes": writes,
    "limiter": limiter,
}
