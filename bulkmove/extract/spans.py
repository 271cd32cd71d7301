"""Cutting a sorted list into spans, stretches that are read side by side, and a span in two.

A span holds the rows with lower <= key < upper (lower None: from the first row on). Every row of it with a key below
`reached` has been read (None: nothing yet, of a span without a lower bound); nothing else is needed to go on after a
restart. `evidence` is how many of its seconds were closed by agreeing passes rather than by proof.
"""

from __future__ import annotations

from dataclasses import replace

from bulkmove.entries import Span

SMALLEST_REMAINDER_S = 4  # a shorter rest has no middle that leaves either half a second of its own


def first_spans(first: int, *, upper: int, count: int, lower: int | None = None) -> list[Span]:
    """At most `count` spans of equal length over the rows with first <= key < upper, neighbours overlapping by a second.

    The first one is bounded by `lower` alone, so that rows dated before `first` meanwhile are read as well.
    """
    length = upper - first
    pieces = max(1, min(count, length // SMALLEST_REMAINDER_S))
    edges = [first + length * number // pieces for number in range(pieces + 1)]
    spans = []
    for number in range(pieces):
        start = edges[number] if number else lower
        end = edges[number + 1] + (1 if number + 1 < pieces else 0)
        spans.append(_fresh(number, start, end))
    return spans


def can_split(span: Span) -> bool:
    return not span.is_done and span.reached is not None and span.upper - span.reached >= SMALLEST_REMAINDER_S


def split(span: Span, new_id: int) -> tuple[Span, Span]:
    """Cut what remains of a span in the middle: the span shortened, and a new one with the rest.

    Both hold the second at the cut. Only for spans that `can_split`.
    """
    if span.reached is None or not can_split(span):
        raise ValueError(f"span {span.id} is too short to be split")
    middle = (span.reached + span.upper) // 2
    return replace(span, upper=middle + 1), _fresh(new_id, middle, span.upper)


def _fresh(number: int, lower: int | None, upper: int) -> Span:
    return Span(number, lower, upper, reached=lower, is_done=False, evidence=0)
