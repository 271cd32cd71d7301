"""A run that is going is paused, resumed and set to other limits from another terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from bulkmove.sandbox.conditions import RateWindow
from tests.integration.moving import COMMAND, LONGEST_RUN_S, Ended, Job, Stages, invoke

STILL_S = 0.5
SOON_S = 15.0
EXTERNAL = "external-order"


@dataclass
class Going:
    """A run in a process of its own."""

    job: Job
    process: subprocess.Popen[bytes]

    def ask(self, verb: str, *words: str) -> Ended:
        return invoke(verb, str(self.job.file), *words)

    def written(self) -> int:
        return self.job.stage.count(EXTERNAL, "POST upsert")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SOON_S
        while not holds():
            assert time.monotonic() < end, f"waited for {what}"
            assert self.process.poll() is None, f"ended before {what}: {self.ended().told}"
            time.sleep(0.02)

    def until_written(self, count: int) -> None:
        self.until(lambda: self.written() >= count, f"{count} writes")

    def until_quiet(self) -> None:
        """What was in flight is finished: what set out may still wait in line before the wire."""
        seen, since = -1, 0.0

        def is_quiet() -> bool:
            nonlocal seen, since
            if (total := self.job.stage.total()) != seen:
                seen, since = total, time.monotonic()
            is_still = time.monotonic() - since > STILL_S
            return is_still and self.job.stage.stats()[EXTERNAL]["in_flight"] == 0

        self.until(is_quiet, "nothing in flight")

    def finish_quickly(self) -> None:
        assert self.ask("set", "new", "rate=1000/s").code == 0

    def stop(self) -> Ended:
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> Ended:
        out, err = self.process.communicate(timeout=LONGEST_RUN_S)
        return Ended(self.process.returncode, out.decode(), err.decode())


@contextmanager
def going(job: Job, *arguments: str, command: str = "run") -> Iterator[Going]:
    job.write()
    with subprocess.Popen(
        [*COMMAND, command, str(job.file), "--json", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=job.folder,
        env={**os.environ, "COLUMNS": "200"},
    ) as process:
        try:
            yield Going(job, process)
        finally:
            process.kill()


@pytest.fixture
def slow(job: Job) -> Job:
    """300 orders in 60 requests, 20 of them a second."""
    job.with_orders(batch_size=5)
    job.hosts["new"] |= {"rate": "20/s", "burst": 1}
    return job


def log_of(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_paused_host_gets_nothing_until_it_is_resumed_and_the_run_then_ends_as_ever(slow: Job) -> None:
    slow.hosts["new"] |= {
        "give_up_after_s": 0.5,
        "rate": "3/s",
    }  # it goes on for longer than the commands take
    with going(slow, "--log-format", "json") as run:
        run.until_written(5)
        paused = run.ask("pause", "new")
        assert paused.code == 0, paused.told
        assert re.fullmatch(r"new: paused: (nothing|\d requests?( still)?) .*in flight\n", paused.stdout)
        run.until_quiet()
        before = run.written()
        standing = run.ask("status")
        assert "host new: paused by hand since" in standing.stdout
        time.sleep(1)
        assert run.written() == before
        assert run.ask("resume", "new").stdout == "new: goes on\n"
        assert run.ask("resume", "new").stdout == "new: was not paused by hand\n"
        assert "paused by hand" not in run.ask("status").stdout
        run.finish_quickly()
        ended = run.ended()
    assert ended.code == 0, ended.told
    notes = [line["text"] for line in log_of(ended) if line["event"] == "note"]
    assert notes[:2] == ["host new: paused by hand", "host new: goes on, resumed by hand"]
    slow.check_all_equal()


def test_a_run_whose_hosts_are_all_paused_can_be_stopped_and_the_next_one_goes_on(slow: Job) -> None:
    with going(slow) as run:
        run.until_written(5)
        paused = run.ask("pause", "--json")
        assert paused.code == 0, paused.told
        assert set(paused.lines[0]["hosts"]) == {"old", "new"}
        run.until_quiet()
        before, began = slow.stage.total(), time.monotonic()
        ended = run.stop()
        assert time.monotonic() - began < 10
    assert slow.stage.total() == before
    assert ended.code == 143, ended.told
    assert ended.summary["exit"] == 143
    assert slow.failures() == {}
    assert "error" not in ended.stderr
    slow.hosts["new"] |= {"rate": "1000/s", "burst": 20}
    assert slow.run().code == 0
    slow.check_all_equal()


def test_limits_are_set_both_ways_at_once_and_no_burst_gets_out(sandbox: Stages, slow: Job) -> None:
    slow.stage = sandbox(rates=(RateWindow(30, 1.0, EXTERNAL),))
    slow.hosts = {name: {**host, "url": slow.stage.url} for name, host in slow.hosts.items()}
    slow.hosts["new"] |= {"rate": "5/s"}
    with going(slow) as run:
        run.until_written(2)
        done = run.ask("set", "new", "rate=30/s", "concurrency=4")
        assert (done.code, done.stdout) == (0, "new: 30/s, 4 at a time\n"), done.told
        before, began = run.written(), time.monotonic()
        run.until_written(before + 20)
        assert time.monotonic() - began < 2.5, "20 requests would take 4 s at 5/s"
        assert "host new: set by hand: rate 30/s, concurrency 4" in run.ask("status").stdout
        assert run.ask("set", "new", "rate=2/s").code == 0
        before, began = run.written(), time.monotonic()
        time.sleep(1)
        assert run.written() - before <= 2 * (time.monotonic() - began) + 1
        assert run.ask("set", "new", "rate=30/s,1000/h").code == 0
        ended = run.ended()
    assert ended.code == 0, ended.told
    counted = slow.stage.stats()[EXTERNAL]
    assert counted["too_many"] == 0, "a 429 would be a 31st request within a second"
    assert counted["windows"][0]["max_requests"] <= 30
    slow.check_all_equal()


def test_a_higher_concurrency_is_used_by_a_run_that_began_with_one(sandbox: Stages, slow: Job) -> None:
    slow.stage = sandbox(slow_seconds=0.2)
    slow.hosts = {name: {**host, "url": slow.stage.url} for name, host in slow.hosts.items()}
    slow.hosts["new"] |= {"rate": "1000/s", "concurrency": 1}
    slow.stage.add_fault("slow", api=EXTERNAL, methods=["POST"], share=1.0)
    with going(slow) as run:
        run.until_written(1)
        assert slow.stage.stats()[EXTERNAL]["max_in_flight"] == 1
        assert run.ask("set", "new", "concurrency=8").code == 0
        run.until(lambda: slow.stage.stats()[EXTERNAL]["max_in_flight"] == 8, "eight in flight")
        assert run.ask("set", "new", "concurrency=default").stdout.endswith(" 1 at a time\n")
        run.until(lambda: slow.stage.stats()[EXTERNAL]["in_flight"] <= 1, "one in flight")
        run.stop()


@pytest.mark.parametrize("verb", ["pause", "resume", "set"])
def test_without_a_run_going_nothing_is_asked(slow: Job, verb: str) -> None:
    slow.write()
    words = ["new", "rate=1/s"] if verb == "set" else []
    ended = invoke(verb, str(slow.file), *words)
    assert ended.code == 2
    assert "no run is going" in ended.stderr
    assert not slow.ledger.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "newer", "rate=1/s"], "there is no host 'newer'; did you mean 'new'?"),
        (["set", "new", "rat=1/s"], "rat: can't be set; did you mean"),
        (["set", "new", "rate=1/sec"], 'the unit is spelled "s"'),
        (["set", "new", "rate=0/s"], "must allow at least 1 request"),
        (["set", "new", "concurrency=0"], "must be a whole number from 1"),
        (["set", "new", "rate=1/s", "rate=2/s"], "rate: is given twice"),
        (["set", "new"], "nothing to set"),
        (["set", "rate=1/s"], "which host?"),
        (["pause", "nwe"], "did you mean 'new'?"),
    ],
)
def test_what_cant_be_asked_is_refused_with_what_to_write(slow: Job, words: list[str], said: str) -> None:
    slow.write()
    ended = invoke(words[0], str(slow.file), *words[1:])
    assert ended.code == 2
    assert said in ended.stderr, ended.stderr


def test_a_run_refuses_a_host_without_a_part_in_it_and_warns_of_a_rate_above_the_published(slow: Job) -> None:
    slow.hosts["old"] |= {"rate": "10/s", "burst": 1}
    with going(slow) as run:
        run.until_written(2)
        refused = run.ask("pause", "sizing")
        assert refused.code == 2
        assert "host sizing takes no part in the run that is going; its hosts: new, old" in refused.stderr
        done = run.ask("set", "old", "rate=50/s")
        assert done.code == 0
        assert "warning: 50/s is more than merchantpro is known to allow (4/s, 80/min" in done.stderr
        run.stop()


def test_the_time_of_day_sets_the_rate_of_a_run_and_a_set_by_hand_goes_before_it(slow: Job) -> None:
    slow.hosts["new"] |= {"timezone": "UTC", "rate_at": {"00:00-24:00": "4/s"}}
    with going(slow) as run:
        run.until_written(2)
        before, began = run.written(), time.monotonic()
        time.sleep(1)
        assert run.written() - before <= 4 * (time.monotonic() - began) + 1
        assert run.ask("set", "new", "rate=3/s").stdout.startswith("new: 3/s")
        assert run.ask("set", "new", "rate=default").stdout.startswith("new: 4/s")
        assert run.stop().code == 143
    slow.hosts["new"]["rate_at"] = {"00:00-12:00": "900/s", "12:00-24:00": "1000/s"}
    ended = slow.run()
    assert ended.code == 0, "other times are no change of what is moved"
    slow.check_all_equal()


def test_status_tells_which_host_lets_a_run_wait(slow: Job) -> None:
    with going(slow) as run:
        run.until_written(5)
        slow.stage.add_fault("too-many-429", api=EXTERNAL)
        run.until(
            lambda: "host new: nothing is sent for" in run.ask("status").stdout, "a host that rests is told"
        )
        assert "429" in run.ask("status").stdout
        slow.stage.clear_faults()
        run.process.kill()
        run.ended()
    assert "nothing is sent for" not in run.ask("status").stdout


def test_status_tells_of_what_was_on_its_way_when_a_run_was_killed(slow: Job) -> None:
    slow.stage.add_fault("slow", api=EXTERNAL, methods=["POST"])
    with going(slow) as run:
        run.until_written(3)
        run.until(lambda: slow.stage.stats()[EXTERNAL]["in_flight"] > 0, "a write on its way")
        run.process.kill()
        run.ended()
    slow.stage.clear_faults()
    assert re.search(r"write requests? (was|were) not answered for sure", run.ask("status").stdout)
    assert slow.run().code == 0
    assert "not answered for sure" not in run.ask("status").stdout
