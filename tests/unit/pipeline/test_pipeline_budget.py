"""When an error budget is spent."""

from __future__ import annotations

import pytest

from bulkmove.pipeline.budget import ErrorBudget
from bulkmove.settings import RejectionLimit


def _after(limit: RejectionLimit | None, *, handled: int, rejected: int) -> ErrorBudget:
    budget = ErrorBudget("orders", limit)
    budget.handle(handled)
    if rejected:
        budget.reject({"no-lines": rejected})
    return budget


@pytest.mark.parametrize(
    ("limit", "handled", "allowed"),
    [
        (RejectionLimit(count=3), 10, 3),
        (RejectionLimit(count=0), 1, 0),
        (RejectionLimit(share=0.02), 100, 2),
        (RejectionLimit(share=0.02), 1000, 20),
        (RejectionLimit(share=0.0), 100, 0),
    ],
)
def test_a_budget_is_spent_by_one_rejection_more_than_it_allows(
    limit: RejectionLimit, handled: int, allowed: int
) -> None:
    assert not _after(limit, handled=handled, rejected=allowed).is_spent
    assert _after(limit, handled=handled, rejected=allowed + 1).is_spent


@pytest.mark.parametrize("limit", [None, RejectionLimit(share=1.0)])
def test_without_a_budget_all_may_be_rejected(limit: RejectionLimit | None) -> None:
    assert not _after(limit, handled=1000, rejected=1000).is_spent


def test_a_share_of_few_records_says_nothing() -> None:
    assert not _after(RejectionLimit(share=0.02), handled=99, rejected=99).is_spent


def test_the_error_says_how_many_why_most_and_what_to_do() -> None:
    budget = _after(RejectionLimit(share=0.02), handled=1500, rejected=1200)
    budget.reject({"bad-date": 3})
    said = str(budget.error())
    for part in (
        "route orders",
        "1,203 of 1,500",
        "max_rejected = 2%",
        "1,200 of them for no-lines",
        "bulkmove retry",
    ):
        assert part in said
    assert budget.error().exit_code == 7
