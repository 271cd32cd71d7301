"""Requests that a run makes, counted by the host, beside the fewest that can do the same; what a plan foretold stands between.

    python -m benchmarks.fewest [--quick]

Exits with 1 where a step takes more than 1.05 × the least, or a plan foretold more than 5 % (and 5) amiss.

reading    of orders, sorted by date: pages of 100, all full. Of products, which have neither order nor filter: pages of
           200, twice, since nothing but two passes that agree proves that they were read whole
keys       of an empty list one look; else its pages of 1,000, twice
writing    arrays of 100; one for each record where the host takes one at a time; PATCHes of 500 ids with the same values.
           Where changes share some fields alone: one for each value of each of these, or one for each value of a field
           that no two share, which carries the rest too; a case says which
look-ups   one search for each code that the orders name
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from benchmarks import migration_texts as texts
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

GOAL = 1.05
FORETOLD_WITHIN, AND = 0.05, 5
ORDERS_A_PAGE, ROWS_A_PAGE, PRODUCTS_A_PAGE, ARRAY, IDS = 100, 1000, 200, 100, 500
TAGS, TYPES, CODES = 20, 5, 40
RATE = "100000/s"

TO_A_FILE = """
[hosts.disk]
api = "files"
url = "."
[routes.kept]
source = "old.orders"
target = "disk.orders"
mapper = "as-it-is"
"""
PRODUCTS = """
[routes.products]
source = "sizing.products"
target = "sizing.products"
mapper = "mappers.py:{mapper}"
confirm = "none"
"""
SEARCHED = """
[lookups.codes]
from = "new.products"
key = "code"
load = "on-demand"
missing = "null"
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "mappers.py:searched"
"""
MAPPERS = f"""
def shared(record, context):
    return {{"id": record["id"], "tags": ["mutat"], "type": "top"}}

def relinked(record, context):
    return {{**shared(record, context), "store_id": record["store_id"] + "-nou"}}

def crossed(record, context):
    number = int(record["id"])
    return {{"id": record["id"], "tags": [f"sezon {{number % {TAGS}}}"], "name": f"fel {{number // {TAGS} % {TYPES}}}"}}

def half(record, context):
    if int(record["id"]) % 2:
        return relinked(record, context)
    body = crossed(record, context)
    return {{**body, "tags": ["alt " + body["tags"][0]], "name": "alt " + body["name"]}}

async def searched(record, context):
    number = int(str(record["id"]).partition(".")[0])
    await context.find("codes", f"code {{number % {CODES}}}")
    return {{"rrn": str(record["id"]), "shop": 2, "order_items": [{{"product": 1, "quantity": 1}}]}}
searched.lookups = ("codes",)
"""

# Who is asked for what: the host and its step in a plan, and the calls that the sandbox counts for it.
CALLS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("old", "reading"): ("merchantpro", "GET list"),
    ("new", "look-ups"): ("external-order", "GET product"),
    ("new", "keys"): ("external-order", "GET list"),
    ("new", "writing"): ("external-order", "POST upsert"),
    ("sizing", "reading"): ("robosize", "GET products"),
    ("sizing", "keys"): ("robosize", "GET orders"),
    ("sizing", "creating"): ("robosize", "POST orders"),
    ("sizing", "changing"): ("robosize", "PATCH products"),
}
STEPS = {"creating": "writing", "changing": "writing"}


@dataclass(frozen=True, slots=True)
class Case:
    """A migration, and the least requests by host and step. `again`: it is run once more on a new ledger, and that counts."""

    name: str
    routes: str
    least: Mapping[tuple[str, str], int]
    again: bool = False


class Line(NamedTuple):
    case: str
    host: str
    step: str
    foretold: int
    made: int
    least: int

    @property
    def ratio(self) -> float:
        if not self.least:
            return math.inf if self.made else 1.0
        return self.made / self.least

    @property
    def is_good(self) -> bool:
        is_foretold = abs(self.foretold - self.made) <= max(AND, FORETOLD_WITHIN * self.made)
        return self.ratio <= GOAL and is_foretold


def of_orders(orders: int) -> Sequence[Case]:
    """Cases of a long list, so that its two ends weigh little."""
    arrays, rows = math.ceil(orders / ARRAY), 2 * math.ceil(orders / ROWS_A_PAGE)
    read = {("old", "reading"): math.ceil(orders / ORDERS_A_PAGE)}
    to_new = {**read, ("new", "keys"): 1, ("new", "writing"): arrays}
    return (
        Case("orders", texts.orders(), to_new),
        Case("two routes of one source", texts.orders() + TO_A_FILE, to_new),
        Case(
            "orders that are there, unchanged",
            texts.orders(),
            {**read, ("new", "keys"): rows, ("new", "writing"): 0},
            again=True,
        ),
    )


def of_others(orders: int, products: int) -> Sequence[Case]:
    read, changing = (
        {("sizing", "reading"): 2 * math.ceil(products / PRODUCTS_A_PAGE)},
        ("sizing", "changing"),
    )
    least = {
        "all fields shared": ("shared", math.ceil(products / IDS)),
        "a store_id of their own": ("relinked", products),
        f"{TAGS} tags × {TYPES} names": ("crossed", TAGS + TYPES * math.ceil(products / TYPES / IDS)),
        "half with a store_id": ("half", products // 2 + TAGS // 2 + TYPES),
    }
    return (
        Case("one at a time", texts.fitting(), {("sizing", "keys"): 1, ("sizing", "creating"): orders}),
        Case(
            "look-ups on demand",
            SEARCHED,
            {("new", "look-ups"): CODES, ("new", "writing"): math.ceil(orders / ARRAY)},
        ),
        *(
            Case(f"products: {name}", PRODUCTS.format(mapper=mapper), {**read, changing: count})
            for name, (mapper, count) in least.items()
        ),
    )


async def measure(url: str, case: Case) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        (Path(folder) / "mappers.py").write_text(MAPPERS, encoding="utf-8")
        hosts = [texts.host(name, url, rate=RATE) for name in ("old", "new", "sizing")]
        file.write_text(texts.migration("fewest", *hosts, case.routes), encoding="utf-8")
        async with SandboxRecord(url) as record:
            await record.reset(targets=["external-orders", "robosize-orders"])
            if case.again:
                await _run(file, folder, "first")
            foretold = await _foretold(file)
            await record.reset(targets=[], stats=True)
            await _run(file, folder, "second")
            stats = await record.stats()
    lines = []
    for (host, step), least in case.least.items():
        api, call = CALLS[host, step]
        made = sum(stats[api]["requests"].get(call, {}).values())
        lines.append(Line(case.name, host, step, foretold.get((host, STEPS.get(step, step)), 0), made, least))
    return lines


async def _run(file: Path, folder: str, ledger: str) -> None:
    async with open_migration(file, ledger=Path(folder) / f"{ledger}.ledger.db") as migration:
        summary = await migration.run()
    if summary.exit_code:
        raise SystemExit(f"{summary.exit_code}: {summary.notes}")


async def _foretold(file: Path) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    async with open_migration(file) as migration:
        preview = await migration.plan(compare=False)
    for load in preview.forecast.loads if preview.forecast is not None else ():
        found[load.host, load.step] = found.get((load.host, load.step), 0) + load.requests
    return found


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the records: the ends weigh more")
    arguments = parser.parse_args()
    long, orders, products = (10_000, 500, 400) if arguments.quick else (100_000, 2_000, 4_000)
    print(
        f"{'case':<38}{'host':<8}{'step':<10}{'foretold':>9}{'made':>8}{'least':>8}{'ratio':>8}   goal {GOAL}"
    )
    lines = [line async for line in _measured(of_orders(long), orders=long, products=200, stable_ties=True)]
    others = of_others(orders, products)
    lines += [line async for line in _measured(others, orders=orders, products=products)]
    made, least = sum(line.made for line in lines), sum(line.least for line in lines)
    print(f"{'all':<65}{made:>8,}{least:>8,}{made / least:>8.3f}")
    return int(not all(line.is_good for line in lines))


async def _measured(cases: Sequence[Case], **settings: Any) -> AsyncIterator[Line]:
    """Each line as it is known, printed."""
    async with sandbox_process(SandboxSettings(robosize_max_limit=PRODUCTS_A_PAGE, **settings)) as running:
        for case in cases:
            for line in await measure(running.url, case):
                print(
                    f"{line.case:<38}{line.host:<8}{line.step:<10}{line.foretold:>9,}{line.made:>8,}{line.least:>8,}"
                    f"{line.ratio:>8.3f}   {'' if line.is_good else 'missed'}",
                    flush=True,
                )
                yield line


if __name__ == "__main__":
    sys.exit(anyio.run(main))
