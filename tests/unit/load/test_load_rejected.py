"""What a look at the target says of bodies that it had refused, before they are sent once more."""

from __future__ import annotations

from bulkmove.entries import Intent, Item, Member
from bulkmove.load.verdicts import Doubts, atomicity
from bulkmove.model import State
from tests.doubles import Shop, ShopTarget

CREATE = Item(Member("7", 0, 1), None, "k7", b'{"key":"k7","value":7}', {"key": "k7", "value": 7})
UPDATE = Item(Member("8", 0, 1), "80", None, b'{"secret":8}', {"secret": 8})


def doubts(*items: Item, can_prove_absence: bool = True) -> Doubts:
    found = Doubts(ShopTarget(Shop(never_returned=frozenset({"secret"}))), "key", can_prove_absence)
    found.add(items)
    return found


def test_a_refused_create_that_is_not_there_goes_again_also_where_the_host_may_drop_keys() -> None:
    """None of it is there by us: what its host does with keys tells nothing of it."""
    looked = doubts(CREATE, can_prove_absence=False)
    assert looked.judge([CREATE], was_rejected=True) == []
    [sent] = looked.judge([CREATE])
    assert (sent.state, sent.cause) == (State.UNKNOWN, "key-not-kept")


def test_a_refused_create_that_somebody_made_is_written_or_unknown() -> None:
    for value, state in ((7, State.WRITTEN), (8, State.UNKNOWN)):
        looked = doubts(CREATE)
        looked.show({"id": "70", "key": "k7", "value": value})
        assert [each.state for each in looked.judge([CREATE], was_rejected=True)] == [state]


def test_a_refused_update_that_its_row_would_not_show_goes_again() -> None:
    looked = doubts(UPDATE)
    looked.show({"id": "80", "key": "x"})
    assert looked.judge([UPDATE], was_rejected=True) == []
    [sent] = looked.judge([UPDATE])
    assert (sent.state, sent.cause) == (State.UNKNOWN, "not-shown")


def test_that_it_is_there_tells_nothing_of_whether_the_host_is_atomic() -> None:
    looked = doubts(CREATE)
    looked.show({"id": "70", "key": "k7", "value": 7})
    assert atomicity([Intent(1, 0.0, [CREATE.member], "rejected")], looked) is None
