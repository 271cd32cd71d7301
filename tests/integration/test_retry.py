"""Failures worked through by hand: shown, exported, retried, explained and purged, over a real sandbox."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bulkmove.sandbox.conditions import Latency
from tests.integration.moving import COMMAND, Ended, Job, Stages, invoke

# Some orders are refused when they are mapped, some by the host, which knows no such product.
CHOOSY = """
from bulkmove.mapping.builtin.external_order import order_to_external_order

def order(record, context):
    number = int(float(record['id']))
    if number % UNMAPPED == 0:
        raise RejectRecordError('a test order', cause='test-order')
    body = order_to_external_order(record, context)
    if number % REFUSED == 0:
        body['order_items'][0]['product'] = 99999999
    return body
"""
NEVER = 10**9


def choosy(job: Job, *, unmapped: int = NEVER, refused: int = NEVER) -> None:
    job.with_mapper(f"{CHOOSY}UNMAPPED, REFUSED = {unmapped}, {refused}\n")


def numbers(job: Job, divisor: int) -> list[str]:
    return [str(order["id"]) for order in job.stage.orders if int(float(order["id"])) % divisor == 0]


@pytest.fixture
def failed(sandbox: Stages, tmp_path: Path) -> Job:
    """A run of 300 orders, of which some were rejected when they were mapped and some by the host."""
    stage = sandbox(strict_references=True)
    job = Job(tmp_path, stage).with_orders(mapper="mappers.py:order", batch_size=50)
    choosy(job, unmapped=41, refused=47)
    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("orders")["rejected"] == len(numbers(job, 41)) + len(numbers(job, 47)) == 14
    return job


def retry(job: Job, *arguments: str) -> Ended:
    return job.run(*arguments, command="retry")


def ask(job: Job, command: str, *arguments: str) -> Ended:
    return invoke(command, str(job.file), *arguments)


def exported(job: Job, *arguments: str) -> list[dict[str, Any]]:
    file = job.folder / "failures.jsonl"
    ended = ask(job, "failures", "--export", str(file), *arguments)
    assert ended.code == 0, ended.told
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_a_mended_mapper_maps_anew_what_it_rejected_and_with_remap_what_the_host_did(failed: Job) -> None:
    lists, reads = failed.stage.count("merchantpro"), len(failed.stage.orders)
    choosy(failed, refused=47)
    ended = retry(failed, "--cause", "test-order")
    assert ended.code == 3, ended.told
    assert ended.summary["type"] == "summary"
    assert ended.counts("orders") == {"read": reads, "written": 293, "rejected": 7}
    assert failed.stage.count("merchantpro") - lists == 1, "seven orders by their ids, in one request"
    assert failed.failures().keys() == {("orders", number) for number in numbers(failed, 47)}
    choosy(failed)
    assert retry(failed).code == 3, "the kept bodies are as bad as they were"
    ended = retry(failed, "--remap")
    assert ended.code == 0, ended.told
    failed.check_all_equal()
    assert failed.run().code == 0, "the mended mapping was taken up"
    ended = retry(failed)
    assert (ended.code, ended.notes) == (0, ["nothing to retry: no failed record is meant"])


def test_what_was_made_by_hand_meanwhile_is_found_and_not_doubled(failed: Job) -> None:
    refused = exported(failed, "--cause", "refused")
    assert len(refused) == 7
    same, other = refused[0]["mapped"], {**refused[1]["mapped"], "shop": 7}
    failed.stage.change(list="external-orders", insert=[same, other])
    posts = failed.stage.count("external-order", "POST orders")
    ended = retry(failed, "--ids", f"{refused[0]['source_id']},{refused[1]['source_id']}")
    assert ended.code == 3, ended.told
    assert failed.stage.count("external-order", "POST orders") == posts, "nothing was sent"
    assert ended.counts("orders") == {"read": 300, "written": 287, "rejected": 12, "unknown": 1}
    assert failed.failures()["orders", refused[1]["source_id"]][:2] == ("unknown", "differs")
    rrns = [row["rrn"] for row in failed.stage.rows("external-orders")]
    assert len(rrns) == len(set(rrns)) == 288


@pytest.mark.parametrize("fault", ["empty-page", "hidden-rows"])
def test_an_order_that_a_host_does_not_bring_is_not_called_gone(failed: Job, fault: str) -> None:
    choosy(failed, refused=47)
    failed.stage.add_fault(fault, api="merchantpro", methods=["GET"], share=1.0, times=4)
    ended = retry(failed, "--cause", "test-order")
    assert ended.counts("orders").get("skipped", 0) == 0, ended.told
    failed.stage.clear_faults()
    ended = (
        retry(failed, "--cause", "test-order")
        if ended.code == 5 or ended.counts("orders")["rejected"] > 7
        else ended
    )
    assert ended.counts("orders") == {"read": 300, "written": 293, "rejected": 7}, ended.told


def test_a_retry_spends_no_error_budget(failed: Job) -> None:
    choosy(failed, refused=47)
    failed.top["max_rejected"] = 2
    first = retry(failed, "--remap")
    assert first.code == 3, first.told
    assert first.counts("orders") == {"read": 300, "written": 293, "rejected": 7}


def test_what_was_made_for_another_target_is_not_sent_to_a_new_one(failed: Job, sandbox: Stages) -> None:
    choosy(failed, refused=47)
    elsewhere = sandbox(orders=20, products=60, targets_existing=4)
    before = elsewhere.rows("external-orders")
    failed.hosts["new"]["url"] = elsewhere.url
    assert failed.run("--accept-changes").code == 3
    ended = retry(failed)
    assert any("mapped anew" in note for note in ended.notes), ended.told
    assert not any("as they were mapped" in note for note in ended.notes), ended.told
    assert elsewhere.rows("external-orders")[: len(before)] == before


def test_an_order_that_left_the_source_is_skipped_and_its_story_says_so(failed: Job) -> None:
    gone, *_ = numbers(failed, 41)
    [order] = [order for order in failed.stage.orders if str(order["id"]) == gone]
    failed.stage.change(list="orders", delete=[gone])
    choosy(failed, refused=47)
    ended = retry(failed, "--cause", "test-order")
    failed.stage.change(list="orders", insert=[order])
    assert ended.counts("orders") == {"read": 300, "written": 292, "skipped": 1, "rejected": 7}
    told = ask(failed, "explain", "orders", gone).stdout
    assert "rejected (test-order): a test order" in told
    assert "skipped (gone-at-source): no longer at the source" in told


def test_a_name_that_is_not_there_ends_with_2_and_the_nearest(failed: Job) -> None:
    number = numbers(failed, 41)[0]
    for command in ("failures", "retry"):
        for arguments, word in (
            (("--cause", "refusd"), "'refused'"),
            (("--ids", f"{number}7"), number),
            (("--route", "order"), "'orders'"),
        ):
            ended = ask(failed, command, *arguments)
            assert ended.code == 2
            assert word in ended.stderr
    ended = ask(failed, "explain", "orders", number[:-1])
    assert (ended.code, number in ended.stderr) == (2, True)
    assert ask(failed, "explain", "oders", number).code == 2
    assert ask(failed, "explain", "orders").code == 2
    ended = retry(failed, "--cause", "differs")
    assert (ended.code, ended.notes) == (3, ["nothing to retry: no failed record is meant"])


def test_more_than_the_mapping_must_not_have_changed(failed: Job) -> None:
    failed.routes["orders"]["mode"] = "create"
    ended = retry(failed)
    assert (ended.code, "mode" in ended.stderr) == (2, True)
    assert retry(failed, "--json").routes == ended.routes


def test_groups_come_first_and_json_stays_as_it_is(failed: Job) -> None:
    lines = ask(failed, "failures").stdout.splitlines()
    assert lines[0].split() == ["route", "outcome", "cause", "records", "for", "example", "what", "to", "do"]
    assert lines[1].split()[:4] == ["orders", "rejected", "refused", "7"]
    assert lines[1].endswith("mend the mapper or the data, then retry --remap")
    assert lines[2].split()[:4] == ["orders", "rejected", "test-order", "7"]
    assert len([line for line in lines if line.startswith("orders  1")]) == 14
    failures = ask(failed, "failures", "--json").lines
    assert {tuple(line) for line in failures} == {
        ("type", "route", "source_id", "outcome", "cause", "message")
    }
    assert len(failures) == 14
    groups = ask(failed, "failures", "--groups", "--json", "--cause", "refused").lines
    assert [(line["type"], line["cause"], line["records"]) for line in groups] == [("group", "refused", 7)]
    assert len(ask(failed, "failures", "--json", "--ids", groups[0]["first_id"]).lines) == 1


def test_an_export_holds_record_body_and_answer_and_is_private(failed: Job) -> None:
    rows = {row["source_id"]: row for row in exported(failed)}
    orders = {str(order["id"]): order for order in failed.stage.orders}
    for number in numbers(failed, 41):
        assert rows[number]["mapped"] is None
        assert rows[number]["record"]["customer_email"] == orders[number]["customer_email"]
    for number in numbers(failed, 47):
        assert rows[number]["record"] is None, "the ledger did not keep it"
        assert rows[number]["mapped"]["rrn"] == number
        assert "99999999" in rows[number]["answer"]
        assert rows[number]["answered"] == "answered 400"
    before = failed.stage.count("merchantpro")
    rows = {row["source_id"]: row for row in exported(failed, "--records")}
    assert failed.stage.count("merchantpro") - before == 1
    assert all(rows[number]["record"]["id"] for number in numbers(failed, 47))
    file = failed.folder / "failures.csv"
    assert ask(failed, "failures", "--export", str(file), "--route", "orders").code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="", encoding="utf-8") as opened:
        table = list(csv.DictReader(opened))
    assert len(table) == 14
    assert all(json.loads(row["mapped"])["rrn"] for row in table if row["cause"] == "refused")
    assert ask(failed, "failures", "--export", str(failed.folder / "x.xlsx")).code == 2
    assert sorted(each.name for each in failed.folder.glob("*failures*")) == [
        "failures.csv",
        "failures.jsonl",
    ]


def test_the_ledger_alone_tells_a_story(failed: Job) -> None:
    """Its mapper can't be loaded any more, and nobody has the credentials."""
    number = numbers(failed, 47)[0]
    for name, host in failed.hosts.items():
        host["credentials"] = dict.fromkeys(host["credentials"], f"${{NO_SUCH_{name.upper()}}}")
    failed.write()
    (failed.folder / "mappers.py").unlink()
    told = ask(failed, "explain", "orders", number)
    assert told.code == 0, told.stderr
    for words in (
        "rejected",
        "run 1 began",
        "with 99 others, and mapped",
        "with 49 others: answered 400",
        "run 1 ended with 3",
        "99999999",
    ):
        assert words in told.stdout
    [story] = ask(failed, "explain", "orders", number, "--json").lines
    assert [step["what"] for step in story["steps"]] == [
        "run-began",
        "read",
        "request",
        "settled",
        "run-ended",
    ]
    assert story["bodies"][0]["mapped"]["rrn"] == number
    assert ask(failed, "failures", "--json").code == 0
    assert ask(failed, "purge", "--yes").code == 0


def bytes_of(job: Job) -> bytes:
    files = (job.ledger, job.ledger.with_name(job.ledger.name + "-wal"))
    return b"".join(file.read_bytes() for file in files if file.exists())


def kept_blobs(job: Job) -> list[bytes]:
    """A piece of the compressed records and bodies that the ledger keeps, and a mail that stands in it as it is."""
    with closing(sqlite3.connect(job.ledger)) as connection:
        rows = connection.execute("SELECT record FROM sources UNION ALL SELECT bodies FROM chunks").fetchall()
    return [row[0][20:52] for row in rows]


def test_purge_erases_bodies_records_and_answers_and_their_bytes(failed: Job) -> None:
    mail = failed.stage.orders[0]["customer_email"].encode()
    with closing(sqlite3.connect(failed.ledger)) as connection, connection:
        connection.execute("UPDATE answers SET answer = ?", (mail.decode(),))
    blobs = kept_blobs(failed)
    assert len(blobs) > 7
    assert all(blob in bytes_of(failed) for blob in (mail, *blobs))
    before = ask(failed, "status", "--json").stdout
    ended = ask(failed, "purge")
    assert (ended.code, "--yes" in ended.stderr, "retried" in ended.stderr) == (2, True, True)
    assert mail in bytes_of(failed)
    ended = ask(failed, "purge", "--yes", "--json")
    assert ended.code == 0, ended.told
    assert (ended.lines[0]["bodies"], ended.lines[0]["records"], ended.lines[0]["answers"]) == (7, 7, 7)
    assert not any(blob in bytes_of(failed) for blob in (mail, *blobs))
    assert ask(failed, "status", "--json").stdout == before
    assert len(failed.failures()) == 14
    assert ask(failed, "failures").stdout.count("a test order") == 7
    assert ask(failed, "purge", "--yes", "--messages").code == 0
    assert b"a test order" not in bytes_of(failed)
    choosy(failed)
    assert retry(failed).code == 0, "what has no body is mapped anew"
    failed.check_all_equal()


def test_purge_leaves_what_has_no_outcome_yet(failed: Job) -> None:
    number = numbers(failed, 47)[0]
    with closing(sqlite3.connect(failed.ledger)) as connection, connection:
        connection.execute("UPDATE records SET state = 4 WHERE source_id = ?", (number,))
        connection.execute(
            "UPDATE chunks SET open = 1, kept = kept - 1 WHERE id = (SELECT chunk FROM records WHERE source_id = ?)",
            (number,),
        )
    assert ask(failed, "purge", "--yes").code == 0
    [story] = ask(failed, "explain", "orders", number, "--json").lines
    assert story["bodies"][0]["mapped"]["rrn"] == number
    assert not any(row["mapped"] or row["record"] for row in exported(failed))


# Killed


def kill_when(process: subprocess.Popen[bytes], has_come: Callable[[], bool]) -> bool:
    """Kill the process when the moment has come; False where it had ended before."""
    until = time.monotonic() + 30
    while process.poll() is None and not has_come() and time.monotonic() < until:
        time.sleep(0.002)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("writes", "then"),
    [
        (1, "retry"),
        (50, "run"),
        pytest.param(100, "retry", marks=pytest.mark.long),
        pytest.param(20, "run", marks=pytest.mark.long),
        pytest.param(130, "run", marks=pytest.mark.long),
    ],
)
def test_a_retry_that_is_killed_loses_and_doubles_nothing(
    sandbox: Stages, tmp_path: Path, writes: int, then: str
) -> None:
    """All orders were rejected, half of them by the host; the mended mapper moves them all."""
    stage = sandbox(orders=150, strict_references=True, latency=Latency(0.002, 0.01))
    job = Job(tmp_path, stage).with_orders(mapper="mappers.py:order", batch_size=10)
    choosy(job, unmapped=2, refused=1)
    assert job.run().counts("orders") == {"read": 150, "rejected": 150}
    choosy(job)
    job.write()
    process = subprocess.Popen(
        [*COMMAND, "retry", str(job.file), "--remap", "--quiet"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=job.folder,
    )
    assert kill_when(process, lambda: len(stage.rows("external-orders")) >= writes)
    ended = job.run(command=then)
    assert ended.code in {0, 3}, ended.told
    ended = retry(job, "--remap")
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 150, "written": 150}
    job.check_all_equal()
    stories = [ask(job, "explain", "orders", str(order["id"])).stdout for order in stage.orders[:20]]
    assert any("retry 2 was killed" in story for story in stories)


def test_a_file_that_was_finished_gets_the_rows_that_a_retry_adds(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    rows = [{"id": number, "value": number} for number in range(1, 21)]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    mapper = "from bulkmove import RejectRecordError\ndef pick(record, context):\n    if record['id'] in BAD:\n        raise RejectRecordError('no')\n    return record\n"
    (tmp_path / "mappers.py").write_text(mapper + "BAD = (3, 7)\n", "utf-8")
    file = tmp_path / "migration.toml"
    file.write_text(
        'name = "job"\n[hosts.here]\napi = "files"\nurl = "here"\n[hosts.there]\napi = "files"\nurl = "there"\n'
        '[routes.copy]\nsource = "here.rows"\ntarget = "there.rows"\nmapper = "mappers.py:pick"\n',
        "utf-8",
    )
    written = tmp_path / "there" / "rows.jsonl"
    assert invoke("run", str(file)).code == 3
    assert len(written.read_text("utf-8").splitlines()) == 18
    (tmp_path / "mappers.py").write_text(mapper + "BAD = (7,)\n", "utf-8")
    ended = invoke("retry", str(file), "--json")
    assert (ended.code, ended.counts("copy")) == (3, {"read": 20, "written": 19, "rejected": 1})
    (tmp_path / "mappers.py").write_text(mapper + "BAD = ()\n", "utf-8")
    assert invoke("retry", str(file)).code == 0
    assert sorted(json.loads(line)["id"] for line in written.read_text("utf-8").splitlines()) == list(
        range(1, 21)
    )
    assert invoke("run", str(file)).code == 0
