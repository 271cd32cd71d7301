"""The doctor at hosts over real HTTP: all three of the sandbox, with its habits, and hosts that are wrong, down or closed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bulkmove.sandbox.conditions import RateWindow
from tests.integration.moving import CREDENTIALS, Ended, Job, Stages, invoke

Findings = Mapping[tuple[str, str], Mapping[str, Any]]


def doctor(job: Job, *arguments: str) -> Ended:
    return job.run(*arguments, command="doctor")


def findings(ended: Ended) -> Findings:
    *lines, last = ended.lines
    assert last == {"type": "doctor", "exit": ended.code}
    assert {line["type"] for line in lines} <= {"finding"}
    return {(line["host"], line["question"]): line for line in lines}


def bad(ended: Ended) -> set[tuple[str, str]]:
    return {key for key, line in findings(ended).items() if line["verdict"] == "bad"}


def test_hosts_that_do_as_documented_are_ready(job: Job) -> None:
    ended = doctor(job.with_all_routes())
    found = findings(ended)
    assert ended.code == 0, ended.told
    assert bad(ended) == set()
    for host in ("old", "new", "sizing"):
        for question in ("address", "credentials", "clock", "latency", "rate"):
            assert found[host, question]["verdict"] == "good", question
    for question in ("rows", "page size", "pages", "order", "filter"):
        assert found["old", f"orders: {question}"]["verdict"] == "good", question
    assert found["sizing", "products: pages"]["verdict"] == "good"


def test_nothing_is_written_and_few_requests_are_made(job: Job) -> None:
    doctor(job.with_all_routes())
    for api, counted in job.stage.stats().items():
        assert all(call.startswith("GET ") for call in counted["requests"]), counted["requests"]
        assert counted["total"] <= 20, (api, counted["requests"])
    assert job.stage.written() == 0


def test_a_single_host_is_looked_at_by_its_name(job: Job) -> None:
    ended = doctor(job.with_all_routes(), "--host", "sizing")
    assert {host for host, _ in findings(ended)} == {"sizing"}
    assert job.stage.count("merchantpro") == job.stage.count("external-order") == 0


def test_it_stays_under_the_hosts_budget(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox(rates=(RateWindow.parse("robosize=40/s"),))).with_products()
    job.hosts["sizing"] |= {"rate": "40/s", "burst": 1}
    ended = doctor(job)
    assert ended.code == 0, ended.told
    assert job.stage.stats()["robosize"]["too_many"] == 0


def test_lines_that_can_only_be_deleted_are_no_fault(job: Job) -> None:
    route = {
        "source": "disk.items",
        "target": "new.order-items",
        "mapper": "mappers.py:body",
        "mode": "delete",
    }
    staged(job, items=route).with_mapper(MAPPER)
    (job.folder / "staging").mkdir()
    (job.folder / "staging" / "items.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    ended = doctor(job)
    assert findings(ended)["new", "order-items"]["verdict"] == "assumed"
    assert ended.code == 0, ended.told


# Hosts that can't be used.


@pytest.mark.parametrize(("host", "name"), [("old", "secret"), ("new", "token"), ("sizing", "api_key")])
def test_wrong_credentials_are_told_and_not_tried_again(job: Job, host: str, name: str) -> None:
    api = job.hosts[host]["api"]
    job.hosts[host]["credentials"] = {**CREDENTIALS[api], name: "wrong-and-never-shown"}
    ended = doctor(job.with_all_routes())
    assert bad(ended) == {(host, "credentials")}
    assert ended.code == 6
    assert job.stage.count(api) == 1
    assert "wrong-and-never-shown" not in ended.told


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_host_that_is_down_ends_its_own_checks_alone(job: Job, closed_port: int) -> None:
    job.hosts["new"] |= {"url": f"http://127.0.0.1:{closed_port}", "give_up_after_s": 0.2}
    ended = doctor(job.with_all_routes())
    found = findings(ended)
    assert bad(ended) == {("new", "address")}
    assert "could not connect" in found["new", "address"]["text"]
    assert found["old", "orders: pages"]["verdict"] == found["sizing", "products: pages"]["verdict"] == "good"
    assert ended.code == 5


def test_a_host_without_tls_where_it_is_asked_for_is_unreachable(job: Job) -> None:
    job.hosts["new"] |= {"url": job.stage.url.replace("http:", "https:")}
    ended = doctor(job.with_orders())
    assert "not with TLS" in findings(ended)["new", "address"]["text"]
    assert ("new", "address") in bad(ended)
    assert ended.code == 5


@pytest.mark.parametrize(
    ("host", "path"), [("old", "orders"), ("new", "orders"), ("sizing", "orders"), ("sizing", "products")]
)
def test_a_wrong_path_is_a_wrong_configuration(job: Job, host: str, path: str) -> None:
    job.hosts[host]["paths"] = {path: "/api/v9/nothing/"}
    ended = doctor(job.with_all_routes())
    assert (host, path) in bad(ended)
    assert "404" in findings(ended)[host, path]["text"]
    assert {each for each, _ in bad(ended)} == {host}
    assert ended.code == 2


def test_an_address_that_says_a_part_of_the_path_again_is_told_with_all_that_was_asked_for(job: Job) -> None:
    job.hosts["old"]["url"] = f"{job.stage.url}/api/v2"
    ended = doctor(job.with_orders())
    assert "hosts.old.url: ends in /api/v2, with which the paths of merchantpro begin already" in ended.stderr
    assert "GET /api/v2/api/v2/orders" in findings(ended)["old", "orders"]["text"]
    settings = [line["setting"] for line in ended.lines[:-1] if line["host"] == "old"]
    assert 'paths.orders = "/api/v2/orders"' not in settings
    assert ended.code == 2


def test_the_gravest_of_all_hosts_decides(job: Job) -> None:
    job.hosts["old"]["credentials"] = {"key": "k", "secret": "wrong"}
    job.hosts["sizing"]["paths"] = {"products": "/api/v9/nothing/"}
    assert doctor(job.with_all_routes()).code == 6
    job.hosts["old"]["credentials"] = CREDENTIALS["merchantpro"]
    assert doctor(job).code == 2


def test_a_filter_with_a_value_that_is_none_is_found_before_a_run(job: Job) -> None:
    ended = doctor(job.with_orders(where={"created_after": "yesterday"}))
    assert bad(ended) == {("old", "orders")}
    assert ended.code == 2


# Habits of hosts.


def looked_at(sandbox: Stages, folder: Path, **settings: Any) -> Ended:
    return doctor(Job(folder, sandbox(**settings)).with_all_routes())


def test_a_date_filter_that_the_target_ignores_is_worth_a_note(sandbox: Stages, tmp_path: Path) -> None:
    ended = looked_at(sandbox, tmp_path, targets_existing=30, external_created_after="ignored")
    assert findings(ended)["new", "orders: filter"]["verdict"] == "note"
    assert ended.code == 0, ended.told


@pytest.mark.parametrize("created_at", ["epoch", "iso"])
def test_a_date_filter_that_takes_effect_is_seen(sandbox: Stages, tmp_path: Path, created_at: str) -> None:
    ended = looked_at(
        sandbox, tmp_path, targets_existing=30, **({"created_at": "iso"} if created_at == "iso" else {})
    )
    found = findings(ended)
    assert found["new", "orders: filter"]["verdict"] == "good"
    assert found["new", "orders: pages"]["verdict"] == "good"
    assert found["new", "orders: key"]["verdict"] == "good"
    assert ended.code == 0, ended.told


def test_a_natural_key_that_the_target_does_not_show_is_bad(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox(targets_existing=30)).with_orders(natural_key="reference")
    ended = doctor(job)
    assert bad(ended) == {("new", "orders: key")}
    assert ended.code == 5


def test_rows_without_a_date_are_read_without_a_filter(sandbox: Stages, tmp_path: Path) -> None:
    ended = looked_at(sandbox, tmp_path, targets_existing=30, created_at="absent")
    assert ("new", "orders: filter") not in findings(ended)
    assert ended.code == 0, ended.told


def test_a_list_that_tells_no_total_is_worth_a_note(sandbox: Stages, tmp_path: Path) -> None:
    ended = looked_at(sandbox, tmp_path, targets_existing=30, external_list="array")
    found = findings(ended)
    assert found["new", "orders: rows"]["verdict"] == "note"
    assert found["new", "orders: pages"]["verdict"] == "good"
    assert ended.code == 0, ended.told


@pytest.mark.parametrize(
    ("habit", "option", "value"),
    [
        ("external_spelling", "spelling", "run-together"),
        ("external_paging", "paging", "limit-offset"),
    ],
)
def test_a_dialect_is_found_with_the_line_that_sets_it_and_is_good_once_it_is_set(
    sandbox: Stages, tmp_path: Path, habit: str, option: str, value: str
) -> None:
    job = Job(tmp_path, sandbox(targets_existing=30, **{habit: value})).with_orders()
    found = doctor(job, "--host", "new")
    assert findings(found)["new", option]["verdict"] == "bad"
    assert findings(found)["new", option]["setting"] == f'options.{option} = "{value}"'
    assert found.code == 2
    job.hosts["new"]["options"] = {option: value}
    mended = doctor(job, "--host", "new")
    assert findings(mended)["new", option]["verdict"] == "good"
    assert mended.code == 0, mended.told


@pytest.mark.parametrize("shape", ["envelope", "array"])
def test_what_look_ups_need_is_looked_at(sandbox: Stages, tmp_path: Path, shape: str) -> None:
    settings = {} if shape == "envelope" else {"external_list": "array", "targets_existing": 30}
    job = Job(tmp_path, sandbox(**settings)).with_orders()
    job.write()
    with job.file.open("a", encoding="utf-8") as file:
        file.write(LOOKUPS)
    ended = invoke("doctor", str(job.file), "--json", "--host", "new")
    found = findings(ended)
    for question in (
        "regions: look-up",
        "localities: look-up",
        "localities: search",
        "products: look-up",
        "products: search",
    ):
        assert found["new", question]["verdict"] == "good", (question, found["new", question])
    assert bad(ended) == {("new", "promo-codes: look-up")}
    assert "lookups.promo.key" in found["new", "promo-codes: look-up"]["text"]
    assert ended.code == 2


LOOKUPS = """
[lookups.region]
from = "new.regions"
[lookups.locality]
from = "new.localities"
within = "region_id"
load = "on-demand"
[lookups.product]
from = "new.products"
key = "code"
load = "on-demand"
[lookups.promo]
from = "new.promo-codes"
"""


def test_a_page_that_is_cut_is_told_with_its_length(sandbox: Stages, tmp_path: Path) -> None:
    ended = looked_at(sandbox, tmp_path, robosize_max_limit=30)
    assert findings(ended)["sizing", "products: page size"]["verdict"] == "note"
    assert "30 came" in findings(ended)["sizing", "products: page size"]["text"]
    assert ended.code == 0, ended.told


def test_bounds_that_leave_out_their_own_second_are_good_too(sandbox: Stages, tmp_path: Path) -> None:
    ended = looked_at(sandbox, tmp_path, created_after="exclusive")
    assert findings(ended)["old", "orders: filter"]["verdict"] == "good"
    assert ended.code == 0, ended.told


def test_orders_without_a_date_are_told_and_those_with_one_are_looked_at(
    sandbox: Stages, tmp_path: Path
) -> None:
    """They come first, and are more than a page."""
    ended = looked_at(sandbox, tmp_path, undated=120)
    found = findings(ended)
    assert "100 of the first 100 rows" in found["old", "orders: dates"]["text"]
    assert found["old", "orders: order"]["verdict"] == found["old", "orders: filter"]["verdict"] == "good"
    assert ended.code == 0, ended.told


def test_a_wait_that_a_host_asks_for_is_told(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox(wait_seconds=3.0)).with_orders()
    job.stage.add_fault("too-many-429", api="merchantpro", times=1, wait="seconds")
    ended = doctor(job)
    assert re.search(r"old: waiting [23] s: it asked to wait \(429\)", ended.stderr)
    assert ended.code == 0, ended.told


def staged(job: Job, **routes: dict[str, Any]) -> Job:
    job.hosts = {"old": job.hosts["old"], "new": job.hosts["new"], "disk": {"api": "files", "url": "staging"}}
    job.routes = routes
    return job


OUT = {"source": "disk.orders", "target": "new.orders", "mapper": "mappers.py:body"}
MAPPER = "def body(record, context): return record"


def test_a_directory_that_is_staged_to_first_is_ready(job: Job) -> None:
    into = {"source": "old.orders", "target": "disk.orders", "mapper": "mappers.py:body"}
    ended = doctor(staged(job, into=into, out={**OUT, "after": ["into"]}).with_mapper(MAPPER))
    found = findings(ended)
    assert found["disk", "directory"]["verdict"] == "good"
    assert ("disk", "credentials") not in found
    assert ended.code == 0, ended.told


def test_a_file_that_is_read_is_looked_at_and_has_to_be_there(job: Job) -> None:
    staged(job, out=OUT).with_mapper(MAPPER)
    (job.folder / "staging").mkdir()
    missing = doctor(job)
    assert bad(missing) == {("disk", "orders")}
    assert missing.code == 2
    (job.folder / "staging" / "orders.jsonl").write_text('{"id": 1}\nno json\n', encoding="utf-8")
    there = doctor(job)
    told = [
        line["text"]
        for line in there.lines
        if line.get("question") == "orders: rows" and line["host"] == "disk"
    ]
    assert told[0] == "2 rows"
    assert "1 of the first 2 rows can't be read: line 2 of orders.jsonl is not JSON" in told
    assert there.code == 0, there.told


def test_a_host_that_fails_for_a_while_is_asked_again(job: Job) -> None:
    job.stage.add_fault("error-500", api="merchantpro", times=1)
    ended = doctor(job.with_orders())
    assert ended.code == 0, ended.told
