"""Changes that wait together, divided by field where that takes fewer requests."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, combinations, count

import pytest

from bulkmove.entries import Item, Member
from bulkmove.load.dividing import Divided, divide
from bulkmove.mapping.encode import encode_body
from bulkmove.model import JsonObject

MOST = 500


def groups_of(bodies: Sequence[JsonObject], *, rows: int = 1) -> list[list[Item]]:
    """So many rows get each body."""
    numbers = count()
    return [
        [
            Item(Member(str(n), 0, 1), str(n), None, encode_body(body), body)
            for n in (next(numbers) for _ in range(rows))
        ]
        for body in bodies
    ]


def requests(found: Divided, most: int = MOST) -> int:
    return sum(math.ceil(len(group) / most) for group in found.whole) + len(found.pieces)


def written(found: Divided) -> dict[str, JsonObject]:
    """What all requests together set, by row."""
    rows: dict[str, JsonObject] = defaultdict(dict)
    for item in chain(*found.whole, *found.pieces):
        assert not rows[item.member.source_id].keys() & item.body.keys(), "sent twice"
        assert encode_body(item.body) == item.encoded
        rows[item.member.source_id] |= item.body
    return rows


def crossed(*sizes: int) -> list[JsonObject]:
    found: list[JsonObject] = [{}]
    for name, size in zip(("tags", "type", "name", "image_url"), sizes, strict=False):
        found = [{**body, name: f"{name} {n}"} for body in found for n in range(size)]
    return found


@pytest.mark.parametrize(
    ("bodies", "rows", "wanted"),
    [
        # A request for each value, where few rows share them all.
        (crossed(20, 10), 1, 30), (crossed(20, 10), 3, 30), (crossed(5, 4, 3), 1, 12),
        # Nothing is gained of so few.
        (crossed(2, 2), 1, 4), (crossed(7), 1, 7),
        # A number of its own takes a request, which carries the rest too.
        ([{**body, "store_id": str(n)} for n, body in enumerate(crossed(20, 10))], 1, 200),
        # What all share goes along.
        ([{**body, "image_url": "x"} for body in crossed(20, 10)], 1, 30),
        # As does what follows from another field.
        ([{**body, "image_url": str(body["tags"])[-1]} for body in crossed(20, 10)], 1, 30),
        # Some have a number of their own, and leave the others their saving.
        ([*crossed(20, 10), *({**body, "store_id": str(n)} for n, body in enumerate(crossed(20, 10)))], 1, 230),
        # Some have one field alone.
        ([{"tags": "a", "type": "b"}, {"tags": "a"}, {"type": "b"}], 1, 2),
        # Nothing at all is no change.
        ([{}, *crossed(3, 4)], 1, 8),
    ],
)  # fmt: skip
def test_so_many_requests_change_all(bodies: list[JsonObject], rows: int, wanted: int) -> None:
    groups = groups_of(bodies, rows=rows)
    found = divide(groups, MOST, tells_least=True)
    assert (requests(found), found.least) == (wanted, wanted)
    assert written(found) == {item.member.source_id: item.body for item in chain(*groups)}


def test_a_sparse_rest_does_not_spoil_what_can_be_saved() -> None:
    # Each value is shared by two, so that dividing these would take 180 requests.
    sparse = [
        {"tags": f"own {n // 2}", "type": f"own {(n + 1) // 2 % 60}", "name": n % 60} for n in range(120)
    ]
    dense = [{**body, "name": "x"} for body in crossed(10, 10)]
    assert requests(divide(groups_of([*dense, *sparse]), MOST)) == 140


def test_a_request_carries_no_more_than_it_may() -> None:
    found = divide(groups_of(crossed(6, 5), rows=3), 20)
    assert max(map(len, found.pieces)) <= 20
    assert written(found).keys() == {str(n) for n in range(90)}
    assert requests(found, 20) <= 30


def test_a_piece_carries_no_more_than_a_request_may() -> None:
    """Each value of the tags is of 30 bodies, and each type of 40: two requests for each of them."""
    bodies = crossed(40, 30)
    found = divide(groups_of(bodies), 20)
    assert not found.whole
    assert len(found.pieces) == 40 * 2 + 30 * 2
    assert {len(piece) for piece in found.pieces} == {20, 10}
    assert list(written(found).values()) == bodies


def test_what_a_request_can_not_carry_at_once_is_no_reason_to_divide() -> None:
    groups = groups_of(crossed(2, 3), rows=400)
    assert divide(groups, MOST).pieces == []


def test_bodies_of_many_fields_go_whole() -> None:
    bodies = [{**{f"f{n}": n for n in range(6)}, **body} for body in crossed(6, 6)]
    assert divide(groups_of(bodies), MOST).pieces == []


def fewest(bodies: Sequence[JsonObject]) -> int:
    """The fewest requests by trying all: each sets some fields that a set of bodies agree on."""
    wanted = frozenset((n, name) for n, body in enumerate(bodies) for name in body)
    names = sorted({name for body in bodies for name in body})
    useful = set()
    for size in range(1, len(names) + 1):
        for some in combinations(names, size):
            holders = defaultdict(list)
            for n, body in enumerate(bodies):
                if all(name in body for name in some):
                    holders[tuple(body[name] for name in some)].append(n)
            useful |= {frozenset((n, name) for n in held for name in some) for held in holders.values()}
    for size in range(len(bodies) + 1):
        if any(wanted <= frozenset(chain(*each)) for each in combinations(useful, size)):
            return size
    raise AssertionError


@pytest.mark.parametrize("seed", range(50))
def test_never_more_than_joined_whole_and_never_fewer_than_the_least_that_is_told(seed: int) -> None:
    chosen = random.Random(seed)
    bodies = [
        {
            name: chosen.randrange(3)
            for name in ("tags", "type", "name")[: 2 + seed % 2]
            if chosen.random() < 0.9
        }
        for _ in range(6)
    ]
    bodies = [body for place, body in enumerate(bodies) if body and body not in bodies[:place]]
    groups = groups_of(bodies)
    found = divide(groups, MOST, tells_least=True)
    assert written(found) == {item.member.source_id: item.body for item in chain(*groups)}
    assert found.least <= fewest(bodies) <= requests(found) <= len(bodies)
