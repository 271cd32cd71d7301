"""`run`, `status` and `failures` as processes, against a sandbox."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bulkmove.sandbox.settings import SandboxSettings

ORDERS = 600
BULKMOVE = (sys.executable, "-m", "bulkmove")
TEXT = """
name = "x"

[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = ["200/s"]
timezone = "Europe/Bucharest"
timeout_s = 5
give_up_after_s = 1

[hosts.new]
api = "external-order"
url = "{url}"
credentials = {{ token = "demo-token" }}
rate = ["200/s"]
timeout_s = 5
give_up_after_s = 1

[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "mappers.py:order"
"""
MAPPERS = """
from bulkmove import RejectRecordError

def order(record, context):
    line = {"product": 1, "quantity": 1, "order_status": "done"}
    return {"rrn": str(record["id"]), "shop": 2, "order_items": [line]}

def choosy(record, context):
    if str(record["id"]).endswith("0"):
        raise RejectRecordError("ends with 0\\nand a second line")
    return order(record, context)
"""


@dataclass
class Shop:
    """A sandbox's control endpoints."""

    url: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  loopback
            f"{self.url}/_sandbox/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return json.loads(answer.read())

    def rrns(self) -> list[str]:
        rows = self.call("GET", "external-orders?offset=0&limit=10000")["rows"]
        return [row["rrn"] for row in rows]

    def requests(self) -> int:
        return sum(api["total"] for api in self.call("GET", "stats")["apis"].values())


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Shop]:
    arguments = SandboxSettings(orders=ORDERS, products=20).arguments()
    command = [*BULKMOVE, "sandbox", *arguments, "--parent-pid", str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        yield Shop(json.loads(process.stdout.readline())["url"])
        process.terminate()


@pytest.fixture
def shop(sandbox: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """An empty target, and a migration.toml in the current directory."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BULKMOVE_")]:
        monkeypatch.delenv(name)
    sandbox.call("DELETE", "faults")
    sandbox.call("POST", "reset", {"stats": True})
    Path("mappers.py").write_text(MAPPERS)
    configure(sandbox)
    return sandbox


def configure(shop: Shop, *changes: tuple[str, str]) -> None:
    text = TEXT.format(url=shop.url)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("migration.toml").write_text(text)


SLOW_SOURCE = ('"demo-secret" }\nrate = ["200/s"]', '"demo-secret" }\nrate = ["2/s"]')
SLOW_TARGET = ('"demo-token" }\nrate = ["200/s"]', '"demo-token" }\nrate = ["5/s"]')
VERY_SLOW_TARGET = ('"demo-token" }\nrate = ["200/s"]', '"demo-token" }\nrate = ["1/s"]')
SMALL_BATCHES = (
    'mapper = "mappers.py:order"',
    'mapper = "mappers.py:order"\nbatch_size = 20',
)


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def last(self) -> Any:
        return json.loads(self.out.splitlines()[-1])

    @property
    def orders(self) -> Any:
        return self.last["routes"]["orders"]

    def lines(self, kind: str) -> list[Any]:
        return [line for line in map(json.loads, self.out.splitlines()) if line["type"] == kind]


def bulkmove(*arguments: str, stdin: int = subprocess.DEVNULL) -> Done:
    done = subprocess.run(
        [*BULKMOVE, *arguments], capture_output=True, text=True, check=False, stdin=stdin, timeout=50
    )
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass
class Going:
    """A run that is under way."""

    process: subprocess.Popen[str]

    def end(self, *signals: int) -> Done:
        for number in signals:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=50)
        return Done(self.process.returncode, out, err)


@pytest.fixture
def start() -> Iterator[Callable[..., Going]]:
    started: list[subprocess.Popen[str]] = []

    def start_one(*arguments: str) -> Going:
        process = subprocess.Popen(
            [*BULKMOVE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return Going(process)

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(is_so: Callable[[], bool], *, within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def assert_moved(shop: Shop, count: int = ORDERS) -> None:
    rrns = shop.rrns()
    assert (len(rrns), len(set(rrns))) == (count, count)


def test_a_run_moves_everything_and_its_last_line_says_so(shop: Shop) -> None:
    done = bulkmove("run", "--json")
    assert done.code == 0
    assert done.out.splitlines()[-1] == (
        '{"type":"summary","exit":0,"routes":{"orders":{"read":600,"written":600,"unchanged":0,"skipped":0,'
        '"rejected":0,"unknown":0,"pending":0}}}'
    )
    assert_moved(shop)


def test_a_finished_migration_run_again_says_so_and_reads_nothing(shop: Shop) -> None:
    assert "finished: nothing is left to do" in bulkmove("run").out
    before = shop.requests()
    done = bulkmove("run")
    assert done.code == 0
    assert "finished before this run, which read nothing" in done.out
    assert shop.requests() == before
    status = bulkmove("status", "--json")
    assert (status.code, status.last["exit"], status.orders["written"]) == (0, 0, ORDERS)


def test_status_says_where_the_ledger_is_not_of_this_configuration(shop: Shop) -> None:
    assert bulkmove("run", "--limit", "50").code == 0
    assert "another migration" not in bulkmove("status").out
    configure(shop, ("[routes.orders]", "[routes.purchases]"))
    assert "route orders: is in the ledger and not in the configuration" in bulkmove("status").out
    configure(shop, (shop.url, f"{shop.url}/elsewhere"))
    notes = [line for line in bulkmove("status").out.splitlines() if "another migration" in line]
    assert "route orders: the ledger was begun with source http" in notes[0]


def test_a_limit_ends_with_0_and_the_next_run_goes_on(shop: Shop) -> None:
    first = bulkmove("run", "--json", "--limit", "150")
    assert (first.code, first.orders["read"], first.orders["pending"]) == (0, 150, 0)
    assert_moved(shop, 150)
    table = bulkmove("run", "--limit", "50")
    assert "not finished: bulkmove run goes on" in table.out
    last = bulkmove("run", "--json")
    assert (last.code, last.orders["written"]) == (0, ORDERS)
    assert_moved(shop)


def test_a_dry_run_writes_nothing_and_names_what_has_no_place(shop: Shop) -> None:
    configure(
        shop,
        ('mapper = "mappers.py:order"', 'mapper = "merchantpro-to-external-order"\noptions = { shop = 2 }'),
    )
    done = bulkmove("run", "--dry-run", "--json", "--limit", "100")
    assert (done.code, done.orders["read"]) == (0, 100)
    (no_place,) = done.lines("no-place")
    assert no_place["route"] == "orders"
    assert "customer_email" in no_place["fields"]
    assert not shop.rrns()
    assert not list(Path().glob("*.db*"))
    text = bulkmove("run", "--dry-run", "--limit", "10").out
    assert "dry run: nothing was written" in text
    assert "customer_email" in text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_half_way_ends_in_order_and_the_next_run_goes_on(
    shop: Shop, start: Callable[..., Going], number: int, code: int
) -> None:
    configure(shop, SLOW_SOURCE)
    going = start("run", "--json")
    until(lambda: len(shop.rrns()) > 0)
    done = going.end(number)
    assert (done.code, done.last["exit"]) == (code, code)
    assert 0 < done.orders["written"] < ORDERS
    assert "interrupted: finishing what is in flight" in done.err
    assert "Traceback" not in done.err
    configure(shop)
    again = bulkmove("run", "--json")
    assert (again.code, again.orders["written"]) == (0, ORDERS)
    assert_moved(shop)


def test_a_second_signal_cancels_what_is_in_flight(shop: Shop, start: Callable[..., Going]) -> None:
    shop.call("POST", "faults", {"name": "slow", "api": "external-order", "methods": ["POST"]})
    going = start("run", "--json")
    until(lambda: shop.requests() > 5)
    until(lambda: Path("x.ledger.db").exists())
    until(lambda: json.loads(bulkmove("status", "--json").out)["routes"]["orders"]["pending"] > 0)
    going.process.send_signal(signal.SIGINT)
    assert going.process.stderr is not None
    while "interrupted: finishing" not in going.process.stderr.readline():
        pass
    began = time.monotonic()
    done = going.end(signal.SIGINT)
    assert time.monotonic() - began < 2.0
    assert (done.code, done.last["exit"]) == (130, 130)
    assert done.orders["read"] == sum(n for name, n in done.orders.items() if name != "read")
    assert "Traceback" not in done.err


def test_while_a_run_is_going_status_says_so_and_another_run_is_refused(
    shop: Shop, start: Callable[..., Going]
) -> None:
    configure(shop, VERY_SLOW_TARGET, SMALL_BATCHES)
    going = start("run", "--json")
    until(lambda: len(shop.rrns()) > 0)
    status = bulkmove("status", "--json")
    assert (status.code, status.last["exit"]) == (0, None)
    assert status.orders["read"] > 0
    assert "a run is going" in bulkmove("status").out
    second = bulkmove("run", "--json")
    assert (second.code, second.last) == (11, {"type": "summary", "exit": 11, "routes": {}})
    assert f"process {going.process.pid}" in second.err
    fresh = bulkmove("run", "--json", "--fresh", "--yes")
    assert (fresh.code, fresh.last["routes"]) == (11, {})
    going.end(signal.SIGINT)


BAD_CREDENTIALS = ('"demo-secret"', '"hunter2-secret"')


@pytest.mark.parametrize(
    ("changes", "code", "routes"),
    [
        ((("[routes.orders]", "[rutes.orders]"),), 2, False),
        ((("mappers.py:order", "mappers.py:odrer"),), 2, False),
        ((BAD_CREDENTIALS,), 6, True),
    ],
)
def test_the_last_line_comes_however_a_run_ends(
    shop: Shop,
    changes: tuple[tuple[str, str], ...],
    code: int,
    routes: bool,  # noqa: FBT001  a value of the table
) -> None:
    configure(shop, *changes)
    done = bulkmove("run", "--json")
    assert (done.code, done.last["type"], done.last["exit"]) == (code, "summary", code)
    assert bool(done.last["routes"]) == routes
    assert len([line for line in done.err.splitlines() if line.startswith(("error: ", "unexpected: "))]) == 1
    assert "Traceback" not in done.err
    assert "hunter2" not in done.out + done.err
    assert bulkmove("run").code == code


def test_a_host_that_is_down_is_named_and_ends_with_5(shop: Shop) -> None:
    Path("migration.toml").write_text(TEXT.format(url="http://127.0.0.1:9"))
    done = bulkmove("run", "--json")
    assert (done.code, done.last["exit"], done.orders["read"]) == (5, 5, 0)
    assert any("old" in line["text"] for line in done.lines("note"))
    assert done.err.count("error: ") == 1
    once = bulkmove("run")
    assert (once.out + once.err).count("could not connect") == once.err.count("could not connect") == 1
    configure(shop)  # nothing was read at the wrong address: mending it is no change of the migration
    assert bulkmove("run", "--json").code == 0
    configure(shop, (f'"{shop.url}"', f'"{shop.url}/elsewhere"'))
    refused = bulkmove("run", "--json")
    assert (refused.code, list(refused.last["routes"])) == (2, ["orders"])
    assert "--accept-changes" in refused.err


def test_rejected_records_end_with_3_and_are_listed(shop: Shop) -> None:
    configure(shop, ("mappers.py:order", "mappers.py:choosy"))
    done = bulkmove("run")
    assert done.code == 3
    rejected = int(re.search(r"(\d+) records were rejected: bulkmove failures", done.out)[1])  # type: ignore[index]
    listed = bulkmove("failures", "--json")
    failures = listed.lines("failure")
    assert (listed.code, len(failures)) == (0, rejected)
    assert failures[0].keys() == {"type", "route", "source_id", "outcome", "cause", "message"}
    assert (failures[0]["route"], failures[0]["outcome"]) == ("orders", "rejected")
    assert {failure["source_id"][-1] for failure in failures} == {"0"}
    groups, _, listed_below = bulkmove("failures").out.partition("\n\n")
    assert groups.splitlines()[1].split()[:4] == ["orders", "rejected", "mapper", str(rejected)]
    head, first, *_ = table = listed_below.partition("\n\n")[0].splitlines()
    assert len(table) == rejected + 1
    assert head.split() == ["route", "source", "id", "outcome", "cause", "message"]
    assert first.endswith("ends with 0")
    assert head.index("message") == first.index("ends with 0")
    assert bulkmove("failures", "-v").out.count("    and a second line\n") == rejected
    again = bulkmove("run", "--json")
    assert (again.code, again.orders["rejected"]) == (3, rejected)


def test_another_ledger_is_another_migration(shop: Shop) -> None:
    assert bulkmove("run", "--ledger", "other.db", "--limit", "10").code == 0
    assert not Path("x.ledger.db").exists()
    assert bulkmove("status", "--json").orders["read"] == 0
    assert bulkmove("status", "--json", "--ledger", "other.db").orders["read"] == 10
    assert len(shop.rrns()) == 10


def test_off_a_terminal_there_are_plain_lines_and_no_control_codes(shop: Shop) -> None:
    assert shop.url
    done = bulkmove("run", "--progress", "always")
    assert re.search(r"^\[0:0\d\] orders: starts", done.err, re.MULTILINE)
    assert re.search(r"^\[0:0\d\] orders: finished: 600 read, 600 written, 0 failed", done.err, re.MULTILINE)
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.out + done.err


@pytest.mark.parametrize("options", [("--progress", "never"), ("--quiet",)])
def test_progress_can_be_left_out(shop: Shop, options: tuple[str, ...]) -> None:
    assert shop.url
    done = bulkmove("run", *options)
    lines = done.err.splitlines()
    assert all(line.startswith("warning: ") for line in lines)
    assert ("finished: nothing is left" in done.out) == ("--quiet" not in options)
    assert "600" in done.out


def test_json_logs_are_json_on_every_line(shop: Shop) -> None:
    configure(shop, BAD_CREDENTIALS)
    done = bulkmove("run", "--log-format", "json")
    kinds = [json.loads(line)["event"] for line in done.err.splitlines()]
    assert {"error", "route-started"} <= set(kinds)
    assert done.code == 6


def in_terminal(
    *arguments: str, answer: bytes | None = b"", at: bytes = b"[y/N]", **env: str
) -> tuple[Done, str]:
    """Run with stdin and stderr on a terminal, and return what that got too.

    The answer is given once, when `at` was shown; None: Ctrl-C.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*BULKMOVE, *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **env},
    ) as process:
        os.close(theirs)
        shown, is_answered = b"", False
        try:
            while chunk := _read(ours):
                shown += chunk
                if at in shown and not is_answered:
                    is_answered = True
                    process.send_signal(signal.SIGINT) if answer is None else os.write(ours, answer)
            assert process.stdout is not None
            stdout = process.stdout.read().decode()
        except BaseException:
            process.kill()
            raise
    os.close(ours)
    return Done(process.returncode, stdout, ""), shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux tells the end of a terminal
        return b""


def test_a_terminal_gets_bars_that_are_erased_and_stdout_stays_clean(shop: Shop) -> None:
    configure(shop, SLOW_TARGET)
    done, shown = in_terminal("run", "--json")
    assert done.code == 0
    assert done.orders["written"] == ORDERS
    assert "\x1b" not in done.out
    assert "━" in shown
    assert "requests/s" in shown
    assert shown.rstrip().endswith("\x1b[2K")  # the last line drawn is erased
    assert "\x1b[?25h" in shown  # and the cursor is shown again


def test_what_is_said_while_bars_are_drawn_stands_on_a_line_of_its_own(shop: Shop) -> None:
    configure(shop, SLOW_SOURCE)
    done, shown = in_terminal("run", "--json", answer=None, at=b"requests/s")
    assert done.code == 130
    assert re.search(r"(\n|\x1b\[2K)interrupted: finishing what is in flight[^\x1b]*\n", shown)


def test_no_color_is_heeded(shop: Shop) -> None:
    configure(shop, SLOW_TARGET)
    colours = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
    assert colours.search(in_terminal("run", "--limit", "300")[1])
    assert not colours.search(in_terminal("run", NO_COLOR="1")[1])


def test_fresh_without_anyone_to_ask_is_refused(shop: Shop) -> None:
    assert bulkmove("run", "--limit", "10").code == 0
    done = bulkmove("run", "--json", "--fresh")
    assert (done.code, done.last) == (2, {"type": "summary", "exit": 2, "routes": {}})
    assert "--yes" in done.err
    assert bulkmove("status", "--json").orders["read"] == 10
    assert len(shop.rrns()) == 10


def test_fresh_with_yes_puts_the_ledger_aside_and_begins_anew(shop: Shop) -> None:
    assert bulkmove("run", "--limit", "10").code == 0
    shop.call("POST", "reset", {})
    done = bulkmove("run", "--json", "--fresh", "--yes")
    assert (done.code, done.orders["written"]) == (0, ORDERS)
    (aside,) = [path for path in Path().glob("x.ledger.db.*") if re.search(r"db\.\d{8}-\d{6}$", path.name)]
    assert aside.name in done.err
    assert bulkmove("status", "--json", "--ledger", aside.name).orders["read"] == 10


def test_a_fresh_run_that_is_refused_before_it_read_anything_leaves_the_ledger_in_its_place(
    shop: Shop,
) -> None:
    assert bulkmove("run", "--limit", "10").code == 0
    Path("orders.jsonl").write_text("{}\n")
    more = '\n[hosts.out]\napi = "files"\nurl = "."\n[routes.copy]\nsource = "old.orders"\ntarget = "out.orders"\nmapper = "as-it-is"\n'
    with Path("migration.toml").open("a") as file:
        file.write(more)
    done = bulkmove("run", "--json", "--fresh", "--yes", "--route", "copy")
    assert done.code == 2
    assert "the ledger is" in done.err
    assert not list(Path().glob("x.ledger.db.2*"))
    assert bulkmove("status", "--json").orders["read"] == 10
    assert len(shop.rrns()) == 10


def test_a_route_alone_whose_predecessor_is_not_finished_is_refused_and_not_called_done(shop: Shop) -> None:
    with Path("migration.toml").open("a") as file:
        file.write(
            '\n[routes.later]\nsource = "old.orders"\ntarget = "new.orders"\nmapper = "mappers.py:order"\nafter = ["orders"]\n'
        )
    for _ in range(2):
        done = bulkmove("run", "--json", "--route", "later")
        assert (done.code, "route later comes after orders" in done.err) == (2, True)
        assert bulkmove("run", "--route", "orders", "--limit", "10").code == 0
    assert len(shop.rrns()) == 20


def test_fresh_without_a_ledger_has_nothing_to_ask(shop: Shop) -> None:
    assert shop.url
    assert bulkmove("run", "--fresh", "--limit", "10").code == 0


@pytest.mark.parametrize(
    ("answer", "code", "read"), [(b"y\n", 0, 20), (b"n\n", 2, 10), (b"\n", 2, 10), (None, 130, 10)]
)
def test_fresh_asks_on_a_terminal(shop: Shop, answer: bytes | None, code: int, read: int) -> None:
    assert shop.url
    assert bulkmove("run", "--limit", "10").code == 0
    done, shown = in_terminal(
        "run", "--fresh", "--json", "--limit", "20", answer=answer, BULKMOVE_PROGRESS="never"
    )
    assert "begin anew" in shown
    assert (done.code, done.last["exit"]) == (code, code)
    assert bulkmove("status", "--json").orders["read"] == read


def leave_in_doubt(shop: Shop, start: Callable[..., Going]) -> None:
    """A run that is killed while its target is slow to answer."""
    shop.call("POST", "faults", {"name": "slow", "api": "external-order", "methods": ["POST"]})
    going = start("run")
    until(lambda: Path("x.ledger.db").exists())
    until(lambda: json.loads(bulkmove("status", "--json").out)["routes"]["orders"]["pending"] > 0)
    time.sleep(0.3)  # the send follows its intent
    going.process.kill()
    going.process.wait()


def test_fresh_says_that_something_is_in_doubt(shop: Shop, start: Callable[..., Going]) -> None:
    leave_in_doubt(shop, start)
    done = bulkmove("run", "--fresh")
    assert done.code == 2
    assert re.search(r"\d+ write requests? of it (is|are) in doubt", done.err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_fresh_run_that_ends_while_it_waits_leaves_the_ledger_and_the_waiting_to_the_next(
    shop: Shop, start: Callable[..., Going], number: int
) -> None:
    configure(
        shop, ('"demo-token" }', '"demo-token" }\nsettle_s = 600')
    )  # whatever each of these commands takes
    leave_in_doubt(shop, start)
    before = bulkmove("status", "--json").last["routes"]
    for _ in range(2):
        going = start("run", "--fresh", "--yes")
        assert going.process.stderr is not None
        assert any("until what the old ledger" in line for line in going.process.stderr)
        ended = going.end(number)
        assert ended.code == (130 if number == signal.SIGINT else -number)
        assert bulkmove("status", "--json").last["routes"] == before
    done = bulkmove("run", "--json", "--fresh", "--yes", "--max-duration", "1s")
    assert (done.code, done.last["routes"]) == (0, {})
    assert "the migration is not finished" in done.err + done.out
    assert not list(Path().glob("x.ledger.db.2*"))


def test_a_ledger_that_is_none_is_refused_without_a_traceback(shop: Shop) -> None:
    assert shop.url
    Path("notes.txt").write_text("not a ledger, " * 100)
    for command in ("run", "status", "failures"):
        done = bulkmove(command, "--ledger", "notes.txt")
        assert done.code == 1
        assert done.err.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in done.err


def test_what_reads_only_the_head_of_failures_ends_them_quietly(shop: Shop) -> None:
    configure(shop, ("mappers.py:order", "mappers.py:choosy"))
    assert bulkmove("run").code == 3
    read, write = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    os.close(read)
    done = subprocess.run(
        [*BULKMOVE, "failures", "--json"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.stderr == ""
