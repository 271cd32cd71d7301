"""The judge is judged: whatever is planted in what it looks at, it finds; and what it passes over is listed here."""

from __future__ import annotations

import copy
import gzip
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.crash.forks import fork_server
from tests.crash.judging import Found, Must, Row, compare, row_id
from tests.crash.points import LEDGER, ground, judge
from tests.crash.scenes import SCENES
from tests.crash.stage import Scene, Stage

pytestmark = pytest.mark.timeout(120)

_BY_NAME = {scene.name: scene for scene in SCENES}
# One for each list and each way of writing to it; the list, and what the judge does not look at in a row of it: what
# the host gives by itself. `*` stands for any place of a list.
_WRITTEN: Mapping[str, tuple[str, frozenset[str]]] = {
    "array creates": (
        "external-orders",
        frozenset({"order_id", "created_at", "_created_at", "order_items.*.order_id", "address.address_id"}),
    ),
    "updates that append lines": (
        "external-orders",
        frozenset({"order_id", "created_at", "_created_at", "order_items.*.order_id", "address.address_id"}),
    ),
    "single creates": ("robosize-orders", frozenset({"id"})),
    "changes and creates": ("robosize-orders", frozenset({"id"})),
    "product creates": (
        "robosize-products",
        frozenset({
            "id", "status", "brand", "fit_toughness", "comment", "image_md", "available_sizes", "handle", "fabric",
            "size_chart",
        }),
    ),
    "joined changes": ("robosize-products", frozenset()),
    "shop order changes": ("orders", frozenset({"date_modified", "tags.*.id"})),
    "processing": (
        "orders",
        frozenset({
            "date_modified", "date_shipped", "date_delivered", "tags.*.id",
            *(f"invoice.{name}" for name in ("prefix", "number", "app", "cancelled", "url")),
        }),
    ),
}  # fmt: skip
_DELETED = {
    "deletes by address": "orders",
    "deletes by key": "robosize-orders",
    "deletes from its own list": "robosize-products",
}
_FIELD_BY_FIELD = 4
_FILES = ("a file, JSON lines", "a file, CSV in gzip")
_SCENES = (*_WRITTEN, *_DELETED, *_FILES, "deletes of order lines", "shop order creates")


Plant = Callable[[list[Row]], object]


@dataclass(frozen=True, slots=True)
class Done:
    """A scene after an undisturbed run."""

    scene: Scene
    stage: Stage
    after: dict[str, list[Row]]
    _must: dict[str, Must] = field(default_factory=dict)

    def judged(self) -> Found:
        return judge(self.scene, self.stage, self.after)

    def planted(self, name: str, plant: Plant) -> Found:
        """What is found on the hosts after something was planted in one list."""
        after = {**self.after, name: copy.deepcopy(self.after[name])}
        plant(after[name])
        found = Found()
        compare(name, self.must[name], before=self.stage.before[name], after=after[name], found=found)
        self.scene.judge_more(self.stage, after, found)
        return found

    @property
    def must(self) -> Mapping[str, Must]:
        if not self._must:
            self._must.update(self.scene.must(self.stage))
        return self._must


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    return anyio.run(_undisturbed, tmp_path_factory.mktemp("done"))


async def _undisturbed(folder: Path) -> dict[str, Done]:
    made: dict[str, Done] = {}

    async def run(name: str) -> None:
        async with ground(_BY_NAME[name], folder / name.replace(" ", "-")) as here:
            await server.run(here.order())
            after = {name: list(rows) for name, rows in (await here.settled()).items()}
            made[name] = Done(here.scene, here.stage, after)

    async with fork_server() as server, anyio.create_task_group() as tasks:
        for name in _SCENES:
            tasks.start_soon(run, name)
    return made


def _touched(each: Done, name: str) -> list[int]:
    """The places of the rows that the run made or changed."""
    must = each.must[name]
    old = {row_id(row) for row in each.stage.before[name]}
    return [
        place
        for place, row in enumerate(each.after[name])
        if row_id(row) in must.changed or row_id(row) not in old
    ]


def _without(place: int) -> Plant:
    return lambda rows: rows.pop(place)


def _and(row: Row) -> Plant:
    return lambda rows: rows.append(row)


def _with(place: int, fields: Row) -> Plant:
    return lambda rows: rows[place].update(fields)


def _spoilt(place: int, path: tuple[Any, ...]) -> Plant:
    """Another value at the path: of the same kind where there is one, so that nothing but the value tells."""

    def plant(rows: list[Row]) -> None:
        *way, last = path
        inner: Any = rows[place]
        for part in way:
            inner = inner[part]
        old = inner[last]
        is_number = isinstance(old, int | float)
        inner[last] = not old if isinstance(old, bool) else old + 1 if is_number else f"{old or ''}x"

    return plant


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    pairs = list(inner)
    for name, each in pairs:
        yield from _leaves(each, (*path, name))
    if not pairs and path:
        yield path


@pytest.mark.parametrize("name", _SCENES)
def test_an_undisturbed_run_is_as_it_must_be(done: dict[str, Done], name: str) -> None:
    assert done[name].judged().is_good, str(done[name].judged())


@pytest.mark.parametrize("name", [*_WRITTEN, "shop order creates"])
def test_each_row_that_is_lost_is_found(done: dict[str, Done], name: str) -> None:
    each, (list_name, _) = done[name], _WRITTEN.get(name, ("orders", frozenset()))
    for place in _touched(each, list_name):
        found = each.planted(list_name, _without(place))
        assert len(found.lost) >= 1, place
        assert not found.doubled


@pytest.mark.parametrize("name", ["array creates", "single creates", "product creates", "shop order creates"])
def test_each_row_that_was_made_twice_is_found(done: dict[str, Done], name: str) -> None:
    each, (list_name, _) = done[name], _WRITTEN.get(name, ("orders", frozenset()))
    for place in _touched(each, list_name):

        def plant(rows: list[Row], place: int = place) -> None:
            id_field = "order_id" if "order_id" in rows[place] else "id"
            rows.append({**rows[place], id_field: 999_999})

        found = each.planted(list_name, plant)
        assert len(found.doubled) == 1, place
        assert not found.lost


@pytest.mark.parametrize("name", ["array creates", "single creates", "processing", "deletes of order lines"])
def test_each_row_that_was_written_once_too_often_is_found(done: dict[str, Done], name: str) -> None:
    each = done[name]
    list_name = _WRITTEN.get(name, ("external-orders", frozenset()))[0]
    for place in _touched(each, list_name):
        writes = each.after[list_name][place]["_writes"]
        found = each.planted(list_name, _with(place, {"_writes": writes + 1}))
        assert found.doubled, place


@pytest.mark.parametrize("name", _WRITTEN)
def test_each_field_that_is_wrong_is_found(done: dict[str, Done], name: str) -> None:
    each, (list_name, passed_over) = done[name], _WRITTEN[name]
    unseen: set[str] = set()
    for place in _touched(each, list_name)[:_FIELD_BY_FIELD]:
        for path in _leaves(each.after[list_name][place]):
            if path[0] == "_writes":  # a field of the record's own, which another test plants in
                continue
            found = each.planted(list_name, _spoilt(place, path))
            if found.is_good:
                unseen.add(".".join("*" if isinstance(part, int) else part for part in path))
    assert unseen <= passed_over


@pytest.mark.parametrize("name", _WRITTEN)
def test_a_change_that_was_never_made_and_a_row_without_a_cause_are_found(
    done: dict[str, Done], name: str
) -> None:
    each, (list_name, _) = done[name], _WRITTEN[name]
    before = {row_id(row): row for row in each.stage.before[list_name]}
    for place in _touched(each, list_name):
        old = before.get(row_id(each.after[list_name][place]))
        if old is not None:
            found = each.planted(list_name, _with(place, old))
            assert found.lost, place
    stranger = {**each.after[list_name][0], "id": "strange", "order_id": "strange", "_writes": 1}
    stranger |= {"rrn": "strange", "store_id": "strange"}
    assert each.planted(list_name, _and(stranger)).wrong


@pytest.mark.parametrize("name", _DELETED)
def test_a_row_that_is_still_there_and_one_that_should_be_are_found(done: dict[str, Done], name: str) -> None:
    each, list_name = done[name], _DELETED[name]
    gone = each.must[list_name].gone
    for row in each.stage.before[list_name]:
        if row_id(row) in gone:
            assert each.planted(list_name, _and(row)).lost
    for place in range(len(each.after[list_name])):
        assert each.planted(list_name, _without(place)).wrong


@pytest.mark.parametrize("name", _FILES)
def test_each_line_of_a_file_that_is_lost_doubled_or_wrong_is_found(done: dict[str, Done], name: str) -> None:
    each = done[name]
    [file] = (each.stage.folder / "disk").iterdir()
    whole = file.read_bytes()
    packs: tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]] = (
        (gzip.decompress, gzip.compress) if file.suffix == ".gz" else (bytes, bytes)
    )
    unpack, pack = packs
    lines = unpack(whole).splitlines(keepends=True)
    last = lines[-1]
    digit = next(chr(c) for c in last if chr(c).isdigit()).encode()
    other = b"1" if digit != b"1" else b"2"
    for planted, kind in (
        (lines[:-1], "lost"),
        ([*lines, last], "doubled"),
        ([*lines[:-1], last.replace(digit, other)], "wrong"),
    ):
        file.write_bytes(pack(b"".join(planted)))
        assert getattr(each.judged(), kind), kind
    file.write_bytes(whole)
    (file.parent / f".{file.name}.part").write_bytes(b"")
    assert each.judged().wrong
    (file.parent / f".{file.name}.part").unlink()


_PLANTED_IN_LEDGER = {
    "an intent left": ("INSERT INTO intents (id, route, run, sent_at, members) VALUES (99, 1, 1, 0, '[]')", "unknown"),
    "a record pending": ("UPDATE records SET state = 4 WHERE source_id = (SELECT min(source_id) FROM records)", "lost"),
    "a record unknown": ("UPDATE records SET state = 6 WHERE source_id = (SELECT min(source_id) FROM records)", "unknown"),
    "a record rejected": ("UPDATE records SET state = 5 WHERE source_id = (SELECT min(source_id) FROM records)", "wrong"),
    "a record forgotten": ("DELETE FROM records WHERE source_id = (SELECT min(source_id) FROM records)", "wrong"),
    "another row's id": ("UPDATE records SET target_id = target_id + 1", "wrong"),
    "bodies kept": ("INSERT INTO chunks (id, route, is_raw, open, kept, bodies) VALUES (99, 1, 0, 0, 0, 'x')", "wrong"),
}  # fmt: skip


@pytest.mark.parametrize("what", _PLANTED_IN_LEDGER)
def test_what_a_ledger_must_not_say_is_found(done: dict[str, Done], tmp_path: Path, what: str) -> None:
    statement, kind = _PLANTED_IN_LEDGER[what]
    each = done["single creates"]
    shutil.copy(each.stage.folder / LEDGER, tmp_path / LEDGER)
    with closing(sqlite3.connect(tmp_path / LEDGER)) as ledger, ledger:
        assert ledger.execute(statement).rowcount >= 1
    found = replace(each, stage=replace(each.stage, folder=tmp_path)).judged()
    assert getattr(found, kind), str(found)


def test_what_is_expected_is_there_to_be_compared(done: dict[str, Done]) -> None:
    """No scene of those above expects nothing."""
    for name in (*_WRITTEN, *_DELETED):
        assert any(must.made or must.changed or must.gone for must in done[name].must.values()), name
