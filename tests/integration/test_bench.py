"""`bulkmove bench`: on a sandbox of its own, against real sources that are only read, and two saved benches told apart."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bulkmove.sandbox.conditions import RateWindow
from tests.integration.moving import COMMAND, CREDENTIALS, Ended, Job, Stages, invoke, stage

QUICK = ("--step", "0.3", "--latency", "20-30ms")
RATE, ALLOWED, PRODUCTS = 100, 60, 60
DAY = "100000/day"


def products_of(job: Job) -> Job:
    """A route that changes its own list, on a host that customers depend on."""
    job.with_products()
    job.hosts["sizing"] |= {"rate": [f"{RATE // 5}/0.2s", DAY], "burst": 1, "live": True}
    return job


def orders_of(job: Job) -> Job:
    """Orders of such a host, into a file."""
    job.hosts["old"] |= {"rate": f"{RATE // 5}/0.2s", "burst": 1, "live": True}
    job.hosts["out"] = {"api": "files", "url": "staging"}
    job.routes["staged"] = {
        "source": "old.orders",
        "target": "out.orders",
        "mapper": "as-it-is",
        "mode": "create",
    }
    return job


def bench(job: Job, *arguments: str) -> Ended:
    quick = QUICK[:2] if "--live-read" in arguments else QUICK
    return job.run(*quick, *arguments, command="bench")


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Job, Ended]]:
    """One bench on a sandbox that allows less than is configured, with all that it can leave behind."""
    with stage(orders=10, products=PRODUCTS) as real:
        job = products_of(Job(tmp_path_factory.mktemp("bench"), real))
        files = ("--plot", str(job.folder / "a.svg"), "--save", str(job.folder / "a.json"))
        asked = ("--allows", f"sizing={ALLOWED // 5}/0.2s,{DAY}", "--records", str(PRODUCTS))
        yield job, bench(job, *asked, *files, "--write")


def test_the_limit_of_a_host_is_found_and_no_real_host_is_asked(benched: tuple[Job, Ended]) -> None:
    job, ended = benched
    assert ended.code == ended.summary["exit"] == 0, ended.told
    assert job.stage.total() == 0
    (host,) = (line for line in ended.lines if line["type"] == "host")
    assert (host["host"], host["ended"]) == ("sizing", "429")
    assert 0.5 * ALLOWED <= host["safe_per_s"] < ALLOWED
    refused = [line["offered_per_s"] for line in ended.lines if line["type"] == "step" and line["throttled"]]
    assert refused
    assert all(rate > host["safe_per_s"] for rate in refused)


def test_a_step_tells_rates_percentiles_and_records(benched: tuple[Job, Ended]) -> None:
    _, ended = benched
    steps = [line for line in ended.lines if line["type"] == "step" and line["fault"] is None]
    assert steps
    for line in steps:
        assert 0.02 <= line["p50_s"] <= line["p90_s"] <= line["max_s"]
        assert line["sent"] >= 20
        assert line["answered_per_s"] > 0
        assert line["records_per_s"] > 0


def test_what_is_suggested_is_written_into_the_file_and_the_time_is_foretold(
    benched: tuple[Job, Ended],
) -> None:
    job, ended = benched
    told = ended.summary["hosts"]["sizing"]["rate"]
    assert told[1:] == [DAY], "a window that no bench can try stays"
    assert 0.5 * ALLOWED - 1 <= int(told[0].removesuffix("/s")) < ALLOWED
    assert f'rate = ["{told[0]}", "{DAY}"]' in job.file.read_text()
    prediction = ended.summary["prediction"]
    assert prediction["records"] == {"products": PRODUCTS}
    assert prediction["requests"]["sizing"] > 3
    assert 0 < prediction["low_s"] <= prediction["expected_s"] <= prediction["high_s"]
    assert any(f"{DAY} can't be tried" in note for note in ended.notes)


def test_what_is_left_behind_holds_no_secret_and_no_address(benched: tuple[Job, Ended]) -> None:
    job, ended = benched
    saved, drawn = (job.folder / "a.json").read_text(), (job.folder / "a.svg").read_text()
    for text in (saved, drawn, ended.told):
        assert job.stage.url not in text
        assert not any(value in text for values in CREDENTIALS.values() for value in values.values())
    assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  made by the line above
    for word in ("sizing (robosize)", "records a second", "429s", "p50"):
        assert word in " ".join(drawn.split()), word
    assert stat.S_IMODE((job.folder / "a.json").stat().st_mode) == 0o644


def test_two_saved_benches_are_told_apart(benched: tuple[Job, Ended]) -> None:
    saved = str(benched[0].folder / "a.json")
    ended = invoke("bench", "compare", saved, saved, "--json")
    assert (ended.code, ended.summary["type"]) == (0, "bench-summary")
    changes = [line["change"] for line in ended.lines if line["type"] == "difference"]
    assert set(changes) == {"same"}
    text = invoke("bench", "compare", saved, saved).stdout
    assert "nothing changed beyond noise" in text
    wrong = invoke("bench", "compare", saved, "--json")
    assert (wrong.code, wrong.summary["exit"]) == (2, 2)
    as_usual = invoke("bench", "compare", saved, saved, "--step", "3")
    assert as_usual.code == 2, "given is given, also where it is what a bench has without it"
    assert "--step: compare only tells two saved benches apart" in " ".join(as_usual.stderr.split())


def test_real_sources_are_only_read_and_within_the_budget(job: Job) -> None:
    ended = bench(orders_of(job), "--live-read", "--budget", "60")
    assert ended.code == 0, ended.told
    assert job.stage.written() == 0
    assert 20 <= job.stage.total() == job.stage.count("merchantpro", "GET list") <= 60
    assert ended.summary["prediction"]["records"] == {"staged": len(job.stage.orders)}
    assert list(ended.summary["hosts"]) == ["old"]
    assert not (job.folder / "staging").exists()


def test_many_lists_of_one_real_host_are_not_read_beyond_the_budget(job: Job) -> None:
    orders_of(job)
    for number in range(12):
        job.hosts[f"out{number}"] = {"api": "files", "url": f"staging{number}"}
        job.routes[f"staged{number}"] = {**job.routes["staged"], "target": f"out{number}.orders"}
    ended = bench(job, "--live-read", "--budget", "10", "--records", "5")
    assert ended.code == 0, ended.told
    assert job.stage.total() == 10
    (host,) = (line for line in ended.lines if line["type"] == "host")
    assert host["ended"] == "budget"


def told_before_429(ended: Ended) -> list[str]:
    notes = (str(line["text"]) for line in ended.lines if line["type"] == "note")
    return [text for text in notes if "until it answered 429" in text]


def test_a_429_for_the_first_pages_of_a_real_host_ends_it_for_that_host_alone(
    sandbox: Stages, tmp_path: Path
) -> None:
    real = sandbox(orders=300, rates=(RateWindow(1, 60.0, "merchantpro"),))
    job = orders_of(Job(tmp_path, real)).with_products()
    job.routes["staged-products"] = {
        **job.routes["staged"],
        "source": "sizing.products",
        "target": "out.products",
    }
    job.routes.pop("products")
    job.hosts["sizing"] |= {"rate": f"{RATE // 5}/0.2s", "burst": 1}
    ended = bench(job, "--live-read", "--records", "5")
    assert ended.code == 0, ended.told
    assert real.count("merchantpro") == 2, "the second is refused"
    hosts = {line["host"]: line for line in ended.lines if line["type"] == "host"}
    assert (hosts["old"]["ended"], hosts["old"]["safe_per_s"]) == ("429", None)
    assert {line["host"] for line in ended.lines if line["type"] == "step"} == {"sizing"}
    (told,) = (line for line in ended.lines if line["type"] == "suggestion" and line["host"] == "old")
    assert told["rate"] is None
    assert "more than it takes now" in told["to_do"]
    assert not told_before_429(ended), "no step was made"
    assert ended.summary["prediction"] is not None


def test_the_first_429_of_a_real_host_ends_it_and_targets_are_left_alone(
    sandbox: Stages, tmp_path: Path
) -> None:
    real = sandbox(orders=300, rates=(RateWindow(10, 1.0, "merchantpro"),))
    job = Job(tmp_path, real).with_orders()
    job.hosts["old"] |= {"rate": f"{RATE}/s", "burst": 1}
    ended = bench(job, "--live-read", "--max-duration", "1", "--records", "5000")
    assert ended.code == 0, ended.told
    (step,) = (line for line in ended.lines if line["type"] == "step")
    assert step["fault"] == "429"
    (note,) = told_before_429(ended)
    assert note.startswith(f"old: {step['sent']} requests were made in ")
    assert real.count("external-order") == real.written() == 0
    assert ended.summary["prediction"] is None
    assert any("the time was over" in note for note in ended.notes)


def test_a_host_that_refuses_its_credentials_or_is_not_there_ends_it(job: Job) -> None:
    orders_of(job).hosts["old"]["credentials"] = {"key": "demo-key", "secret": "wrong-secret"}
    ended = bench(job, "--live-read")
    assert ended.code == ended.summary["exit"] == 6, ended.told
    assert "wrong-secret" not in ended.told
    job.hosts["old"] |= {"url": "http://127.0.0.1:9", "credentials": CREDENTIALS["merchantpro"]}
    ended = bench(job, "--live-read")
    assert ended.code == ended.summary["exit"] == 5, ended.told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--allows", "odl=3/s"), "did you mean 'old'"),
        (("--allows", "12/s"), "name the host and its rate, as old=12/s"),
        (("--allows", "new=3"), "must be a whole number of requests and a period"),
        (("--latency", "soon"), "--latency soon: "),
        (("--latency", "-5ms"), "--latency -5ms: is not like"),
        (("--latency", "new=soon"), "--latency new=soon: "),
        (("--latency", "new=600s"), "new is asked again after timeout_s"),
        (("--save", "nowhere/a.json"), "there is no folder nowhere"),
        (("--plot", "nowhere/a.svg"), "there is no folder nowhere"),
        (("--records", "many"), "must be a number of records"),
        (("--records", "0"), "--records 0: must be at least 1"),
        (("--route", "stage"), "did you mean 'staged'"),
        (("--budget", "50"), "is for --live-read"),
        (("--plot", "a.png"), "name it .svg"),
        (("--live-read", "--allows", "new=3/s"), "asks the real hosts"),
        (("--live-read", "--latency", "old=5ms"), "--live-read asks the real old"),
        (("--live-read", "--latency", "5ms"), "--live-read asks the real old"),
    ],
)
def test_a_mistake_is_told_before_anything_begins(job: Job, arguments: tuple[str, ...], said: str) -> None:
    ended = bench(orders_of(job), *arguments)
    assert ended.code == ended.summary["exit"] == 2
    assert said in " ".join(ended.stderr.split())
    assert job.stage.total() == 0


def test_a_latency_for_all_is_for_those_alone_that_are_not_read(job: Job) -> None:
    job.with_orders().hosts["old"]["credentials"] = {"key": "demo-key", "secret": "wrong-secret"}
    ended = bench(job, "--live-read", "--latency", "5ms")
    assert ended.code == 6, ended.told
    assert "--latency 5ms is for new: how long old takes is seen" in " ".join(ended.stderr.split())


def test_a_file_that_is_no_saved_bench_is_refused_before_anything_begins(job: Job) -> None:
    ended = bench(orders_of(job), "--save", str(job.file))
    assert (ended.code, len(ended.lines)) == (2, 1)
    assert "is no saved bench" in " ".join(ended.stderr.split())


@pytest.mark.parametrize("rate", [None, "10/s"])
def test_a_rate_that_nobody_set_is_told_as_such_also_where_it_was_not_tried(
    job: Job, rate: str | None
) -> None:
    orders_of(job).routes["staged"]["source"] = "new.orders"
    job.hosts["new"].pop("rate", None)
    job.hosts["new"] |= {} if rate is None else {"rate": rate, "burst": 1}
    ended = bench(job, "--live-read", "--budget", "10", "--records", "5")
    assert ended.code == 0, ended.told
    (told,) = (line["to_do"] for line in ended.lines if line["type"] == "suggestion")
    assert (told is not None and "no rate is set; tried at 10/s" in told) == (rate is None)
    assert any("no rate is set" in note for note in ended.notes) == (rate is None)


def test_a_file_that_may_not_be_written_is_refused_before_anything_begins(job: Job) -> None:
    orders_of(job).write()
    job.file.chmod(0o444)
    ended = invoke("bench", str(job.file), "--write", "--json")
    assert (ended.code, ended.summary["exit"]) == (2, 2)
    assert "may not be written" in " ".join(ended.stderr.split())
    assert not ended.lines[:-1]


def test_ctrl_c_ends_it_and_its_sandboxes(job: Job) -> None:
    orders_of(job).write()
    process = subprocess.Popen(
        [*COMMAND, "bench", str(job.file), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=job.folder,
    )
    assert process.stderr is not None
    while b"counting" not in process.stderr.readline():  # warnings come first
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert out.decode().splitlines()[-1].startswith('{"type":"bench-summary","exit":130')
