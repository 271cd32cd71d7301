"""One record's story, in the order of time."""

from __future__ import annotations

from typing import Any

import pytest

from bulkmove.ledger.story import BodyNote, DoubtNote, FormerNote, PageNote, RequestNote, RunNote, Story
from bulkmove.model import State
from bulkmove.pipeline.explaining import explain

KILLED = RunNote(1, "run", 10.0, 29.0, None, None)
ENDED = RunNote(2, "run", 40.0, 50.0, 51.0, 0)
RETRY = RunNote(3, "retry", 60.0, 70.0, 71.0, 3)
READ = PageNote(4, 1, 20.0, 100)


def body(state: State, run: int, **given: Any) -> BodyNote:
    values: dict[str, Any] = {
        "part": 0, "target_id": None, "key": None, "digest": b"", "body": None, "attempts": 0, "cause": None,
        "message": None, "requests": (), "doubts": (), "answer": None, "former": (), **given,
    }  # fmt: skip
    return BodyNote(state=state, run=run, **values)


def told(
    *bodies: BodyNote, runs: tuple[RunNote, ...], pages: tuple[PageNote, ...] = (READ,), going: bool = False
) -> list[str]:
    story = Story("orders", "7", None, pages, bodies, None, runs, is_gone=False)
    return [step.text for step in explain(story, is_going=going).steps]


def test_a_write_whose_run_was_killed_is_read_back_by_the_next() -> None:
    assert told(body(State.WRITTEN, 2, target_id="70"), runs=(KILLED, ENDED)) == [
        "run 1 began",
        "read in page 4, with 99 others, and mapped",
        "run 1 was killed; this was its last sign of life",
        "run 2 began",
        "read back and found as it was mapped: written: row 70 of the target",
        "run 2 ended with 0",
    ]


def test_requests_that_settled_nothing_stand_between_its_reading_and_its_outcome() -> None:
    requests = (
        RequestNote(5, 1, 22.0, 24.0, 10, "answered 502", is_last=False),
        RequestNote(6, 2, 45.0, 46.0, 1, "answered 201", is_last=True),
    )
    assert told(body(State.WRITTEN, 2, target_id="70", requests=requests), runs=(KILLED, ENDED))[1:-1] == [
        "read in page 4, with 99 others, and mapped",
        "request 5, with 9 others: answered 502",
        "run 1 was killed; this was its last sign of life",
        "run 2 began",
        "request 6: answered 201",
        "written: row 70 of the target",
    ]


def test_what_a_retry_took_back_is_told_too() -> None:
    former = (FormerNote(1, 20.0, State.REJECTED, "mapper", "no size\nand more"),)
    requests = (RequestNote(9, 3, 66.0, 67.0, 1, "answered 400", is_last=True),)
    pages = (READ, PageNote(8, 3, 65.0, 0))
    one = body(State.REJECTED, 3, cause="refused", message="bad", requests=requests, former=former)
    assert told(one, runs=(KILLED, RETRY), pages=pages)[1:-1] == [
        "read in page 4, with 99 others, and mapped",
        "rejected (mapper): no size",
        "run 1 was killed; this was its last sign of life",
        "retry 3 began",
        "read again and mapped anew",
        "request 9: answered 400",
        "rejected (refused): bad",
    ]


@pytest.mark.parametrize(
    ("doubt", "going", "said"),
    [
        (DoubtNote(5, 1, 25.0, is_parked=True), False, "request 5 is in doubt since"),
        (DoubtNote(5, 1, 25.0, is_parked=False), False, "when its run was cut off: it is in doubt"),
        (DoubtNote(5, 1, 25.0, is_parked=False), True, "request 5 is in flight"),
        (DoubtNote(5, 1, 0.0, is_parked=True), False, "once a look at the target's list shows"),
    ],
)
def test_what_is_in_doubt_is_said(doubt: DoubtNote, going: bool, said: str) -> None:  # noqa: FBT001  a value of the table
    steps = told(body(State.PENDING, 1, doubts=(doubt,)), runs=(KILLED,), going=going)
    assert any(said in step for step in steps)
    assert (
        steps[-1] == ("run 1 is going" if going else "it has no outcome yet; the next run goes on with it")
        or going
    )


def test_bodies_are_told_apart_and_the_worst_counts() -> None:
    bodies = (body(State.WRITTEN, 1, target_id="70"), body(State.REJECTED, 1, part=1, cause="no-key"))
    story = Story("orders", "7", None, (READ,), bodies, None, (KILLED,), is_gone=False)
    explained = explain(story, is_going=False)
    assert explained.outcome == "rejected"
    assert "read in page 4, with 99 others, and mapped to 2 bodies" in [step.text for step in explained.steps]
    assert any(step.text.startswith("body 2: rejected (no-key)") for step in explained.steps)


def test_a_record_of_an_older_ledger_has_a_story_without_pages() -> None:
    page = PageNote(-1, 0, 0.0, 3)
    steps = told(body(State.WRITTEN, 2, target_id="70"), runs=(ENDED,), pages=(page,))
    assert "read and mapped by an older bulkmove, which noted no pages" in steps
    assert "written: row 70 of the target" in steps


def test_rows_of_a_self_route_are_kept_first_and_mapped_later() -> None:
    pages = (READ, PageNote(6, 2, 42.0, 0))
    steps = told(body(State.UNCHANGED, 2, target_id="7"), runs=(KILLED, ENDED), pages=pages)
    assert steps[1] == "read in page 4, with 99 others, to be mapped once all was read"
    assert steps[4:6] == ["mapped", "unchanged: row 7 of the target holds it"]
