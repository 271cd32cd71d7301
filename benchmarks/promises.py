"""What each promise costs: the same job with one of them taken out, in turn with the whole, in the same run.

    python -m benchmarks.promises [--orders 20000] [--rounds 5]

MerchantPro orders go to the external-order API of one sandbox, unlimited, 100 a page and a batch. What is taken out is
taken out here alone, by replacing functions; none of it is a setting, but for `synchronous` and `check_bodies`. The
last column is the share of time that a run without the promise saves.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import anyio

from benchmarks import migration_texts as texts
from bulkmove.cli.tuning import tune
from bulkmove.connectors.external_order.target import OrderTarget
from bulkmove.ledger.sqlite import SqliteLedger
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

AS_SHIPPED: Mapping[str, object] = {"synchronous": "full", "check_bodies": True}


def _nothing(*_: object, **__: object) -> None:
    return None


@contextmanager
def _without_intents() -> Iterator[None]:
    """Every write counts as one that may be sent twice."""
    with patch.object(OrderTarget, "rules", property(_repeatable_rules)):
        yield


def _repeatable_rules(target: OrderTarget) -> MappingProxyType[str, Any]:
    rules = target._rules  # noqa: SLF001  the benchmark takes out what the target says of itself
    return MappingProxyType({action: replace(rule, is_repeatable=True) for action, rule in rules.items()})


@contextmanager
def _without_kept_bodies() -> Iterator[None]:
    with patch("bulkmove.ledger.putting.pack", lambda _: b""):
        yield


@contextmanager
def _without_claims() -> Iterator[None]:
    """No natural key is claimed, so that two records with one key would both be written."""
    with patch("bulkmove.ledger.claiming.claim_keys", _nothing):
        yield


@contextmanager
def _without_balance() -> Iterator[None]:
    async def unchecked(_ledger: SqliteLedger, _route: str, *, whole: bool) -> None:
        del whole

    with patch.object(SqliteLedger, "check_balance", unchecked):
        yield


@contextmanager
def _without_stories() -> Iterator[None]:
    with (
        patch("bulkmove.ledger.putting.note_page", _nothing),
        patch("bulkmove.ledger.sending.note_request", _nothing),
    ):
        yield


Without = Callable[[], Any]
PROMISES: dict[str, tuple[dict[str, object], tuple[Without, ...]]] = {
    "as it is shipped": ({}, ()),
    "survives a loss of power": ({"synchronous": "normal"}, ()),
    "an intent before each create": ({}, (_without_intents,)),
    "bodies kept until their outcome": ({}, (_without_kept_bodies, _without_balance)),
    "each natural key once": ({}, (_without_claims,)),
    "each record's story": ({}, (_without_stories, _without_balance)),
    "a balance at each end": ({}, (_without_balance,)),
    "bodies checked before they go": ({"check_bodies": False}, ()),
    "all of these": (
        {"synchronous": "normal", "check_bodies": False},
        (_without_intents, _without_kept_bodies, _without_claims, _without_stories, _without_balance),
    ),
}


def text_of(url: str, settings: Mapping[str, object]) -> str:
    return texts.migration(
        "promises",
        texts.host("old", url, rate=texts.NO_LIMIT),
        texts.host("new", url, rate=texts.NO_LIMIT),
        texts.orders(check_bodies=settings["check_bodies"]),
        synchronous=settings["synchronous"],
    )


async def run_once(
    url: str, orders: int, settings: dict[str, object], without: tuple[Without, ...]
) -> tuple[float, float]:
    """Seconds of wall time, and of this process's CPU."""
    async with SandboxRecord(url) as record:
        await record.reset()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for take_out in without:
            stack.enter_context(take_out())
        file = Path(folder) / "migration.toml"
        file.write_text(text_of(url, {**AS_SHIPPED, **settings}), encoding="utf-8")
        cpu, wall = _cpu_s(), time.perf_counter()
        async with open_migration(file) as migration:
            summary = await migration.run()
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    written = summary.routes["orders"].written
    if written != orders:
        raise SystemExit(f"{written} of {orders} orders were written: {summary.notes}")
    return wall, cpu


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    tune()  # as `bulkmove run` does
    orders, rounds = arguments.orders, arguments.rounds
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in PROMISES}
    async with sandbox_process(SandboxSettings(orders=orders, products=200)) as sandbox:
        await run_once(sandbox.url, orders, {}, ())  # warms the sandbox
        for _ in range(rounds):
            for name, (settings, without) in PROMISES.items():
                taken[name].append(await run_once(sandbox.url, orders, settings, without))
    print(f"{orders:,} orders, medians of {rounds} rounds in turn, {os.cpu_count()} cores")
    print(f"{'without':<34}{'records/s':>10}{'us of CPU each':>16}{'time saved':>12}")
    whole = taken["as it is shipped"]
    for name, rows in taken.items():
        wall, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        saved = statistics.median(1 - row[0] / base[0] for row, base in zip(rows, whole, strict=True))
        said = "" if rows is whole else f"{saved:>12.0%}"
        label = f"({name})" if rows is whole else name
        print(f"{label:<34}{orders / wall:>10,.0f}{cpu / orders * 1e6:>16.1f}{said}")


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
