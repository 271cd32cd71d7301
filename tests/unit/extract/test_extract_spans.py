"""How a list is cut into spans, and a span in two."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.entries import Span
from bulkmove.extract.spans import can_split, first_spans, split


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 64), st.none() | st.integers(0, 5))
def test_first_spans_cover_everything_and_neighbours_overlap_by_a_second(
    first: int, length: int, count: int, lower: int | None
) -> None:
    spans = first_spans(first, upper=first + length, count=count, lower=lower)
    assert 1 <= len(spans) <= count
    assert spans[0].lower == spans[0].reached == lower
    assert spans[-1].upper == first + length
    assert [span.id for span in spans] == list(range(len(spans)))
    for left, right in pairwise(spans):
        assert right.lower is not None
        assert left.upper == right.lower + 1
        assert right.reached == right.lower


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_a_split_leaves_no_second_between_its_halves(reached: int, rest: int) -> None:
    span = Span(3, reached - 10, reached + rest, reached=reached, is_done=False, evidence=2)
    if not can_split(span):
        assert rest < 4
        return
    left, right = split(span, 9)
    assert (left.id, right.id) == (3, 9)
    assert (left.lower, left.reached, left.evidence) == (span.lower, reached, 2)
    assert right.lower is not None
    assert left.upper == right.lower + 1
    assert reached < right.lower < right.upper == span.upper
    assert not right.evidence


@pytest.mark.parametrize(
    "span",
    [
        Span(0, None, 100, reached=None, is_done=False, evidence=0),
        Span(0, 0, 100, reached=98, is_done=False, evidence=0),
        Span(0, 0, 100, reached=100, is_done=True, evidence=0),
    ],
    ids=["nothing read yet", "seconds left", "done"],
)
def test_what_can_not_be_split_is_refused(span: Span) -> None:
    assert not can_split(span)
    with pytest.raises(ValueError, match="too short"):
        split(span, 1)
