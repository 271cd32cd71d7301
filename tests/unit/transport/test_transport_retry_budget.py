"""Retries keep to a tenth of the requests, never under fifty; what is over it waits, but not for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkmove.transport.retry_budget import LEAST, LONGEST_WAIT_S, RetryBudget


def test_fifty_are_free_and_then_each_is_earned_by_ten_requests() -> None:
    budget = RetryBudget()
    assert all(budget.spend(0.0) for _ in range(LEAST))
    assert not budget.spend(0.0)
    for _ in range(509):
        budget.earn()
    assert not budget.spend(0.0)
    budget.earn()
    assert budget.spend(0.0)
    assert not budget.spend(0.0)


def test_a_retry_that_has_waited_long_enough_goes_and_makes_no_debts() -> None:
    budget = RetryBudget()
    for _ in range(LEAST):
        budget.spend(0.0)
    assert not budget.spend(LONGEST_WAIT_S - 0.1)
    for _ in range(100):
        assert budget.spend(LONGEST_WAIT_S)
    assert budget.spend(1.0, longest_s=1.0), "a host that is about to be given up is asked in time"
    for _ in range(510):
        budget.earn()
    assert budget.spend(0.0)


def test_resends_that_a_pause_holds_already_are_counted_and_make_no_debts() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.charge()
    assert not budget.spend(0.0)
    for _ in range(510):
        budget.earn()
    assert budget.spend(0.0)


@given(st.lists(st.sampled_from(["earn", "spend", "charge", "force"]), max_size=400))
def test_what_goes_without_waiting_is_never_over_the_budget(steps: list[str]) -> None:
    budget, gone = RetryBudget(), 0
    for step in steps:
        if step == "earn":
            budget.earn()
        elif step == "spend":
            gone += budget.spend(0.0)
        elif step == "charge":
            budget.charge()
        else:
            assert budget.spend(LONGEST_WAIT_S)
        assert gone <= max(LEAST, budget.requests / 10)
        assert budget.left >= 0
