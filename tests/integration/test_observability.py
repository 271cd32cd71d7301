"""What a run tells those who watch it: lines of JSON, metrics, and an end after a given time."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import COMMAND, Ended, Job, invoke
from tests.integration.test_control import going

EXTERNAL = "external-order"
SECRETS = ("demo-key", "demo-secret", "demo-token", "demo-api-key")


@pytest.fixture
def slow(job: Job) -> Job:
    """300 orders in 60 requests, 20 of them a second."""
    job.with_orders(batch_size=5)
    job.hosts["new"] |= {"rate": "20/s", "burst": 1}
    return job


# --- lines of JSON -----------------------------------------------------------------------------------------


def log_of(ended: Ended) -> list[dict[str, Any]]:
    """What stderr holds: each line an object that says when, how grave, and what."""
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    for line in lines:
        assert dt.datetime.fromisoformat(line["time"]).utcoffset() == dt.timedelta(0)
        assert line["level"] in {"info", "warning", "error"}
        assert line["event"]
    return lines


def said(lines: list[dict[str, Any]], level: str) -> str:
    return "\n".join(line["text"] for line in lines if line["level"] == level and "text" in line)


def test_every_line_of_a_run_that_goes_well_is_json(job: Job) -> None:
    job.with_orders()
    lines = log_of(job.run("--log-format", "json"))
    assert [line["event"] for line in lines if line["level"] == "info"] == [
        "route-started",
        "phase",
        "route-finished",
    ]
    assert "hosts.new.settle_s: " in said(lines, "warning"), "warnings of the configuration, too"
    assert lines[-1]["route"] == "orders"
    assert lines[-1]["written"] == 300


def test_every_line_of_a_run_that_fails_is_json(job: Job) -> None:
    job.with_orders()
    job.hosts["new"]["credentials"] = {"token": "wrong"}
    ended = job.run("--log-format", "json", "-v")
    assert ended.code == 6
    assert "hosts.new.credentials" in said(log_of(ended), "error")


def test_every_line_of_a_crash_is_json_with_its_traceback_on_one(job: Job) -> None:
    job.with_mapper("class Leaving(BaseException): ...\ndef leave(record, context):\n    raise Leaving\n")
    job.with_orders(mapper="mappers.py:leave")
    job.routes["orders"].pop("options")
    job.write()
    done = subprocess.run(
        [*COMMAND, "run", str(job.file), "--log-format", "json", "-v"],
        capture_output=True,
        check=False,
        timeout=30,
    )
    lines = log_of(Ended(done.returncode, "", done.stderr.decode()))
    assert done.returncode == 1
    assert {"traceback", "error"} <= {line["event"] for line in lines if line["level"] == "error"}
    assert "unexpected: RuntimeError: a mapper raised Leaving()" in said(lines, "error")


def test_every_line_of_what_libraries_log_and_warn_of_is_json(job: Job) -> None:
    job.with_mapper(
        "import logging, warnings\n"
        "def loud(record, context):\n"
        "    logging.getLogger('shop').warning('no %s, token=s3cretvalue', 'price')\n"
        "    logging.getLogger('shop').info('unheard')\n"
        "    warnings.warn('old\\nway')\n"
    )
    job.with_orders(mapper="mappers.py:loud")
    job.routes["orders"].pop("options")
    job.write()
    done = subprocess.run(
        [*COMMAND, "run", str(job.file), "--log-format", "json"], capture_output=True, check=False, timeout=30
    )
    lines = log_of(Ended(done.returncode, "", done.stderr.decode()))
    logged = [line for line in lines if line["event"] == "log"]
    assert {line["logger"] for line in logged} == {"shop", "py.warnings"}
    assert logged[0]["text"] == "no price, token=***"
    assert "unheard" not in done.stderr.decode()


def test_every_line_of_an_interrupted_run_is_json(slow: Job) -> None:
    with going(slow, "--log-format", "json") as run:
        run.until_written(3)
        ended = run.stop()
    assert ended.code == 143
    assert "interrupted: finishing what is in flight" in said(log_of(ended), "info")


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--limit", "none"], ["--max-duration", "soon"]])
def test_a_command_line_that_is_refused_is_told_as_json(slow: Job, arguments: list[str]) -> None:
    ended = slow.run("--log-format", "json", *arguments)
    assert ended.code == 2
    assert ended.summary == {"type": "summary", "exit": 2, "routes": {}}
    (line,) = log_of(ended)
    assert line["level"] == "error"
    assert arguments[0] in line["text"]


def test_every_line_of_a_bad_configuration_is_json(slow: Job) -> None:
    slow.hosts["new"] |= {"rate": "20/sec", "brust": 1}
    ended = slow.run("--log-format=json")
    assert ended.code == 2
    (line,) = log_of(ended)
    assert "hosts.new.rate" in line["text"]
    assert "hosts.new.brust" in line["text"]


# --- an end after a given time -----------------------------------------------------------------------------


def test_a_run_ends_in_an_orderly_way_when_its_time_is_over_and_the_next_goes_on(slow: Job) -> None:
    ended = slow.run("--max-duration", "1s")
    assert ended.code == 0, ended.told
    assert any("the time is over (--max-duration 1s)" in note and "run again" in note for note in ended.notes)
    assert "note: the time is over (--max-duration 1s): finishing what is in flight" in ended.stderr
    assert 0 < ended.counts("orders")["written"] < 300
    slow.hosts["new"] |= {"rate": "1000/s"}
    ended = slow.run("--max-duration", "1h")
    assert (ended.code, ended.counts("orders")) == (0, {"read": 300, "written": 300})
    assert not any("the time is over" in note for note in ended.notes)
    slow.check_all_equal()


# --- metrics -----------------------------------------------------------------------------------------------


def scraped(url: str) -> dict[str, float]:
    """The samples by name and labels, as the exposition spells them."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own address
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = answer.read().decode()
    assert not any(secret in text for secret in SECRETS)
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_metrics_are_served_while_a_run_goes_and_count_what_it_does(slow: Job) -> None:
    with going(slow, "--metrics-port", "0", "--log-format", "json") as run:
        run.until_written(10)
        assert run.process.stderr is not None
        lines = iter(run.process.stderr.readline, b"")
        text = next(line["text"] for line in map(json.loads, lines) if "metrics:" in line.get("text", ""))
        url = text.removeprefix("metrics: ")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
        run.until(lambda: 'bulkmove_requests_total{host="new"}' in scraped(url), "a sample")
        first = scraped(url)
        assert run.ask("pause", "new").code == 0
        run.until(lambda: scraped(url)['bulkmove_paused{host="new"}'] == 1, "a pause")
        run.until(lambda: scraped(url)['bulkmove_paused_seconds_total{host="new"}'] > 0.4, "its length")
        second = scraped(url)
        assert run.ask("resume", "new").code == 0
        run.finish_quickly()
        run.ended()
    written = 'bulkmove_records_total{outcome="written",route="orders"}'
    assert 50 <= first[written] < 300
    assert first['bulkmove_records_read_total{route="orders"}'] >= first[written]
    assert first['bulkmove_records_expected{route="orders"}'] == 300
    assert first['bulkmove_route_finished{route="orders"}'] == 0
    assert first['bulkmove_requests_allowed_per_second{host="new"}'] == 20
    assert 0 < first['bulkmove_requests_used_per_second{host="new"}'] <= 24
    assert first['bulkmove_throttled_responses_total{host="new"}'] == 0
    assert first['bulkmove_request_retries_total{host="new"}'] == 0
    assert second['bulkmove_requests_total{host="new"}'] >= first['bulkmove_requests_total{host="new"}'] > 0
    took = "bulkmove_response_duration_seconds"
    buckets = [value for name, value in second.items() if name.startswith(f'{took}_bucket{{host="new"')]
    assert buckets == sorted(buckets)
    assert buckets[-1] == second[f'{took}_count{{host="new"}}'] > 0
    assert second[f'{took}_sum{{host="new"}}'] > 0


def test_metrics_of_other_commands_are_served_too_and_a_port_that_is_taken_is_an_error(slow: Job) -> None:
    slow.hosts["new"] |= {"rate": "1000/s"}
    taken = urllib.request.urlparse(slow.stage.url).port  # type: ignore[attr-defined]
    ended = slow.run("--metrics-port", str(taken))
    assert ended.code == 2
    assert (
        f"--metrics-port: nothing can be served at 127.0.0.1 port {taken}: Address already in use"
        in ended.stderr
    )
    assert slow.run().code == 0
    for command in ("retry", "delta"):
        ended = slow.run("--metrics-port", "0", "--max-duration", "1h", command=command)
        assert ended.code == 0, ended.told
        assert "metrics: http://127.0.0.1:" in ended.stderr


def test_without_its_package_metrics_name_the_extra_that_brings_it(slow: Job) -> None:
    slow.write()
    hidden = "import sys; sys.modules['prometheus_client'] = None; from bulkmove.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "run", str(slow.file), "--metrics-port", "0"],
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert b"pip install 'bulkmove[metrics]'" in done.stderr
    assert slow.stage.total() == 0


# --- completion --------------------------------------------------------------------------------------------


def completed(folder: Path, line: str) -> list[str]:
    """What bash proposes for the word that stands last, with the script sourced."""
    script = f"""
        source <(bulkmove completion bash)
        COMP_WORDS=({line}"")
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _bulkmove_completion bulkmove
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        check=True,
        cwd=folder,
        timeout=30,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )
    assert done.stderr == b"", done.stderr
    return done.stdout.decode().split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bulkmove ru", ["run"]),
        ("bulkmove run --max", ["--max-duration"]),
        ("bulkmove run --route ", ["orders", "fitting"]),
        ("bulkmove delta --route ", ["orders", "fitting"]),
        ("bulkmove undo --route ", ["orders", "fitting"]),
        ("bulkmove pause ", ["old", "new", "sizing"]),
        ("bulkmove set n", ["new"]),
    ],
)
def test_bash_completes_commands_options_routes_and_hosts(job: Job, line: str, expected: list[str]) -> None:
    job.with_orders().with_fitting().write()
    assert sorted(completed(job.folder, line)) == sorted(expected)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for_each_shell(shell: str) -> None:
    ended = invoke("completion", shell)
    assert ended.code == 0
    assert "_BULKMOVE_COMPLETE" in ended.stdout
