"""A run that is to end, or has to, while a host answers nothing: what is not in flight yet is not waited for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.integration.canaries import Answer, Asked, misbehaving
from tests.integration.moving import LONGEST_RUN_S, Ended, Job
from tests.integration.test_control import going

LONG_S = 60.0


class Holding:
    """A host that keeps what is chosen unanswered until it is `over`; `asked` are all that came."""

    def __init__(self, is_held: Callable[[Asked, list[Asked]], bool]) -> None:
        self.asked: list[Asked] = []
        self.held = 0
        self.over = threading.Event()
        self._is_held = is_held
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Answer | None:
        with self._lock:
            is_held = not self.over.is_set() and self._is_held(asked, self.asked)
            self.asked.append(asked)
            self.held += is_held
        if is_held:
            self.over.wait(LONG_S)
            return 0, {}, b""
        return None


@contextmanager
def holding(job: Job, host: str, is_held: Callable[[Asked, list[Asked]], bool]) -> Iterator[Holding]:
    found = Holding(is_held)
    with misbehaving(job.stage.url, found) as url:
        job.hosts[host] |= {"url": url, "timeout_s": LONG_S}
        try:
            yield found
        finally:
            found.over.set()


def interrupted(job: Job, host: Holding, *arguments: str) -> Ended:
    """Once the host holds something; it ends while that is held."""
    with going(job, *arguments) as run:
        run.until(lambda: host.held > 0, "a request that is held")
        run.process.send_signal(signal.SIGINT)
        ended = run.ended()
    host.over.set()
    return ended


def _has_written(asked: list[Asked]) -> bool:
    return any(each.method != "GET" for each in asked)


def test_an_interrupt_while_doubts_are_read_back_waits_for_no_more_of_them(job: Job) -> None:
    job.with_fitting()
    job.stage.add_fault("dropped-after", api="robosize", methods=["POST"], times=1)
    with holding(job, "sizing", lambda asked, before: asked.method == "GET" and _has_written(before)) as host:
        ended = interrupted(job, host)
        assert ended.code == 130, ended.told
        assert job.run().code == 0
    job.check_all_equal()


def test_an_interrupt_while_a_canary_is_read_back_is_no_bad_canary(job: Job) -> None:
    job.top["canary"] = 5
    job.with_orders()
    with holding(job, "new", lambda asked, before: asked.method == "GET" and _has_written(before)) as host:
        ended = interrupted(job, host, "--yes")
        assert ended.code == 130, ended.told
        assert "as they were sent" not in ended.told
        assert job.run("--yes").code == 0
    job.check_all_equal()


def test_keys_that_are_refused_in_mid_run_are_shown_by_none_that_is_not_in_flight(job: Job) -> None:
    """Many writers stand in line at four a second; three requests are refused together."""
    refused, all_came = 0, threading.Event()
    lock = threading.Lock()
    posts = 0

    def refuse(asked: Asked) -> Answer | None:
        nonlocal refused, posts
        if asked.method == "GET":
            return None
        with lock:
            posts += 1
            if posts <= 2:
                return None
            refused += 1
            if refused == 3:
                all_came.set()
        all_came.wait(LONGEST_RUN_S)
        return 401, {}, b'{"detail":"Invalid key."}'

    job.with_fitting()
    with misbehaving(job.stage.url, refuse) as url:
        job.hosts["sizing"] |= {"url": url, "rate": "4/s", "burst": 1, "concurrency": 32, "timeout_s": LONG_S}
        with going(job) as run:
            ended = run.ended()
    assert ended.code == 6, ended.told
    # One more may be on its way while the answers come.
    assert 3 <= refused <= 6
    assert len(job.stage.rows("robosize-orders")) == 2
