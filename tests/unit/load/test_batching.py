"""What one request carries."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bulkmove.entries import Item, Member
from bulkmove.load.batching import (
    MAX_BATCH_BYTES,
    MAX_WAITING,
    Batch,
    Batcher,
    SizeLimit,
    Undivided,
    batcher_for,
    size_after,
    size_of,
    within,
)
from bulkmove.model import BatchRule


def item(number: int, encoded: bytes = b"{}", attempts: int = 0) -> Item:
    return Item(Member(str(number), 0, 1), str(number), None, encoded, {}, attempts)


def given_out(batches: Iterable[Batch | Undivided]) -> list[Batch]:
    found: list[Batch] = []
    for each in batches:
        found += [each] if isinstance(each, Batch) else each.batches(each.divide())
    return found


def batches_of(batcher: Batcher, items: list[Item]) -> list[Batch]:
    return [batch for each in items for batch in given_out(batcher.add(each))] + given_out(batcher.flush())


@pytest.mark.parametrize(
    ("shape", "wanted", "sizes"),
    [
        ("single", None, [1] * 7), ("single", 100, [1] * 7), ("array", None, [3, 3, 1]), ("array", 2, [2, 2, 2, 1]),
        ("array", 100, [3, 3, 1]), ("joined", None, [3, 3, 1]), ("joined", 2, [2, 2, 2, 1]),
    ],
)  # fmt: skip
def test_a_request_carries_what_its_rule_and_the_user_allow(
    shape: str, wanted: int | None, sizes: list[int]
) -> None:
    rule = BatchRule(shape, 3)  # type: ignore[arg-type]
    batches = batches_of(batcher_for("update", rule, wanted, size=SizeLimit()), [item(n) for n in range(7)])
    assert [len(batch.items) for batch in batches] == sizes
    assert [i.member.source_id for batch in batches for i in batch.items] == [str(n) for n in range(7)]


def test_an_array_is_bounded_in_bytes() -> None:
    items = [item(n, b"x" * 200_000) for n in range(10)]
    batches = batches_of(batcher_for("create", BatchRule("array", 100), None, size=SizeLimit()), items)
    assert [len(batch.items) for batch in batches] == [4, 4, 2]
    assert all(sum(len(i.encoded) for i in b.items) <= MAX_BATCH_BYTES for b in batches)


def test_one_body_beyond_the_bound_goes_alone() -> None:
    items = [item(1), item(2, b"x" * (MAX_BATCH_BYTES + 1)), item(3)]
    batches = batches_of(batcher_for("create", BatchRule("array", 100), None, size=SizeLimit()), items)
    assert [[i.member.source_id for i in batch.items] for batch in batches] == [["1"], ["2"], ["3"]]


def test_equal_changes_are_joined_across_pages() -> None:
    batcher = batcher_for("update", BatchRule("joined", 500), None, size=SizeLimit())
    batches: list[Batch] = []
    for page in range(10):
        for n in range(100):
            batches += given_out(batcher.add(item(page * 100 + n, b'{"a":1}' if n % 2 else b'{"a":2}')))
    batches += given_out(batcher.flush())
    assert len(batches) <= 4
    assert all(len(batch.items) <= 500 for batch in batches)
    assert all(len({i.encoded for i in batch.items}) == 1 for batch in batches)
    assert sorted(int(i.member.source_id) for b in batches for i in b.items) == list(range(1000))


def test_what_was_tried_before_is_not_divided() -> None:
    bodies = [b'{"a":%d,"b":%d}' % (n % 5, n // 5) for n in range(25)]
    batcher = batcher_for("update", BatchRule("joined", 500), None, size=SizeLimit())
    items = [item(n, body)._replace(body={"a": n % 5, "b": n // 5}) for n, body in enumerate(bodies)]
    tried = [each._replace(attempts=1) for each in items]
    assert len(batches_of(batcher, items)) == 10
    again = batches_of(batcher, tried)
    assert len(again) == 25
    assert all(batch.division is None for batch in again)


def test_what_waits_to_be_joined_is_bounded() -> None:
    batcher = batcher_for("update", BatchRule("joined", 500), None, size=SizeLimit())
    out = 0
    for n in range(MAX_WAITING + 10):
        out += sum(len(batch.items) for batch in given_out(batcher.add(item(n, b'{"a":%d}' % n))))
        assert n + 1 - out < MAX_WAITING
    assert out == MAX_WAITING
    assert sum(len(batch.items) for batch in given_out(batcher.flush())) == 10


@pytest.mark.parametrize(
    ("most", "sizes"), [(100, [100, 50, 25, 12, 6, 1, 1]), (1, [1] * 7), (3, [3, 1, 1, 1, 1, 1, 1])]
)
def test_attempts_make_requests_smaller_until_a_body_goes_alone(most: int, sizes: list[int]) -> None:
    assert [size_after(most, attempts) for attempts in range(7)] == sizes


@pytest.mark.parametrize("shape", ["array", "joined"])
def test_bodies_share_a_request_only_with_those_that_were_tried_as_often(shape: str) -> None:
    rule = BatchRule(shape, 8)  # type: ignore[arg-type]
    items = [item(n, attempts=0 if n < 4 else 2) for n in range(10)]
    batches = batches_of(batcher_for("update", rule, None, size=SizeLimit()), items)
    for batch in batches:
        tried = {i.attempts for i in batch.items}
        assert len(tried) == 1
        assert len(batch.items) <= size_after(8, tried.pop())
    assert sorted(int(i.member.source_id) for b in batches for i in b.items) == list(range(10))


def test_flushed_once_nothing_is_left() -> None:
    for shape in ("array", "joined"):
        batcher = batcher_for("update", BatchRule(shape, 8), None, size=SizeLimit())
        assert list(batcher.add(item(1))) == []
        assert len(list(batcher.flush())) == 1
        assert list(batcher.flush()) == []


def test_what_was_refused_for_its_size_is_never_sent_again_in_that_size() -> None:
    size = SizeLimit()
    items = [item(n, b"x" * 999) for n in range(100)]
    batcher = batcher_for("create", BatchRule("array", 100), None, size=size)
    assert [len(batch.items) for batch in batches_of(batcher, items)] == [100]
    size.refused(100_000, count=100)
    assert [len(batch.items) for batch in batches_of(batcher, items)] == [50, 50]
    size.refused(50_000, count=50)
    assert [len(batch.items) for batch in batches_of(batcher, items)] == [25] * 4
    size.refused(80_000, count=80)
    assert size.most_bytes == 25_000, "what was learnt is not forgotten"


def test_a_body_that_is_too_large_alone_leaves_the_others_their_room() -> None:
    size = SizeLimit()
    size.refused(300_000, count=1)
    assert size.most_bytes == 299_999


def test_a_joined_change_is_as_large_as_its_body_and_all_its_ids() -> None:
    same = [item(n, b"x" * 1000) for n in range(100, 110)]
    assert size_of(same, "joined") == 1000 + 10 * 6
    assert [len(part) for part in within(same, "joined", SizeLimit(1030))] == [5, 5]
    assert [len(part) for part in within(same, "array", SizeLimit(3003))] == [3, 3, 3, 1]
    assert [len(part) for part in within(same, "array", SizeLimit(1))] == [1] * 10
