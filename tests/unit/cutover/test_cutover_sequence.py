"""What comes next in a cutover, how long the freeze will be, and go or no-go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bulkmove.cutover.sequence import (
    FREEZE,
    UNFREEZE,
    Gate,
    Limits,
    forecast_freeze,
    judge,
    place_of,
)
from bulkmove.cutover.sequence.freeze import least_seconds
from bulkmove.cutover.sequence.steps import settled_in
from bulkmove.errors import LedgerLockedError
from bulkmove.ledger import milestones
from bulkmove.ledger.file import locked
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.milestones import Milestone
from bulkmove.model import Counts, Summary
from bulkmove.settings import Window

LIMITS = Limits(small=100, most_last=3)


def did(*steps: str | tuple[str, int]) -> list[Milestone]:
    """Steps that were done; a number is what a delta found, or what a verification or verdict ended with."""
    noted: list[Milestone] = []
    for at, each in enumerate(steps):
        step, number = each if isinstance(each, tuple) else (each, 0)
        is_delta = step in ("delta", "last-delta")
        told = {"found": number} if is_delta else {}
        noted.append(Milestone(step, float(at), at + 0.5, 0 if is_delta else number, told))
    return noted


@pytest.mark.parametrize(
    ("done", "step"),
    [
        ([], "full"),
        (["full"], "delta"),
        (["full", ("delta", 5000)], "delta"),
        (["full", ("delta", 5000), ("delta", 300)], "delta"),
        (["full", ("delta", 9), FREEZE], "last-delta"),
        (["full", ("delta", 9), FREEZE, ("last-delta", 4)], "last-delta"),
        (["full", ("delta", 9), FREEZE, ("last-delta", 4), "last-delta"], "verify"),
        (["full", ("delta", 9), FREEZE, "last-delta", ("verify", 4)], "verdict"),
        (["full", ("delta", 9), FREEZE, "last-delta", ("verify", 4), ("verdict", 4)], "last-delta"),
        (["full", ("delta", 9), FREEZE, "last-delta", "verify", ("verdict", 3)], "verdict"),
        (["full", ("delta", 9), FREEZE, "last-delta", UNFREEZE], "delta"),
    ],
)
def test_the_next_step_follows_from_those_that_were_done(done: list[Any], step: str) -> None:
    assert place_of(did(*done), LIMITS).next == step


@pytest.mark.parametrize(
    ("deltas", "gate"),
    [
        ([100], Gate(100, is_small=True)),
        ([5000, 4], Gate(4, is_small=True)),
        ([500, 450], Gate(450, is_small=False)),
        ([500, 200, 190], Gate(190, is_small=False)),
    ],
)
def test_deltas_that_are_small_or_get_no_smaller_wait_for_a_person(deltas: list[int], gate: Gate) -> None:
    place = place_of(did("full", *(("delta", found) for found in deltas)), LIMITS)
    assert (place.next, place.gate, place.is_over) == (None, gate, False)


@pytest.mark.parametrize("step", ["full", "delta", "last-delta", "verify"])
@pytest.mark.parametrize("code", [1, 5, 6, 7, 130, None])
def test_a_step_that_failed_or_was_cut_off_is_done_again(step: str, code: int | None) -> None:
    before = {
        "full": [],
        "delta": ["full"],
        "last-delta": ["full", "delta", FREEZE],
        "verify": ["full", "delta", FREEZE, "last-delta"],
    }[step]
    ended_at = None if code is None else 99.0
    assert place_of([*did(*before), Milestone(step, 98.0, ended_at, code, {})], LIMITS).next == step


def test_a_source_that_never_gets_quiet_is_verified_all_the_same_and_told() -> None:
    place = place_of(did("full", "delta", FREEZE, *[("last-delta", 3)] * 3), LIMITS)
    assert (place.next, place.is_moving) == ("verify", True)


def test_the_last_delta_waits_until_the_last_order_is_old_enough_to_be_read() -> None:
    assert settled_in(100.0, now=101.0) == 6.0
    assert settled_in(100.0, now=108.0) == 0.0
    assert settled_in(100.0, now=50.0) == 7.0, "a clock that was set back"
    assert settled_in(None, now=50.0) == 0.0


def test_a_go_ends_it_until_something_is_written() -> None:
    done = did("full", "delta", FREEZE, "last-delta", "verify", "verdict")
    assert place_of(done, LIMITS, written_at=3.0).is_over
    assert place_of(done, LIMITS, written_at=9.0).next == "last-delta", "an undo, a run by hand"


def test_a_verification_from_before_the_last_write_is_none() -> None:
    done = did("full", "delta", FREEZE, "last-delta", "verify")
    assert place_of(done, LIMITS, written_at=3.0).next == "verdict"
    assert place_of(done, LIMITS, written_at=5.0).next == "last-delta"
    again = [*done, Milestone("last-delta", 6.0, 6.5, 0, {"found": 0})]
    assert place_of(again, LIMITS, written_at=6.0).next == "verify"


def test_asked_again_a_source_that_never_got_quiet_is_looked_at_again() -> None:
    done = did("full", "delta", FREEZE, *[("last-delta", 3)] * 3, "verify", ("verdict", 3))
    assert place_of(done, LIMITS, written_at=5.0).next == "last-delta"


def test_after_a_no_go_accepted_failures_need_the_verdict_alone_unless_something_was_written_since() -> None:
    done = did("full", "delta", FREEZE, "last-delta", "verify", ("verdict", 3))
    assert place_of(done, LIMITS, written_at=3.0).next == "verdict"
    assert place_of(done, LIMITS, written_at=6.0).next == "last-delta"
    assert place_of([*done, *did("verdict")], LIMITS).is_over


def test_deltas_from_before_the_shop_opened_again_say_nothing() -> None:
    done = did("full", ("delta", 9), FREEZE, "last-delta", UNFREEZE, ("delta", 700))
    assert place_of(done, LIMITS).next == "delta"


def test_the_freeze_is_at_least_two_deltas_and_a_verification() -> None:
    found = forecast_freeze(delta_s=60, verify_s=600, requests={}, windows={})
    assert (found.shortest_s, found.longest_s, found.is_measured) == (720, 1170, True)


def test_a_verification_that_was_never_made_is_foreseen_from_its_requests_and_the_slowest_host() -> None:
    windows = {"old": (Window(4, 1.0), Window(80, 60.0)), "new": (Window(20, 1.0),)}
    found = forecast_freeze(delta_s=1, verify_s=None, requests={"old": 800, "new": 100}, windows=windows)
    assert (found.verify_s, found.is_measured) == (540, False)


@pytest.mark.parametrize(
    ("requests", "seconds"), [(0, 0.0), (4, 1.0), (80, 20.0), (160, 60.0), (3600, 44 * 60.0)]
)
def test_the_slowest_window_tells_how_long_requests_take(requests: int, seconds: float) -> None:
    assert least_seconds(requests, (Window(4, 1.0), Window(80, 60.0))) == seconds


# --- the verdict ---------------------------------------------------------------------------------------------

GOOD = Summary(exit_code=0, routes={"orders": Counts(written=10)}, finished=frozenset({"orders"}))
VERIFIED = {"exit_code": 0, "is_sample": 0, "result": {"routes": {"orders": {"equal": 10}}}}


def verdict(summary: Summary = GOOD, **other: Any) -> Any:
    return judge(summary, **{"verified": VERIFIED, "is_moving": False, "accepts_failures": False, **other})


def against(found: Any) -> str:
    return "; ".join(reason.text for reason in found.reasons if not reason.is_good)


def test_all_that_is_good_is_a_go_with_its_reasons() -> None:
    found = verdict()
    assert found.is_go
    assert len(found.reasons) == 5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verified": None}, "not verified"),
        ({"is_moving": True}, "still changed"),
        ({"gone": {"orders": 6}}, "6 of the 10 records of route orders are gone"),
        ({"undone": 1}, "1 record was undone"),
        ({"verified": {"exit_code": 0, "result": {"routes": {"other": {"equal": 1}}}}}, "not verified: route orders"),
        ({"verified": {"exit_code": 4, "result": {"routes": {"o": {"missing": 2, "doubled": 1}}}}}, "2 missing, 1 doubled"),
        ({"verified": {"exit_code": 5, "result": {}}}, "did not end well"),
        ({"summary": Summary(0, {"orders": Counts(written=1)})}, "route orders is not finished"),
        ({"summary": Summary(3, {"o": Counts(rejected=2)}, finished=frozenset("o"))}, "2 records are rejected"),
        ({"summary": Summary(3, {"o": Counts(unknown=1)}, finished=frozenset("o"))}, "1 record is of unknown fate"),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_is_a_no_go_that_says_so(change: dict[str, Any], reason: str) -> None:
    found = verdict(**change)
    assert not found.is_go
    assert reason in against(found)
    assert all(each.next for each in found.reasons if not each.is_good)


def test_failures_that_a_person_accepted_stand_in_the_reasons_and_do_not_stop_it() -> None:
    summary = Summary(3, {"orders": Counts(rejected=2)}, finished=frozenset({"orders"}))
    found = verdict(summary, accepts_failures=True)
    assert found.is_go
    assert "2 records are rejected, and accepted" in [reason.text for reason in found.reasons]


# --- in the ledger -------------------------------------------------------------------------------------------


def test_steps_stand_in_the_ledger_in_their_order_and_one_that_was_cut_off_shows(tmp_path: Path) -> None:
    ledger = tmp_path / "x.ledger.db"
    milestones.end(ledger, milestones.begin(ledger, "full"), exit_code=3, told={"read": 5})
    milestones.begin(ledger, "delta")
    with looked_at(ledger) as connection:
        assert connection is not None
        full, delta = milestones.milestones(connection)
        assert milestones.last_write_began(connection) == 0.0
    assert (full.step, full.exit_code, full.told, full.ended_at is None) == ("full", 3, {"read": 5}, False)
    assert (delta.step, delta.ended_at, delta.told, delta.seconds) == ("delta", None, {}, 0.0)
    assert ledger.stat().st_mode & 0o777 == 0o600


def test_no_step_is_noted_while_a_run_is_going(tmp_path: Path) -> None:
    ledger = tmp_path / "x.ledger.db"
    with locked(ledger), pytest.raises(LedgerLockedError):
        milestones.begin(ledger, "full")
