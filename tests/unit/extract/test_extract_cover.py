"""What a page proves, and when proofs chain."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkmove.extract import cover
from bulkmove.model import PageQuery, Record


def _page(*keys: int | None) -> tuple[Record, ...]:
    return tuple(Record(f"row-{number}", key, None, {}) for number, key in enumerate(keys))


def test_a_page_at_an_offset_proves_what_lies_between_its_edge_seconds() -> None:
    proof = cover.prove(_page(5, 7, 9), PageQuery(3, offset=2, after=1), is_end=False)
    assert proof == cover.Proof(5, 9)


def test_a_first_page_proves_from_its_filter_on() -> None:
    assert cover.prove(_page(5, 9), PageQuery(2, after=1), is_end=False) == cover.Proof(1, 9)
    assert cover.prove(_page(5, 9), PageQuery(2), is_end=False) == cover.Proof(None, 9)


def test_a_last_page_proves_without_an_upper_bound() -> None:
    assert cover.prove(_page(5, 9), PageQuery(3, after=1), is_end=True) == cover.Proof(1, None)
    assert cover.prove((), PageQuery(3, after=1), is_end=True) == cover.Proof(1, None)


def test_rows_without_a_key_prove_nothing() -> None:
    assert cover.prove(_page(None, None), PageQuery(2, after=1), is_end=False) is None
    assert cover.prove(_page(None, 4), PageQuery(2, offset=1, after=1), is_end=False) == cover.Proof(4, 4)


def test_an_empty_page_at_an_offset_proves_nothing() -> None:
    assert cover.prove((), PageQuery(3, offset=2, after=1), is_end=True) is None


def test_a_page_chains_only_if_its_first_second_is_read_whole() -> None:
    assert cover.chains(cover.Proof(4, 9), 5)
    assert not cover.chains(cover.Proof(5, 9), 5)
    assert not cover.chains(cover.Proof(5, 9), None)
    assert cover.chains(cover.Proof(None, 9), None)


def test_what_is_reached_never_falls_and_ends_with_the_span() -> None:
    assert cover.advance(7, cover.Proof(1, 5), upper=20) == 7
    assert cover.advance(7, cover.Proof(1, 30), upper=20) == 20
    assert cover.advance(7, cover.Proof(1, None), upper=20) == 20
    assert cover.advance(None, cover.Proof(None, 5), upper=20) == 5


def test_leading_rows_are_those_before_the_first_unread_one() -> None:
    assert cover.leading(_page(None, 3, 4, 5, 6), 5) == 3
    assert cover.leading(_page(5, 6), 5) == 0
    assert cover.leading(_page(None, None), None) == 2


def test_a_key_may_lie_a_second_outside_its_filter() -> None:
    assert cover.is_within([4, 11], PageQuery(3, after=5, before=10))
    assert not cover.is_within([3], PageQuery(3, after=5, before=10))
    assert not cover.is_within([12], PageQuery(3, after=5, before=10))


keys_of_a_list = st.lists(st.integers(0, 12), max_size=30).map(sorted)


@given(keys_of_a_list, st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=25))
def test_chained_pages_of_any_offsets_hold_every_row_below_what_is_reached(
    keys: list[int], cuts: list[tuple[int, int]]
) -> None:
    rows = [Record(str(number), key, None, {}) for number, key in enumerate(keys)]
    seen: set[str | None] = set()
    reached: int | None = None
    for offset, length in cuts:
        page = rows[offset : offset + length]
        is_end = offset + length >= len(rows)
        seen |= {row.id for row in page}
        proof = cover.prove(page, PageQuery(length, offset=offset), is_end=is_end)
        if proof is not None and cover.chains(proof, reached):
            reached = cover.advance(reached, proof, upper=13)
    assert all(
        row.id in seen for row in rows if reached is not None and row.key is not None and row.key < reached
    )
