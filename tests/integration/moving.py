"""A migration as a user sets it up and runs it, on a sandbox in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from anyio.from_thread import BlockingPortal, start_blocking_portal
from click.testing import CliRunner

from bulkmove.cli.group import main
from bulkmove.demo.check import Check, check_rows, ledger_outcomes
from bulkmove.demo.expected import ExternalOrders, RobosizeOrders, RobosizeProducts, Rules
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

SHOP = 2
LATE_S = 0.2
SETTLE_S = 0.5
LONGEST_RUN_S = 50.0
Row = dict[str, Any]

CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "merchantpro": {"key": "demo-key", "secret": "demo-secret"},
    "external-order": {"token": "demo-token"},
    "robosize": {"api_key": "demo-api-key"},
}


class Stage:
    """A sandbox that runs, looked at and changed from synchronous tests."""

    def __init__(self, url: str, portal: BlockingPortal, record: SandboxRecord) -> None:
        self.url = url
        self._portal = portal
        self._record = record
        self.orders = self.rows("orders")
        self.products = self.rows("robosize-products")
        self.prefilled = bool(self.rows("external-orders"))

    def rows(self, name: str) -> list[Row]:
        return self._portal.call(self._record.rows, name)

    def ids(self) -> dict[str, int]:
        return self._portal.call(self._record.ids)

    def stats(self) -> dict[str, dict[str, Any]]:
        return self._portal.call(self._record.stats)

    def count(self, api: str, call: str | None = None) -> int:
        """The requests that an API got: all, or those of a call such as `POST orders`, whatever it answered."""
        counted = self.stats()[api]
        if call is None:
            return int(counted["total"])
        return sum(counted["requests"].get(call, {}).values())

    def total(self) -> int:
        return sum(api["total"] for api in self.stats().values())

    def written(self) -> int:
        return sum(api["creates"] + api["updates"] for api in self.stats().values())

    def add_fault(self, name: str, **narrowed: Any) -> None:
        self._portal.call(lambda: self._record.add_fault(name, **narrowed))

    def add_move(self, **move: Any) -> None:
        """A change that is made while somebody reads, as `SandboxRecord.add_move` has it."""
        self._portal.call(lambda: self._record.add_move(**move))

    def clear_moves(self) -> None:
        self._portal.call(self._record.clear_moves)

    def change(self, **change: Any) -> dict[str, Any]:
        return self._portal.call(self._record.change_source, change)

    def clear_faults(self) -> None:
        self._portal.call(self._record.clear_faults)

    def clean(self) -> None:
        """As it was at its start, but for rows that stood in the target lists before and for orders that were changed."""
        self.clear_faults()
        self.clear_moves()
        self._portal.call(lambda: self._record.reset(targets=[] if self.prefilled else TARGETS, stats=True))
        self._restore_orders()
        self._restore_products()

    def _restore_orders(self) -> None:
        known = {row["id"] for row in self.orders}
        if added := [row["id"] for row in self.rows("orders") if row["id"] not in known]:
            self.change(list="orders", delete=added)

    def _restore_products(self) -> None:
        now = self.rows("robosize-products")
        if now != self.products:
            rows = without_writes(self.products)
            self.change(list="robosize-products", delete=[row["id"] for row in now], insert=rows)


TARGETS = ["external-orders", "robosize-orders"]


@contextmanager
def stage(**settings: Any) -> Iterator[Stage]:
    """A sandbox with these settings, until the block ends."""
    made = SandboxSettings(**({"orders": 300, "products": 200, "late_seconds": LATE_S} | settings))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(sandbox_process(made)) as process,
        portal.wrap_async_context_manager(SandboxRecord(process.url)) as record,
    ):
        yield Stage(process.url, portal, record)


Stages = Callable[..., Stage]


@dataclass(frozen=True, slots=True)
class Ended:
    """How one command ended, and all that it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def told(self) -> str:
        return self.stdout + self.stderr

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.stdout.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        return self.lines[-1]

    @property
    def routes(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = self.summary["routes"]
        return found

    @property
    def notes(self) -> list[str]:
        return [line["text"] for line in self.lines if line["type"] == "note"]

    def counts(self, route: str) -> dict[str, int]:
        """What is not zero."""
        return {name: count for name, count in self.routes[route].items() if count}


@dataclass
class Job:
    """A migration in a folder of its own. Hosts and routes are tables as in the file; `write` puts them down."""

    folder: Path
    stage: Stage
    name: str = "job"
    hosts: dict[str, Row] = field(default_factory=dict)
    routes: dict[str, Row] = field(default_factory=dict)
    top: Row = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, api in (("old", "merchantpro"), ("new", "external-order"), ("sizing", "robosize")):
            self.hosts.setdefault(name, self.host(api))

    def host(self, api: str, **keys: Any) -> Row:
        usual = {
            "api": api,
            "url": self.stage.url,
            "credentials": CREDENTIALS[api],
            "rate": "100000/s",
            "burst": 1000,
            "timeout_s": 0.4 if "slow" in keys else 5,
            "settle_s": SETTLE_S,
        }
        return {**usual, **{name: value for name, value in keys.items() if name != "slow"}}

    @property
    def file(self) -> Path:
        return self.folder / "migration.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / f"{self.name}.ledger.db"

    def with_all_routes(self) -> Job:
        return self.with_orders().with_fitting().with_products()

    def with_orders(self, **keys: Any) -> Job:
        self.write_ids()
        options = {"shop": SHOP, "products": "ids.csv", **keys.pop("options", {})}
        self.routes["orders"] = {
            "source": "old.orders",
            "target": "new.orders",
            "mapper": "merchantpro-to-external-order",
            "options": options,
            **keys,
        }
        return self

    def with_fitting(self, **keys: Any) -> Job:
        self.routes["fitting"] = {
            "source": "old.orders",
            "target": "sizing.orders",
            "mapper": "merchantpro-to-robosize-order",
            **keys,
        }
        return self

    def with_products(self, **keys: Any) -> Job:
        self.write_ids()
        self.routes["products"] = {
            "source": "sizing.products",
            "target": "sizing.products",
            "mapper": "robosize-relink",
            **({} if "mapper" in keys else {"options": {"ids": "ids.csv"}}),
            **keys,
        }
        return self

    def with_mapper(self, text: str, file: str = "mappers.py") -> Job:
        head = "from bulkmove import MapContext, RejectRecordError\n"
        (self.folder / file).write_text(head + text, encoding="utf-8")
        return self

    def write_ids(self) -> None:
        lines = ["old,new", *(f"{old},{new}" for old, new in self.stage.ids().items())]
        (self.folder / "ids.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write(self) -> Path:
        lines = [f"name = {toml(self.name)}", *_keys(self.top)]
        for section, tables in (("hosts", self.hosts), ("routes", self.routes)):
            for name, table in tables.items():
                lines += ["", f"[{section}.{name}]", *_keys(table)]
        self.file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.file

    def run(self, *arguments: str, command: str = "run") -> Ended:
        """The command in this process, as `bulkmove COMMAND FILE --json` prints it."""
        self.write()
        return invoke(command, str(self.file), "--json", *arguments)

    def process(self, *arguments: str) -> Ended:
        """`bulkmove run FILE` in a process of its own."""
        self.write()
        done = subprocess.run(
            [*COMMAND, "run", str(self.file), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.folder,
            timeout=LONGEST_RUN_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def failures(self) -> dict[tuple[str, str], tuple[str, str, str]]:
        """Outcome, cause and message of what failed, by route and source id."""
        ended = self.run(command="failures")
        return {
            (line["route"], line["source_id"]): (line["outcome"], line["cause"], line["message"])
            for line in ended.lines
        }

    def checks(self) -> dict[str, Check]:
        """What the sandbox holds, against its source, for the usual routes of this job."""
        ids, orders = self.stage.ids(), self.stage.rows("orders")
        usual: dict[str, tuple[Rules, list[Row], str]] = {
            "orders": (ExternalOrders(SHOP, ids), orders, "external-orders"),
            "fitting": (RobosizeOrders(), orders, "robosize-orders"),
            "products": (RobosizeProducts(ids), self.stage.products, "robosize-products"),
        }
        outcomes = ledger_outcomes(self.ledger)
        return {
            name: check_rows(
                name,
                rules,
                source=without_writes(source),
                target=self.stage.rows(target),
                outcomes=outcomes.get(name),
            )
            for name, (rules, source, target) in usual.items()
            if name in self.routes
        }

    def check_all_equal(self) -> None:
        """Every record of the source is at its target, once, field by field."""
        for check in self.checks().values():
            assert check.is_good, str(check)
            assert check.found == check.source > 0, str(check)


COMMAND = (sys.executable, "-m", "bulkmove")


def invoke(*arguments: str) -> Ended:
    """A command line in this process; it changes signal handlers and `sys.path`, which are put back."""
    path = list(sys.path)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        result = CliRunner().invoke(main, list(arguments))
    finally:
        sys.path[:] = path
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def without_writes(rows: Iterable[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "_writes"} for row in rows]


def by(rows: Iterable[Row], key: str) -> dict[str, Row]:
    """Rows by one of their fields, which must tell them apart."""
    found: dict[str, Row] = {}
    for row in rows:
        name = str(row[key])
        assert name not in found, f"two rows with {key} {name}"
        found[name] = row
    return found


def toml(value: Any) -> str:
    """A value as TOML; tables inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value)


def _keys(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {toml(value)}" for name, value in table.items()]
