"""A scene: a small migration for one kind of write, the hosts that it meets, and what must have become of every row."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from bulkmove.demo.expected import Rules
from bulkmove.sandbox.conditions import Fault
from bulkmove.sandbox.settings import SandboxSettings
from tests.crash.judging import Accounts, Found, Must, Row, World, row_id

ORDERS, PRODUCTS = 12, 24
TIMEOUT_S = 10.0
# The host applies a late write after the first, the migration waits the second before it looks.
LATE_S, SETTLE_S = 0.15, 0.6

_HOST = """
[hosts.{name}]
api = "{api}"
url = "{url}"
credentials = {credentials}
rate = ["100000/s"]
burst = 1000
concurrency = 3
timeout_s = {timeout_s}
settle_s = {settle_s}
"""
_APIS = (
    ("old", "merchantpro", '{ key = "demo-key", secret = "demo-secret" }'),
    ("new", "external-order", '{ token = "demo-token" }'),
    ("sizing", "robosize", '{ api_key = "demo-api-key" }'),
)
_DISK = """
[hosts.disk]
api = "files"
url = "disk"
"""
_FROM_DISK = """
[routes.rows]
source = "disk.rows"
target = "{target}"
mapper = "{mapper}"
mode = "{mode}"
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scene is judged by: the sandbox's record before the first run, and the new numbers of its products."""

    before: World
    ids: Mapping[str, int]
    folder: Path


Lists = Mapping[str, Must]


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of write. `must` says what each list has become, those it does not name being as they were.

    `prepare` writes what the migration reads from files. `code` is what the last run ends with. `judge_more` looks at
    what is no list of the sandbox. `is_deep`, `checkpoint_pages`: see `forks.Order`.
    """

    name: str
    routes: str
    must: Callable[[Stage], Lists]
    accounts: Callable[[Stage], Accounts]
    settings: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Stage], None] = lambda _: None
    judge_more: Callable[[Stage, World, Found], None] = lambda _stage, _after, _found: None
    code: int = 0
    timeout_s: float = TIMEOUT_S
    settle_s: float = SETTLE_S
    is_deep: bool = False
    checkpoint_pages: int | None = None

    def sandbox_with(self, seed: int) -> SandboxSettings:
        plain = {"orders": ORDERS, "products": PRODUCTS, "late_seconds": LATE_S, "seed": seed}
        return SandboxSettings(**{**plain, **self.settings})

    def write(self, stage: Stage, url: str) -> None:
        """The migration and what it reads."""
        hosts = [
            _HOST.format(
                name=name,
                api=api,
                url=url,
                credentials=credentials,
                timeout_s=self.timeout_s,
                settle_s=self.settle_s,
            )
            for name, api, credentials in _APIS
            if f"{name}." in self.routes
        ]
        if "disk." in self.routes:
            hosts.append(_DISK)
        text = 'name = "crash"\n' + "".join(hosts) + self.routes
        (stage.folder / "migration.toml").write_text(text, "utf-8")
        lines = ["old,new", *(f"{old},{new}" for old, new in stage.ids.items())]
        (stage.folder / "ids.csv").write_text("\n".join(lines) + "\n", "utf-8")
        shutil.copy(Path(__file__).with_name("mappers.py"), stage.folder / "mappers.py")
        self.prepare(stage)


def under(scene: Scene, trouble: str, *faults: Fault, **settings: Any) -> Scene:
    """The same on a host with faults, or that is set otherwise."""
    return replace(
        scene, name=f"{scene.name}, {trouble}", settings={**scene.settings, "faults": faults, **settings}
    )


def on_writes(name: str, share: float, **narrowed: Any) -> Fault:
    return Fault(name, share=share, methods=("POST", "PATCH", "DELETE"), **narrowed)


def plain(row: Row, *without: str) -> Row:
    """A row without what only the sandbox's record shows."""
    return {name: value for name, value in row.items() if name != "_writes" and name not in without}


def orders_of(stage: Stage) -> list[Row]:
    return [plain(row) for row in stage.before["orders"]]


def made_by(rules: Rules, records: Sequence[Row]) -> Must:
    made = {rules.key(rules.source_id(record)): rules.expected(record) for record in records}
    return Must(
        made={key: row for key, row in made.items() if row is not None},
        key_of=rules.key_of,
        shown=rules.shown,
    )


def ids_by_key(after: World, list_name: str, key: str) -> Mapping[str, str]:
    """The row of each record whose key it shows."""
    return {str(row[key]): row_id(row) for row in after[list_name] if row.get(key) is not None}


def disk_scene(
    name: str,
    target: str,
    mode: str,
    *,
    mapper: str = "as-it-is",
    rows: Callable[[Stage], Sequence[Row]],
    must: Callable[[Stage], Lists],
) -> Scene:
    """What is read from a file of rows, and written to a list."""

    def write_rows(stage: Stage) -> None:
        disk = stage.folder / "disk"
        disk.mkdir()
        (disk / "rows.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows(stage)))

    return Scene(
        name,
        _FROM_DISK.format(target=target, mode=mode, mapper=mapper),
        must,
        accounts=lambda stage: Accounts({"rows": len(rows(stage))}),
        prepare=write_rows,
    )
