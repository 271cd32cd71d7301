"""What a mapping in the configuration costs beside the hand-written mapper that does the very same.

    python -m benchmarks.mapper_cost [--orders 2000] [--rounds 15]

Maps the sandbox's orders with each built-in mapper and with the `[routes.orders.fields]` table that `bulkmove init
--from … --to …` writes, in turns, and prints the median microseconds a record of each, and their ratio. Every body of
the one is held against that of the other first.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.builtin.robosize_order import order_to_robosize_order
from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.declarative import compile_fields
from bulkmove.protocols import MapContext, Mapper
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.world import make_world

PAIRS: dict[str, Mapper] = {
    "merchantpro-to-external-order": order_to_external_order,
    "merchantpro-to-robosize": order_to_robosize_order,
}


def orders(count: int) -> list[dict[str, Any]]:
    """As a page of the old shop is read: each decoded from its own bytes."""
    store = make_world(SandboxSettings(orders=count), now=time.time).orders
    return [orjson.loads(orjson.dumps(store.order(row))) for row in store.rows_by_date(0, count)]


def written_table(starter: str) -> Mapper:
    text = files("bulkmove.config").joinpath("starter", f"{starter}.toml").read_text(encoding="utf-8")
    fields = tomllib.loads(text)["routes"]["orders"]["fields"]
    return compile_fields(
        fields, skip_when=None, lookups={}, route="orders", file=Path(f"{starter}.toml")
    ).function


def us_a_record(mapper: Mapper, records: Sequence[dict[str, Any]], context: MapContext) -> float:
    begun = time.perf_counter()
    for record in records:
        mapper(record, context)
    return (time.perf_counter() - begun) / len(records) * 1e6


def compare(name: str, by_hand: Mapper, records: Sequence[dict[str, Any]], *, rounds: int) -> str:
    """One line of the table. Ends the program where two bodies differ."""
    context = RouteContext(route="orders", options={"shop": 2}, tables={}, ids_of=lambda *_: ())
    by_table = written_table(name)
    for record in records:
        if by_hand(record, context) != by_table(record, context):
            raise SystemExit(f"{name}: order {record['id']}: the bodies differ")
    costs = [
        (us_a_record(by_hand, records, context), us_a_record(by_table, records, context))
        for _ in range(rounds)
    ]
    one, other = (statistics.median(each) for each in zip(*costs, strict=True))
    ratio = statistics.median(table / hand for hand, table in costs)
    return f"{name:<32}{one:>10.2f} µs{other:>10.2f} µs{ratio:>8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    records = orders(asked.orders)
    lines = sum(len(record["line_items"]) for record in records) / len(records)
    print(f"{len(records)} orders of {lines:.2f} lines, all bodies equal; {asked.rounds} rounds in turns")
    print(f"{'':<32}{'by hand':>13}{'by table':>13}{'ratio':>8}")
    gc.disable()
    for name, by_hand in PAIRS.items():
        print(compare(name, by_hand, records, rounds=asked.rounds))


if __name__ == "__main__":
    main()
