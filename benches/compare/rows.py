"""The rows: who is asked to do what, and what is to come of it."""

from dataclasses import dataclass
from typing import Callable

import http_sides
import program_sides


@dataclass
class Row:
    name: str
    # A side gives its figures of one round: `rate` a second, or microseconds.
    sides: dict[str, Callable[[], dict]]
    # What it is called, our side, the peer's, the figure, what is wanted.
    lines: list[tuple]


def http(name, path, wanted):
    def row(tools, postgres):
        ask = http_sides.Http(name, tools, postgres)
        lines = []
        for store, (than_nest, than_fastify) in wanted.items():
            lines += [
                (f"`POST {path}`, {store}", store, "NestJS + BullMQ", "rate", than_nest),
                (f"`POST {path}`, {store}", store, "fastify + BullMQ", "rate", than_fastify),
                (f"`POST {path}`, {store}: p99", store, "fastify + BullMQ", "p99_us", "≤ 5 ms"),
                (f"`POST {path}`, {store}: one connection, p50", store, "fastify + BullMQ", "alone_p50_us", "≤ 500 µs"),
            ]
        return Row(name, ask.sides(), lines)
    return row


ROWS = {
    "webhooks": http("webhooks", "/webhooks/waha", {
        "SQLite": ("≥ 10×", "≥ 3×"), "PostgreSQL": ("≥ 6×", "≥ 1.8×"), "PostgreSQL + Redis": ("≥ 6×", "≥ 1.8×")}),
    "send": http("send", "/messages/send", {
        "SQLite": ("≥ 5×", "≥ 1.5×"), "PostgreSQL": ("≥ 4×", "≥ 1.2×"), "PostgreSQL + Redis": ("≥ 4×", "≥ 1.2×")}),
}
