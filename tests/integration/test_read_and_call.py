"""`bulkmove read` and `bulkmove call` against the emulated APIs."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import COMMAND, Ended, Job, invoke, stage
from tests.integration.odd_host import odd_host

ORDER = {"store_id": "R1", "device_id": "d", "data": {"n": 1}}
SECRETS = ("demo-key", "demo-secret", "demo-token", "demo-api-key")


@pytest.fixture
def at(job: Job, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A migration.toml in the current directory."""
    job.with_orders().write()
    (job.folder / "order.json").write_text(json.dumps(ORDER))
    monkeypatch.chdir(job.folder)
    return job


Run = Callable[..., Ended]


@pytest.fixture
def run(at: Job) -> Run:
    """A command line; whatever it is, no credential is told."""
    del at

    def checked(*arguments: str) -> Ended:
        ended = invoke(*arguments)
        assert not [secret for secret in SECRETS if secret in ended.told]
        return ended

    return checked


# read


@pytest.mark.parametrize(
    ("stream", "api"), [("old.orders", "orders"), ("sizing.products", "robosize-products")]
)
def test_a_stream_is_printed_whole_each_row_once(at: Job, run: Run, stream: str, api: str) -> None:
    ended = run("read", stream)
    ids = [str(row["id"]) for row in ended.lines]
    wanted = [str(row["id"]) for row in at.stage.rows(api)]
    assert (ended.code, sorted(ids)) == (0, sorted(wanted))
    assert ended.stderr == f"{len(wanted)} rows of {stream}\n"


def test_rows_that_no_date_brings_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with stage(orders=20, undated=3) as found:
        Job(tmp_path, found).with_orders().write()
        ended = invoke("read", "old.orders", "--json")
    end = ended.lines[-1]
    assert (end["rows"], end["is_whole"]) == (17, False)
    assert "3 rows of old.orders have no date" in " ".join(ended.told.split())


def test_an_empty_stream_prints_nothing(run: Run) -> None:
    ended = run("read", "sizing.orders", "--format", "csv")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "0 rows of sizing.orders\n")


def test_the_file_may_come_first_or_last_and_quiet_says_nothing(at: Job, run: Run) -> None:
    first = run("read", str(at.file), "old.orders", "--limit", "3", "--quiet")
    last = run("read", "old.orders", "migration.toml", "--limit", "3", "--quiet")
    assert first == last
    assert (first.code, len(first.lines), first.stderr) == (0, 3, "")


def test_a_limit_stops_early_with_the_first_rows(at: Job, run: Run) -> None:
    ended = run("read", "old.orders", "--limit", "5", "--fields", "id,date_created")
    dates = sorted(row["date_created"] for row in at.stage.orders)
    assert [row["date_created"] for row in ended.lines] == dates[:5]
    assert ended.stderr == "5 rows of old.orders, stopped by --limit\n"
    assert at.stage.count("merchantpro", "GET orders") <= 4


def test_fields_are_picked_and_asked_for_alone(at: Job, run: Run) -> None:
    ended = run("read", "old.orders", "--limit", "1", "--fields", "id,line_items.product_id,no.such")
    (line,) = ended.lines
    order = next(row for row in at.stage.orders if row["id"] == line["id"])
    assert line == {
        "id": order["id"],
        "line_items.product_id": [item["product_id"] for item in order["line_items"]],
        "no.such": None,
    }


def test_filters_are_the_stream_s_own(at: Job, run: Run) -> None:
    ended = run("read", "old.orders", "--where", "payment_status=paid", "--fields", "payment_status")
    paid = [row for row in at.stage.orders if row["payment_status"] == "paid"]
    assert [row["payment_status"] for row in ended.lines] == ["paid"] * len(paid)
    assert 0 < len(paid) < len(at.stage.orders)


def test_a_filter_that_nothing_matches_is_asked_about(run: Run) -> None:
    ended = run("read", "old.orders", "--where", "customer_email=nobody@example.ro")
    assert (ended.code, ended.stdout) == (0, "")
    assert "note: 0 rows match customer_email=nobody@example.ro: does it fit?" in ended.stderr


def test_csv_has_a_header_and_nested_values_as_json(at: Job, run: Run) -> None:
    ended = run("read", "sizing.products", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.stdout)))
    assert len(rows) == len(at.stage.products)
    shown = {row["id"]: json.loads(row["size_chart"]) for row in rows}
    assert shown == {row["id"]: row["size_chart"] for row in at.stage.products}


def test_a_derived_stream_and_a_directory_of_files_are_streams_too(at: Job, run: Run) -> None:
    products = run("read", "old.ordered-products", "--fields", "id").lines
    ordered = {item["product_id"] for row in at.stage.orders for item in row["line_items"]}
    assert sorted(row["id"] for row in products) == sorted(ordered)
    at.hosts["disk"] = {"api": "files", "url": "stage"}
    at.write()
    (at.folder / "stage").mkdir()
    (at.folder / "stage" / "products.jsonl").write_text('{"id": 2}\n{"id": 1}\n')
    assert run("read", "disk.products").lines == [{"id": 2}, {"id": 1}]
    refused = run("call", "disk")
    assert (refused.code, "has no calls to make" in refused.stderr) == (2, True)


def test_json_lines_of_programs_end_with_how_it_ended(run: Run) -> None:
    *rows, end = run("read", "sizing.products", "--json", "--limit", "2").lines
    assert [row["type"] for row in rows] == ["row", "row"]
    assert {"id", "store_id"} <= rows[0]["row"].keys()
    assert end == {"type": "read", "stream": "sizing.products", "rows": 2, "is_whole": False}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["old.order"], "old.order: merchantpro has no stream 'order'; did you mean 'orders'?"),
        (["odl.orders"], "there is no host 'odl'; did you mean 'old'?"),
        (["old"], "'old' is no stream: name it as HOST.STREAM"),
        (["migration.toml"], "which stream?"),
        (["no.toml", "old.orders"], "no.toml"),
        (["old.orders", "--where", "statsu=x"], "'statsu' is no filter of old.orders; there are"),
        (
            ["sizing.orders", "--where", "a=b"],
            "'a' is no filter of sizing.orders, which takes no filters at all",
        ),
        (["old.orders", "--where", "created_after=x"], "--where created_after = 'x' is no ISO"),
        (["old.orders", "--where", "payment_status=piad"], "'piad' is none of"),
        (["new.orders", "--where", "status=new,don"], "--where status = 'don' is none of"),
        (["old.orders", "--where", "paid"], "--where 'paid' must be name=value"),
        (["old.orders", "--json", "--format", "csv"], "exclude each other"),
    ],
)
def test_a_mistake_is_named_before_anything_is_asked(
    at: Job, run: Run, arguments: list[str], said: str
) -> None:
    ended = run("read", *arguments)
    assert (ended.code, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert at.stage.total() == 0


def test_a_host_that_is_down_or_refuses_ends_with_its_own_code(at: Job, run: Run) -> None:
    at.hosts["dead"] = at.host("robosize", url="http://127.0.0.1:9", give_up_after_s=0.2)
    at.hosts["shut"] = at.host("robosize", credentials={"api_key": "wrong"})
    at.write()
    assert [run("read", f"{host}.orders").code for host in ("dead", "shut")] == [5, 6]
    assert [run("call", host, "list-orders").code for host in ("dead", "shut")] == [5, 6]


def started(at: Job, *arguments: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own, whose stdout is buffered, as it is for its users."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=at.folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


@pytest.mark.parametrize(
    ("lines", "arguments"),
    [
        (1, ["read", "old.orders"]),
        (0, ["read", "sizing.products", "--fields", "id"]),
        (0, ["call", "sizing", "list-orders"]),
    ],
)
def test_a_reader_that_goes_ends_it_quietly(at: Job, lines: int, arguments: list[str]) -> None:
    with started(at, *arguments, "--quiet") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert all(json.loads(process.stdout.readline())["id"] for _ in range(lines))
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


def test_ctrl_c_ends_a_reading_half_way(at: Job) -> None:
    at.hosts["old"] = at.host("merchantpro", rate="2/s", burst=1)
    at.write()
    with started(at, "read", "old.orders") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert (process.returncode, said) == (130, b"interrupted\n")


# call


def test_a_host_s_calls_are_listed(at: Job, run: Run) -> None:
    ended = run("call", "sizing")
    assert ended.code == 0
    table = [line.split() for line in ended.stdout.splitlines()]
    assert table[0][:3] == ["operation", "method", "path"]
    assert ["delete-product", "DELETE", "/api/v1/product/", "documented", "hash*"] in table
    (listed,) = run("call", "sizing", "--json").lines
    assert [each["name"] for each in listed["operations"]] == [line[0] for line in table[1:9]]
    assert at.stage.total() == 0


def test_a_path_of_the_user_s_own_is_marked_as_such(at: Job, run: Run) -> None:
    at.hosts["sizing"]["paths"] = {"orders": "/api/v1/other/"}
    at.write()
    (line,) = [line for line in run("call", "sizing").stdout.splitlines() if line.startswith("list-orders")]
    assert line.split()[2:6] == ["/api/v1/other/", "set", "by", "you"]


def test_the_answer_s_body_goes_to_stdout_and_the_rest_to_stderr(at: Job, run: Run) -> None:
    ended = run("call", "sizing", "list-products", "--param", "limit=2")
    body = json.loads(ended.stdout)
    assert (ended.code, len(body["results"])) == (0, 2)
    assert body["next"].endswith("/api/v1/product/?api_key=***&limit=2&offset=2")
    assert ended.stderr.startswith(
        f"GET {at.stage.url}/api/v1/product/   list-products, documented\n  limit  2\n200 OK "
    )
    assert run("call", "sizing", "list-products", "--param", "limit=2", "--quiet").stderr == ""


def test_a_write_is_sent_when_it_is_meant(at: Job, run: Run) -> None:
    refused = run("call", "sizing", "create-order", "--body", "order.json")
    assert refused.code == 2
    assert (
        "create-order writes to sizing; nobody can be asked here: --yes says that it is meant"
        in refused.stderr
    )
    assert at.stage.total() == 0
    (done,) = run("call", "sizing", "create-order", "--body", "order.json", "--yes", "--json").lines
    assert (done["type"], done["operation"], done["response"]["status"]) == ("call", "create-order", 201)
    assert done["request"] == {
        "method": "POST",
        "path": "/api/v1/business/order/",
        "query": {},
        "body": ORDER,
    }
    (row,) = at.stage.rows("robosize-orders")
    assert (row["store_id"], row["data"], row["device_id"]) == ("R1", {"n": 1}, "d")
    assert done["response"]["body"]["id"] == int(row["id"])


def test_an_array_is_sent_as_the_call_takes_it(at: Job, run: Run) -> None:
    line = {"product": 1, "quantity": 1, "order_status": "new"}
    Path("orders.json").write_text(json.dumps([{"rrn": "R9", "shop": 2, "order_items": [line]}]))
    ended = run("call", "new", "upsert-orders", "--body", "orders.json", "--yes")
    assert ended.code == 0, ended.told
    assert [row["rrn"] for row in at.stage.rows("external-orders")] == ["R9"]


def test_a_call_is_answered_in_the_language_in_which_rows_are_read(at: Job, run: Run) -> None:
    called = json.loads(run("call", "new", "list-regions").stdout)
    assert called["results"] == run("read", "new.regions").lines
    at.hosts["new"] |= {"options": {"language": "en"}}
    at.write()
    in_english = json.loads(run("call", "new", "list-regions").stdout)
    assert in_english["results"] == run("read", "new.regions").lines != called["results"]


def test_a_refused_call_shows_its_answer_and_ends_with_3(run: Run) -> None:
    ended = run("call", "sizing", "delete-order", "--param", "id=none", "--yes")
    assert (ended.code, json.loads(ended.stdout)) == (3, {"detail": "Not found."})
    assert ended.stderr.endswith("error: sizing: DELETE /api/v1/business/order/none/ answered 404\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["sizing", "list-prodcts"],
            "hosts.sizing has no operation 'list-prodcts'; did you mean 'list-products'?",
        ),
        (["sizin", "list-products"], "there is no host 'sizin'; did you mean 'sizing'?"),
        (["migration.toml"], "which host? There are old, new, sizing"),
        (["sizing", "--param", "limit=1"], "which operation?"),
        (["sizing", "delete-product", "--yes"], "delete-product needs hash"),
        (["sizing", "delete-product", "--param", "hash=", "--yes"], "hash must not be empty"),
        (["sizing", "delete-order", "--param", "id=..", "--yes"], "can't stand in the path"),
        (["sizing", "delete-order", "--param", "id=../7", "--yes"], "can't stand in a path"),
        (["sizing", "list-products", "--param", "limti=1"], "takes no 'limti'; did you mean 'limit'?"),
        (["sizing", "list-products", "--body", "order.json"], "takes no body"),
        (["sizing", "create-order"], "needs a body: --body FILE, or --body - for standard input"),
        (["sizing", "create-order", "--body", "none.json"], "--body none.json: No such file"),
        (["sizing", "create-order", "--body", "bad.json"], "--body bad.json: no JSON, line 2, column"),
        (["sizing", "create-order", "--body", "list.json"], "--body list.json: create-order takes an object"),
        (["sizing", "create-order", "--body", "half.json"], "half a character"),
    ],
)
def test_a_call_that_can_t_be_made_is_not_sent(at: Job, run: Run, arguments: list[str], said: str) -> None:
    for name, text in (("bad", '{"a": 1,\n'), ("list", "[{}]"), ("half", '{"a": "\\ud800"}')):
        Path(f"{name}.json").write_text(text)
    ended = run("call", *arguments)
    assert (ended.code, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert at.stage.total() == 0


def test_a_creation_whose_answer_is_lost_is_sent_once_and_said_to_be_in_doubt(at: Job, run: Run) -> None:
    at.stage.add_fault("dropped-after", methods=["POST"])
    ended = run("call", "sizing", "create-order", "--body", "order.json", "--yes")
    assert (ended.code, ended.stdout) == (5, "")
    assert "whether it was done is not known" in ended.stderr
    assert at.stage.count("robosize", "POST orders") == len(at.stage.rows("robosize-orders")) == 1


def test_a_page_of_html_is_shown_and_is_no_success(at: Job, run: Run) -> None:
    at.stage.add_fault("html-200", methods=["POST"], times=1)
    ended = run("call", "sizing", "create-order", "--body", "order.json", "--yes")
    assert (ended.code, ended.stdout.startswith("<!")) == (5, True)
    assert "something that is no JSON; look at the host whether it was done" in ended.stderr


def test_a_host_that_asks_to_wait_is_waited_for_with_a_word(at: Job, run: Run) -> None:
    at.stage.add_fault("too-many-429", times=1, wait="seconds")
    ended = run("call", "sizing", "list-orders", "--quiet")
    assert ended.code == 0
    assert "it asked to wait (429)" in ended.stderr


CTRL_C = b"\x03"


def typed(at: Job, answer: bytes, *arguments: str) -> tuple[int, str, str]:
    """The command with a person at its terminal who answers its question: code, stdout, what the terminal showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=at.folder,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"},
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
            if b"[y/N]" in chunk:
                if answer == CTRL_C:
                    process.send_signal(signal.SIGINT)
                else:
                    line, _, answer = answer.partition(b"\n")
                    os.write(ours, line + b"\n")
        assert process.stdout is not None
        stdout = process.stdout.read().decode()
    os.close(ours)
    return process.returncode, stdout, shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux tells the end of a terminal
        return b""


def test_a_person_is_asked_before_a_write(at: Job) -> None:
    call = ("call", "sizing", "create-order", "--body", "order.json")
    code, _, shown = typed(at, b"n\n", *call)
    assert (code, "Send it to sizing?" in shown, "nothing was sent" in shown) == (2, True, True)
    assert at.stage.rows("robosize-orders") == []
    code, stdout, shown = typed(at, b"y\n", *call)
    assert (code, json.loads(stdout)["store_id"]) == (0, "R1")
    assert "201 Created" in shown
    assert len(at.stage.rows("robosize-orders")) == 1


def test_an_answer_that_is_neither_yes_nor_no_says_what_to_type(at: Job) -> None:
    code, stdout, shown = typed(at, b"sure\nYes\n", "call", "sizing", "create-order", "--body", "order.json")
    assert (code, json.loads(stdout)["store_id"]) == (0, "R1")
    assert "Type y for yes, n for no [y/N]:" in shown


def test_ctrl_c_at_the_question_sends_nothing_and_is_an_interruption(at: Job) -> None:
    code, _, shown = typed(at, CTRL_C, "call", "sizing", "create-order", "--body", "order.json")
    assert (code, shown.splitlines()[-1]) == (130, "interrupted")
    assert at.stage.rows("robosize-orders") == []


def test_ctrl_c_at_a_write_says_that_it_may_have_been_done(at: Job) -> None:
    arrived, may_end = threading.Event(), threading.Event()

    def hold(*_: Any) -> tuple[int, dict[str, str], bytes]:
        arrived.set()
        may_end.wait(20)
        return 201, {}, b"{}"

    with odd_host(hold) as slow:
        at.hosts["sizing"] = at.host("robosize", url=slow.url, timeout_s=20)
        at.write()
        with started(
            at, "call", "sizing", "create-order", "--body", "order.json", "--yes", "--quiet"
        ) as process:
            assert arrived.wait(20)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = process.stderr.read().decode()
        may_end.set()
        assert (process.returncode, slow.requests) == (130, 1)
    assert said.startswith("it may have been sent: whether it was done is not known")
