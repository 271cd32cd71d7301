"""Lists without order or filter, read in passes while their hosts lie and they move: all that stood is read, or it is named."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import Job, Stage, stage

ROWS = 300
NONE = "def none(record, context):\n    return None\n"


@pytest.fixture(scope="module")
def numbered() -> Iterator[Stage]:
    """external-order by numbered pages, and robosize by offsets; a page holds 60 rows at most."""
    with stage(
        orders=5, products=300, targets_existing=ROWS, external_max_size=60, robosize_max_limit=60
    ) as made:
        yield made


@pytest.fixture(scope="module")
def by_offset() -> Iterator[Stage]:
    """external-order by limit and offset, in bare arrays."""
    with stage(
        orders=5,
        products=5,
        targets_existing=ROWS,
        external_list="array",
        external_paging="limit-offset",
        external_max_size=60,
    ) as made:
        yield made


def ids_read(job: Job) -> set[str]:
    with closing(sqlite3.connect(job.ledger)) as ledger:
        return {row[0] for row in ledger.execute("SELECT source_id FROM records")}


def external(folder: Path, at: Stage, **options: str) -> Job:
    """external-order as a source; nothing is written."""
    job = Job(folder, at).with_mapper(NONE)
    job.hosts["new"]["options"] = options
    job.routes["orders"] = {"source": "new.orders", "target": "sizing.orders", "mapper": "mappers.py:none"}
    return job


def products(folder: Path, at: Stage) -> Job:
    """A list that is source and target."""
    return Job(folder, at).with_products(mapper="mappers.py:none").with_mapper(NONE)


@dataclass(frozen=True)
class Case:
    """`named`: what an end with 5 says, where that is an end that may be; `must_end`: it has to be that one.

    `of_envelope`: there is nothing of the kind in a bare array.
    """

    name: str
    fault: str | None = None
    share: float = 1.0
    moves: Mapping[str, Any] | None = None
    named: str | None = None
    must_end: bool = False
    of_envelope: bool = False


UNRESTING = "kept moving, or leaves rows out"
CASES = [
    Case("at rest"),
    Case("inserts for a while", moves={"each": 3, "kinds": ["insert"], "until": 12}),
    Case("deletions for a while", moves={"each": 3, "kinds": ["delete"], "until": 15}),
    Case("all moves for a while", moves={"each": 2, "until": 20}),
    Case("touches", moves={"each": 3, "kinds": ["touch"]}),
    Case("moves for ever", moves={"each": 3}, named=UNRESTING, must_end=True),
    Case(
        "count too high",
        "count-high",
        named="passes over it in a row saw the same",
        must_end=True,
        of_envelope=True,
    ),
    Case(
        "count too low",
        "count-low",
        named="passes over it in a row saw the same",
        must_end=True,
        of_envelope=True,
    ),
    Case("count changing", "count-odd", named=UNRESTING, must_end=True, of_envelope=True),
    Case("count changing now and then", "count-odd", 0.05, of_envelope=True),
    Case("no count", "count-none", of_envelope=True),
    Case("pages cut short", "clamped-page"),
    Case("pages cut short now and then", "clamped-page", 0.3, named=UNRESTING),
    Case("rows dropped in every page", "dropped-rows", named=UNRESTING, must_end=True),
    Case("rows dropped now and then", "dropped-rows", 0.1),
    Case(
        "rows never shown",
        "hidden-rows",
        named="passes over it in a row saw the same|" + UNRESTING,
        of_envelope=True,
    ),
    Case("rows doubled", "doubled-rows"),
    Case("ignored offset", "ignored-offset", named="same page at every offset", must_end=True),
    Case("pages in no order", "unsorted-page", named=UNRESTING),
    Case("empty pages now and then", "empty-page", 0.05, of_envelope=True),
    Case(
        "empty pages for ever",
        "empty-page",
        named="saw the same 0|empty page",
        must_end=True,
        of_envelope=True,
    ),
    Case("next null everywhere", "next-null", of_envelope=True),
    Case("next null now and then", "next-null", 0.3, of_envelope=True),
    Case("no next", "next-none", of_envelope=True),
    Case(
        "ends early",
        "ends-early",
        named="shows more behind its end|saw the same",
        must_end=True,
        of_envelope=True,
    ),
    Case("ends early now and then", "ends-early", 0.1, of_envelope=True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_numbered_pages(case: Case, numbered: Stage, tmp_path: Path) -> None:
    _run(case, external(tmp_path, numbered), api="external-order", rows="external-orders", key="order_id")


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.of_envelope], ids=lambda case: case.name.replace(" ", "-")
)
def test_bare_arrays_by_offset(case: Case, by_offset: Stage, tmp_path: Path) -> None:
    job = external(tmp_path, by_offset, paging="limit-offset")
    _run(case, job, api="external-order", rows="external-orders", key="order_id")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_list_that_is_source_and_target(case: Case, numbered: Stage, tmp_path: Path) -> None:
    _run(case, products(tmp_path, numbered), api="robosize", rows="robosize-products", key="id")


def _run(case: Case, job: Job, *, api: str, rows: str, key: str) -> None:
    at = job.stage
    at.clean()
    before = {str(row[key]) for row in at.rows(rows)}
    if case.fault is not None:
        at.add_fault(case.fault, share=case.share, api=api)
    if case.moves is not None:
        at.add_move(list=rows, **case.moves)
    ended = job.run()
    at.clear_moves()
    after = {str(row[key]) for row in at.rows(rows)}
    if ended.code == 5:
        assert case.named is not None, ended.told
        assert re.search(case.named, ended.told), ended.told
        assert f"reading {next(iter(job.routes.values()))['source']}" in ended.told
        return
    assert ended.code == 0, ended.told
    missing = (before & after) - ids_read(job)
    assert not missing, (
        f"{len(missing)} of {len(before & after)} rows that stood were not read: {sorted(missing)[:5]}"
    )
    assert not case.must_end, ended.told
