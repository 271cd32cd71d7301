"""When what a host did lately is enough to give it up."""

from __future__ import annotations

from bulkmove.transport.health import HostHealth


def failing(*moments: float, answered: bool = True, give_up_after_s: float = 120.0) -> HostHealth:
    health = HostHealth(give_up_after_s)
    health.has_answered = answered
    for moment in moments:
        health.failed(started_at=moment, now=moment)
    return health


def test_a_host_that_has_answered_is_given_up_after_its_time_and_six_failures() -> None:
    assert not failing(0, 1, 2, 3, 4, 119).has_failed_enough()
    assert not failing(0, 1, 2, 3, 120).has_failed_enough()
    assert failing(0, 1, 2, 3, 4, 120).has_failed_enough()


def test_a_host_that_never_answered_is_given_up_after_ten_seconds_and_three_failures() -> None:
    assert not failing(0, 5, 9.9, answered=False).has_failed_enough()
    assert not failing(0, 10, answered=False).has_failed_enough()
    assert failing(0, 5, 10, answered=False).has_failed_enough()
    assert failing(0, 1, 2, answered=False, give_up_after_s=2).has_failed_enough()


def test_the_time_runs_from_the_start_of_the_first_attempt_that_failed() -> None:
    health = failing()
    for moment in range(6):
        health.failed(started_at=0.0, now=115.0 + moment)
    assert health.has_failed_enough()


def test_but_not_from_before_something_was_served() -> None:
    health = failing()
    health.served(50.0)
    for moment in range(6):
        health.failed(started_at=0.0, now=115.0 + moment)
    assert not health.has_failed_enough()
    assert health.failing_s == 70.0


def test_serving_once_makes_all_good() -> None:
    health = failing(0, 1, 2, 3, 4, 120)
    health.served(121.0)
    assert (health.failures, health.failing_s, health.has_failed_enough()) == (0, 0.0, False)
    health.failed(started_at=122.0, now=122.0)
    assert not health.has_failed_enough()


def test_a_host_that_nobody_asked_for_long_may_be_tried_again() -> None:
    health = failing(0, 1, 2, 3, 4, 120)
    assert health.is_given_up(121.0)
    assert not health.is_given_up(241.0)


def test_a_wait_is_cut_to_the_try_that_decides() -> None:
    health = failing(0, 1, 2, 3)
    assert health.shortened(30.0, 100.0) == 30.0, "one more failure would not be enough"
    health.failed(started_at=100.0, now=100.0)
    assert health.shortened(30.0, 100.0) == 20.0
    assert health.shortened(30.0, 130.0) == 1.0


def test_a_wait_is_cut_so_that_enough_tries_fit_in_the_time() -> None:
    assert failing(0, give_up_after_s=20.0).shortened(30.0, 0.0) == 5.0
    assert failing(0, give_up_after_s=1.0).shortened(30.0, 0.0) == 1.0
    assert failing(0, give_up_after_s=20.0).shortened(0.3, 0.0) == 0.3


def test_however_short_the_time_is_those_who_wait_their_turn_find_the_host_given_up() -> None:
    health = failing(0, 1, 1, 1, 1, 1, give_up_after_s=1.0)
    assert health.is_given_up(10.0)
    assert not health.is_given_up(12.0)


def failing_writes(*moments: float) -> HostHealth:
    """With a reading served after each of them."""
    health = HostHealth(120.0)
    for number, moment in enumerate(moments):
        health.failed(started_at=moment, now=moment, write=number)
        health.served(moment + 0.1)
    return health


def test_writes_have_a_streak_that_readings_do_not_end() -> None:
    health = failing_writes(0, 10, 20, 30, 40, 120)
    assert health.has_failed_enough(is_write=True)
    assert health.is_given_up(121.0, is_write=True)
    assert health.fails_writes_alone
    assert not health.has_failed_enough()
    assert not health.is_given_up(121.0)
    health.served(122.0, is_write=True)
    assert not health.has_failed_enough(is_write=True)


def test_a_write_that_failed_before_another_was_served_counts_no_more() -> None:
    health = failing_writes(0, 10)
    health.served(20.0, is_write=True)
    for moment in range(30, 300, 10):
        health.failed(started_at=moment, now=moment, write=moment % 20 // 10)
        health.served(moment + 0.1)
    assert not health.is_failing
    assert not health.has_failed_enough(is_write=True)


def test_what_is_remembered_of_bad_writes_is_bounded() -> None:
    health = HostHealth(120.0)
    for number in range(3000):
        health.failed(started_at=0.0, now=0.0, write=number)
        health.served(0.0, is_write=True)
    assert len(health._suspects) <= 1000


def test_more_than_ten_pauses_for_429_with_nothing_served_are_enough() -> None:
    health = failing()
    for _ in range(10):
        health.throttled()
    assert not health.has_throttled_enough
    health.throttled()
    assert health.has_throttled_enough
    health.served(0.0)
    assert not health.has_throttled_enough
