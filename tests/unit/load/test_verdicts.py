"""What a reading of the list says of the writes in doubt."""

from __future__ import annotations

import pytest

from bulkmove.entries import Intent, Item, Member, Refusal
from bulkmove.load.verdicts import Doubts, atomicity, has_failed_enough, set_aside
from bulkmove.model import JsonObject, State
from tests.doubles import Shop, ShopTarget


def create(source_id: str, key: str, value: int = 1) -> Item:
    return Item(Member(source_id, 0, 1), None, key, b"", {"key": key, "value": value})


def update(source_id: str, row: str, value: int = 1) -> Item:
    return Item(Member(source_id, 0, 1), row, None, b"", {"value": value})


def judged(item: Item, *rows: JsonObject) -> tuple[State, str | None, str | None] | None:
    doubts = Doubts(ShopTarget(Shop(never_returned=frozenset({"secret"}))), "key")
    doubts.add([item])
    for row in rows:
        doubts.show(row)
    outcomes = doubts.judge([item])
    assert len(outcomes) <= 1
    return (outcomes[0].state, outcomes[0].target_id, outcomes[0].cause) if outcomes else None


def test_a_create_that_is_there_is_written_under_its_id() -> None:
    assert judged(create("a", "K"), {"id": "7", "key": "K", "value": 1}) == (State.WRITTEN, "7", None)


def test_a_create_that_is_shown_by_several_passes_is_there_once() -> None:
    row = {"id": 7, "key": "K", "value": 1}
    assert judged(create("a", "K"), row, row) == (State.WRITTEN, "7", None)


def test_a_row_counts_as_it_was_shown_last() -> None:
    rows = ({"id": "7", "key": "K", "value": 9}, {"id": "7", "key": "K", "value": 1})
    assert judged(create("a", "K"), *rows) == (State.WRITTEN, "7", None)


def test_a_create_of_which_nothing_is_there_may_go_again() -> None:
    assert judged(create("a", "K"), {"id": "7", "key": "L", "value": 1}) is None


def test_a_create_that_is_there_twice_is_unknown() -> None:
    rows = ({"id": "7", "key": "K", "value": 1}, {"id": "8", "key": "K", "value": 1})
    assert judged(create("a", "K"), *rows) == (State.UNKNOWN, None, "found-twice")


def test_a_create_whose_row_has_other_values_is_unknown() -> None:
    assert judged(create("a", "K"), {"id": "7", "key": "K", "value": 2}) == (State.UNKNOWN, None, "differs")


def test_a_key_that_is_another_s_own_is_not_ours_in_another_spelling() -> None:
    doubts = Doubts(ShopTarget(Shop()), "key")
    doubts.add([create("a", "aB1")])
    doubts.show({"id": "7", "key": "Ab1", "value": 1})
    assert doubts.alike_keys() == ["Ab1"]
    [settled] = doubts.judge([create("a", "aB1")])
    assert settled.state is State.UNKNOWN
    doubts.forget_alike({"Ab1": 1})
    assert doubts.judge([create("a", "aB1")]) == []


def test_of_more_rows_than_others_have_under_a_key_one_may_be_ours_in_another_spelling() -> None:
    doubts = Doubts(ShopTarget(Shop()), "key")
    doubts.add([create("a", "aB1")])
    doubts.show({"id": "7", "key": "Ab1", "value": 1})
    doubts.show({"id": "8", "key": "Ab1", "value": 1})
    doubts.forget_alike({"Ab1": 1})
    [settled] = doubts.judge([create("a", "aB1")])
    assert (settled.state, settled.cause) == (State.UNKNOWN, "differs")


def test_a_row_that_may_be_ours_in_another_spelling_says_nothing_of_atomicity() -> None:
    doubts = Doubts(ShopTarget(Shop()), "key")
    item = create("a", "aB1")
    doubts.add([item])
    doubts.show({"id": "7", "key": "ab1", "value": 1})
    assert atomicity([Intent(1, 0.0, [item.member], "named")], doubts) is None


def test_absence_proves_nothing_where_the_host_may_drop_keys() -> None:
    doubts = Doubts(ShopTarget(Shop()), "key", can_prove_absence=False)
    doubts.add([create("a", "K")])
    doubts.show({"id": "7", "key": "L", "value": 1})
    [settled] = doubts.judge([create("a", "K")])
    assert (settled.state, settled.cause) == (State.UNKNOWN, "key-not-kept")


def test_an_update_whose_row_shows_nothing_of_it_is_unknown() -> None:
    assert judged(update("a", "7"), {"id": "7", "key": "K"}) == (State.UNKNOWN, None, "not-shown")
    assert judged(update("a", "7"), {"id": "7", "value": 1}) == (State.WRITTEN, "7", None)


def test_fields_that_never_come_back_are_not_missed() -> None:
    item = create("a", "K")
    item.body["secret"] = "x"
    assert judged(item, {"id": "7", "key": "K", "value": 1}) == (State.WRITTEN, "7", None)


def test_an_update_that_took_effect_is_written() -> None:
    assert judged(update("a", "7"), {"id": "7", "key": "K", "value": 1}) == (State.WRITTEN, "7", None)


def test_an_update_that_did_not_take_effect_may_go_again() -> None:
    assert judged(update("a", "7"), {"id": "7", "key": "K", "value": 0}) is None


def test_an_update_of_a_row_that_is_gone_is_rejected() -> None:
    assert judged(update("a", "7"), {"id": "8", "value": 1}) == (State.REJECTED, None, "not-found")


def test_two_updates_of_one_row_are_judged_each() -> None:
    first, second = update("a", "7", 1), update("b", "7", 2)
    doubts = Doubts(ShopTarget(Shop()), "key")
    doubts.add([first, second])
    doubts.show({"id": "7", "value": 2})
    assert [(o.member.source_id, o.state) for o in doubts.judge([first, second])] == [("b", State.WRITTEN)]


@pytest.mark.parametrize(
    ("refusals", "found", "verdict"),
    [
        (["named"], [], True),
        (["named"], ["a0"], False),
        (["named", "named"], ["a1"], False),
        (["unnamed"], [], None),
        (["unnamed"], ["a0"], False),
        (["unnamed", "named"], [], True),
        ([None], ["a0"], None),
        ([None], [], None),
        ([], [], None),
    ],
)
def test_whether_a_host_is_atomic_is_told_by_refused_arrays_whose_good_items_can_be_looked_for(
    refusals: list[Refusal | None], found: list[str], *, verdict: bool | None
) -> None:
    items = [create(f"a{n}", f"a{n}") for n in range(len(refusals))]
    doubts = Doubts(ShopTarget(Shop()), "key")
    doubts.add(items)
    for number, key in enumerate(found):
        doubts.show({"id": str(number), "key": key, "value": 1})
    intents = [
        Intent(n, 0.0, [item.member], refusal)
        for n, (item, refusal) in enumerate(zip(items, refusals, strict=True))
    ]
    assert atomicity(intents, doubts) is verdict


@pytest.mark.parametrize(("value", "verdict"), [(1, False), (0, True)])
def test_of_refused_updates_the_rows_tell_by_what_they_hold(value: int, *, verdict: bool) -> None:
    """That a row is there says nothing: it was there before."""
    item = update("a", "7")
    doubts = Doubts(ShopTarget(Shop()), "key")
    doubts.add([item])
    doubts.show({"id": "7", "key": "K", "value": value})
    assert atomicity([Intent(1, 0.0, [item.member], "named")], doubts) is verdict


def test_a_refused_batch_without_a_good_item_gives_no_verdict() -> None:
    assert atomicity([Intent(1, 0.0, [], "named")], Doubts(ShopTarget(Shop()), "key")) is None


@pytest.mark.parametrize(
    ("attempts", "failed_at", "served_at", "is_enough"),
    [(8, 100.0, 130.0, True), (7, 100.0, 130.0, False), (8, 141.0, 150.0, False), (8, 100.0, 99.0, False), (8, None, 130.0, False)],
)  # fmt: skip
def test_eight_failures_over_a_minute_while_others_were_served_are_enough(
    attempts: int, failed_at: float | None, served_at: float, *, is_enough: bool
) -> None:
    item = create("a", "K")._replace(attempts=attempts, failed_at=failed_at)
    assert has_failed_enough(item, now=200.0, served_at=served_at) is is_enough


def test_what_is_set_aside_is_rejected_where_it_is_proven_absent_and_else_unknown() -> None:
    assert set_aside(create("a", "K")).state is State.REJECTED
    assert set_aside(update("a", "7")).state is State.UNKNOWN


@pytest.mark.parametrize("shown", ["K", " k", "K ", "\uff2b"])
def test_a_create_whose_key_the_host_changed_is_never_sent_again(shown: str) -> None:
    outcome = judged(create("a", "k "), {"id": "7", "key": shown, "value": 1})
    assert outcome == (State.UNKNOWN, None, "differs")


def test_what_a_host_adds_within_an_object_is_no_difference() -> None:
    item = create("a", "K")
    item.body["lines"] = [{"product": 1}]
    row = {"id": "7", "key": "K", "value": 1, "lines": [{"product": 1, "name": "added"}]}
    assert judged(item, row) == (State.WRITTEN, "7", None)
    assert judged(item, {**row, "lines": [{"product": 2}]}) == (State.UNKNOWN, None, "differs")
