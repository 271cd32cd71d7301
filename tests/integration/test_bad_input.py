"""Mistakes and misfortunes: each told once, by its place, with what to do; the right exit code, and nothing lost."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import CREDENTIALS, Ended, Job, Stages, by, invoke
from tests.integration.odd_host import odd_host, shop


def told_once(ended: Ended, code: int, *words: str) -> str:
    """One error, whole and plain; returns it. It names all the words, and the last line says the same exit code."""
    assert ended.code == code, ended.told
    assert ended.summary["type"] == "summary"
    assert ended.summary["exit"] == code
    assert "Traceback" not in ended.told
    errors = re.findall(r"^(?:error|unexpected): .*", ended.stderr, re.MULTILINE)
    assert len(errors) == 1, ended.stderr
    assert errors[0].startswith("error: "), ended.stderr
    for word in words:
        assert word in ended.stderr, ended.stderr
    return str(errors[0])


def _set(*path: str, value: Any) -> Callable[[Job], None]:
    def change(job: Job) -> None:
        table: dict[str, Any] = {"hosts": job.hosts, "routes": job.routes}
        for name in path[:-1]:
            table = table[name]
        table[path[-1]] = value

    return change


def _mapper(text: str, name: str = "mappers.py:move") -> Callable[[Job], None]:
    def change(job: Job) -> None:
        job.with_mapper(text)
        job.routes["orders"]["mapper"] = name

    return change


MISTAKES: dict[str, tuple[Callable[[Job], None], tuple[str, ...]]] = {
    "unknown key": (_set("hosts", "new", "ratte", value="1/s"), ("hosts.new.ratte", 'did you mean "rate"')),
    "unknown key of a route": (_set("routes", "orders", "mod", value="x"), ("routes.orders.mod", '"mode"')),
    "unknown api": (_set("hosts", "new", "api", value="extern-order"), ("hosts.new.api", '"external-order"')),
    "unknown host": (_set("routes", "orders", "source", value="odl.orders"), ("routes.orders.source", "old.orders")),
    "unknown stream": (_set("routes", "orders", "source", value="old.order"), ("routes.orders.source", "'orders'")),
    "unknown option": (
        _set("routes", "orders", "options", value={"shop": 2, "prodcts": "ids.csv"}), ("routes.orders", "'products'"),
    ),
    "missing option": (_set("routes", "orders", "options", value={}), ("routes.orders", "options.shop", "shop = 2")),
    "bad mode": (_set("routes", "orders", "mode", value="upsrt"), ("routes.orders.mode", '"upsert"')),
    "bad rate": (_set("hosts", "old", "rate", value="4/sec"), ("hosts.old.rate", '"s"')),
    "bad filter": (_set("routes", "orders", "where", value={"created_aftr": "x"}), ("where.created_aftr", "created_after")),
    "after nobody": (_set("routes", "orders", "after", value=["order"]), ("routes.orders.after", '"orders"')),
    "after itself": (_set("routes", "orders", "after", value=["orders"]), ("routes.orders.after", "circle")),
    "missing variable": (
        _set("hosts", "old", "credentials", value={"key": "${NO_SUCH_KEY_SET}", "secret": "s"}),
        ("hosts.old.credentials.key", "NO_SUCH_KEY_SET", "not set"),
    ),
    "missing credential": (_set("hosts", "new", "credentials", value={}), ("hosts.new.credentials", "token")),
    "credential of another api": (
        _set("hosts", "new", "credentials", value={"token": "t", "key": "k"}), ("hosts.new.credentials.key", "token"),
    ),
    "url with a password": (_set("hosts", "new", "url", value="https://me:canary@x.example"), ("hosts.new.url",)),
    "target that is only read": (
        _set("routes", "orders", "target", value="old.products"), ("routes.orders.target", "old.products", "can't be written"),
    ),
    "missing table": (
        _set("routes", "orders", "options", value={"shop": 2, "products": "nowhere.csv"}),
        ("routes.orders.options.products", "nowhere.csv", "No such file"),
    ),
    "mapper that is not installed": (
        _set("routes", "orders", "mapper", value="merchantpro-to-external"), ("merchantpro-to-external-order",),
    ),
    "mapper file that is not there": (_set("routes", "orders", "mapper", value="nowhere.py:move"), ("nowhere.py",)),
    "mapper that is not in its file": (_mapper("def moves(record, context): ...\n"), ("mappers.py:move", "'moves'")),
    "mapper of one argument": (_mapper("def move(record): ...\n"), ("mappers.py:move", "(record, context)")),
    "mapper that is no function": (_mapper("move = 3\n"), ("mappers.py:move", "function")),
    "mapper with a syntax error": (_mapper("def move(:\n"), ("mappers.py:move", "can't be imported", "line 2")),
    "mapper that raises at import": (
        _mapper("raise ValueError('at import')\n"), ("mappers.py:move", "can't be imported", "at import", "line 2"),
    ),
    "mapper that exits at import": (_mapper("raise SystemExit(0)\n"), ("mappers.py:move", "can't be imported")),
    "mapper module that is not there": (
        _set("routes", "orders", "mapper", value="no_such_module_here:move"), ("no_such_module_here",),
    ),
    "mapper whose fields_used tells no names": (
        _mapper("def move(record, context): ...\nmove.fields_used = lambda options: 'id'\n"),
        ("routes.orders.mapper", "mappers.py:move", "its fields_used must return a tuple of names", "not 'id'"),
    ),
    "mapper whose fields_used fails": (
        _mapper("def move(record, context): ...\nmove.fields_used = lambda options: options['missing']\n"),
        ("routes.orders.mapper", "mappers.py:move", "its fields_used can't be called", "KeyError: 'missing'"),
    ),
    "unknown path": (_set("hosts", "new", "paths", value={"ordres": "/x/"}), ("hosts.new.paths.ordres", "'orders'")),
    "fields of a list that sends all": (
        _set("routes", "products", "fields_used", value=["id"]), ("routes.products.fields_used", "leave this out"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_configuration_is_named_before_anything_is_sent(job: Job, mistake: str) -> None:
    job.with_orders().with_products()
    change, words = MISTAKES[mistake]
    change(job)
    ended = job.run()
    told_once(ended, 2, str(job.file), *words)
    assert ended.routes == {}
    assert "canary" not in ended.told
    assert job.stage.total() == 0
    assert not job.ledger.exists()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"created_after": "yesterday"}, ("created_after", "yesterday", "ISO 8601")),
        ({"created_after": "2024-01-01T00:00:00"}, ("created_after", "time zone", "hosts.old.timezone")),
        (
            {"created_after": "2024-02-01T00:00:00Z", "created_before": "2024-01-01T00:00:00Z"},
            ("later than",),
        ),
    ],
)
def test_a_date_that_no_list_can_be_filtered_by_is_named(
    job: Job, where: dict[str, str], words: tuple[str, ...]
) -> None:
    told_once(job.with_orders(where=where).run(), 2, "routes.orders.where", *words)
    assert job.stage.total() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\n[hosts.old\n', ("is not TOML", "line 2")),
        ('name = "x"\nhosts = ', ("is not TOML", "line 2")),
        ("", ("name", "is missing")),
        ('name = "ș"\n', ("name",)),
        ("name = 'a'\nname = 'b'\n", ("is not TOML", "line 2")),
        (b"\xff\xfen\0", ("line 1", "UTF-8")),
        ("\ud800".encode("utf-8", "surrogatepass"), ("line 1", "UTF-8")),
    ],
)
def test_a_file_that_is_no_migration_is_named(
    tmp_path: Path, text: str | bytes, words: tuple[str, ...]
) -> None:
    file = tmp_path / "migration.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = invoke("run", str(file), "--json")
    assert ended.code == 2, ended.told
    assert ended.lines == [{"type": "summary", "exit": 2, "routes": {}}]
    assert str(file) in ended.stderr
    for word in words:
        assert word in ended.stderr


def test_a_migration_that_is_not_there_is_named(tmp_path: Path) -> None:
    told_once(
        invoke("run", str(tmp_path / "none.toml"), "--json"), 2, "none.toml", "no such file", "bulkmove init"
    )
    told_once(invoke("run", str(tmp_path), "--json"), 2, "is a directory")


def test_all_mistakes_of_a_file_are_told_at_once(job: Job) -> None:
    job.with_orders()
    job.hosts["old"]["timeout_s"] = -1
    job.hosts["new"]["settel_s"] = 3
    job.routes["orders"]["batch_size"] = 0
    ended = job.run()
    assert ended.code == 2
    for key in ("hosts.old.timeout_s", "hosts.new.settel_s", "routes.orders.batch_size"):
        assert ended.stderr.count(key) == 1


@pytest.mark.parametrize(("host", "route"), [("old", "orders"), ("new", "orders"), ("sizing", "products")])
def test_a_wrong_address_is_a_mistake_of_the_configuration(job: Job, host: str, route: str) -> None:
    job.with_orders().with_products()
    job.hosts[host]["url"] += "/shop"
    ended = job.run("--route", route)
    told_once(ended, 2, host, "404", f"hosts.{host}.url")
    assert job.stage.written() == 0


CANARY = "canary-7f3a91"


@pytest.mark.parametrize(
    ("host", "credentials"),
    [
        ("old", {"key": "demo-key", "secret": CANARY}),
        ("new", {"token": CANARY}),
        ("sizing", {"api_key": CANARY}),
    ],
)
def test_refused_credentials_end_the_run_with_6_and_are_not_tried_again(
    job: Job, host: str, credentials: dict[str, str]
) -> None:
    job.with_all_routes()
    job.hosts[host]["credentials"] = credentials
    ended = job.run("-v", "--log-format", "json")
    assert ended.code == 6, ended.told
    assert ended.summary["exit"] == 6
    assert f"hosts.{host}.credentials" in ended.stderr
    assert "Traceback" not in ended.told
    api = job.hosts[host]["api"]
    assert job.stage.count(api) <= 3, "hosts lock keys out"
    _nowhere(job, ended, CANARY)
    job.hosts[host]["credentials"] = dict(CREDENTIALS[api])
    ended = job.run()
    assert ended.code == 0, ended.told
    job.check_all_equal()


def _nowhere(job: Job, ended: Ended, *secrets: str) -> None:
    """In no output, in no file but the configuration: not in the ledger, nor in what stands beside it."""
    for secret in secrets:
        assert secret not in ended.told
        for file in job.folder.rglob("*"):
            if file.is_file() and file != job.file:
                assert secret.encode() not in file.read_bytes(), file


def test_secrets_are_in_no_output_and_no_file_whatever_goes_wrong(tmp_path: Path, sandbox: Stages) -> None:
    secrets = {name: f"canary-{name}-51c7" for name in ("key", "secret", "token", "api_key")}
    stage = sandbox(
        orders=60, products=45, merchantpro_key=secrets["key"], merchantpro_secret=secrets["secret"],
        external_token=secrets["token"], robosize_api_key=secrets["api_key"],
    )  # fmt: skip
    job = Job(tmp_path, stage).with_all_routes()
    job.hosts["old"]["credentials"] = {name: secrets[name] for name in ("key", "secret")}
    job.hosts["new"]["credentials"] = {"token": secrets["token"]}
    job.hosts["sizing"]["credentials"] = {"api_key": secrets["api_key"]}
    for host in job.hosts.values():
        host["give_up_after_s"] = 0.5
    stage.add_fault("cut-body")
    ended = job.run("-v")
    assert ended.code == 5, ended.told
    _nowhere(job, ended, *secrets.values())
    stage.clear_faults()
    stage.add_fault("error-500", share=0.1)
    for host in job.hosts.values():
        host["give_up_after_s"] = 60
    ended = job.run("-v")
    assert ended.code == 0, ended.told
    _nowhere(job, ended, *secrets.values())
    job.check_all_equal()
    for command in ("status", "failures"):
        _nowhere(job, job.run(command=command), *secrets.values())
    _nowhere(job, invoke("config", "show", str(job.file)), *secrets.values())


def test_a_host_that_is_down_at_the_start_ends_the_run_with_5_soon(job: Job) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    job.with_orders().with_products()
    job.hosts["old"]["url"] = url
    started = time.monotonic()
    ended = job.run()
    assert time.monotonic() - started < 16
    told_once(ended, 5, "old", "hosts.old.url", "run again")
    assert ended.counts("products") == {"read": 200, "written": 200}, "the other host's route went on"
    assert ended.routes["orders"]["read"] == 0


@pytest.mark.parametrize(
    ("fault_of_old", "fault_of_sizing", "words"),
    [
        ("html-200", "cut-json", ("text/html", "application/json")),
        ("cut-body", "cut-body", ("cut short", "cut short")),
    ],
)
def test_answers_that_are_never_whole_end_the_run_with_5_and_nothing_is_lost(
    job: Job, fault_of_old: str, fault_of_sizing: str, words: tuple[str, str]
) -> None:
    job.with_orders().with_products()
    job.stage.add_fault(fault_of_old, api="merchantpro", methods=["GET"])
    job.stage.add_fault(fault_of_sizing, api="robosize", methods=["GET"])
    for host in ("old", "sizing"):
        job.hosts[host]["give_up_after_s"] = 0.5
    ended = job.run()
    assert ended.code == ended.summary["exit"] == 5, ended.told
    assert "Traceback" not in ended.told
    for host, word in zip(("old", "sizing"), words, strict=True):
        [error] = [line for line in ended.stderr.splitlines() if line.startswith(f"error: {host}: GET")]
        assert word in error
        assert "run again" in error.lower()
    assert job.stage.written() == 0
    job.stage.clear_faults()
    ended = job.run()
    assert ended.code == 0, ended.told
    job.check_all_equal()


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"data":{}}', b'"text"', b"null", b'{"results":[]}'])
def test_json_that_is_no_list_is_named(job: Job, body: bytes) -> None:
    with odd_host(lambda *_: (200, {}, body)) as host:
        job.with_orders()
        job.hosts["old"]["url"] = host.url
        told_once(job.run(), 5, "old: GET /api/v2/orders", "hosts.old.url")


@pytest.mark.parametrize(
    ("status", "location"), [(301, "https://www.shop.example/api/v2/orders?api_key=canary"), (302, "/login")]
)
@pytest.mark.parametrize("host", ["old", "new", "sizing"])
def test_a_redirect_is_not_followed_and_names_where_to(
    job: Job, host: str, status: int, location: str
) -> None:
    with odd_host(lambda *_: (status, {"Location": location}, b"")) as odd:
        job.with_orders().with_products()
        job.hosts[host]["url"] = odd.url
        ended = job.run("--route", "products" if host == "sizing" else "orders")
        told_once(ended, 2, f"hosts.{host}.url", location.partition("?")[0], str(status))
        assert "canary" not in ended.told
        assert odd.requests <= 3
    assert job.stage.written() == 0


# Rows as a host may send them, each with what becomes of it.
ODD_ROWS = {
    '{"id": 1, "n": 1}': "written",
    '{"n": 2}': "no-id",
    '{"id": null, "n": 3}': "no-id",
    '{"id": "", "n": 4}': "no-id",
    '{"id": "\\ud800", "n": 5}': "no-id",
    '{"id": 6, "n": NaN}': "not-json",
    '{"id": 7, "n": -Infinity}': "not-json",
    '{"id": 8, "n": "lone \\udfff"}': "not-json",
    '{"id": 9, "n": 1e999}': "refused",
    '{"id": 10, "n": 123456789012345678901234567890}': "written",
    '{"id": "95750870.3", "n": 0.1}': "written",
    '{"id": 12, "n": {"\\udc00": 1}}': "not-json",
    '{"id": 13, "date_modified": "\\ud83d", "n": 1}': "written",
    '[14, "no object"]': "no-id",
    '"no object"': "no-id",
    '{"id": [15], "n": 1}': "no-id",
    '{"id": true, "n": 1}': "no-id",
    '{"id": 17, "n": 1}': "written",
}


def test_odd_records_of_a_source_cost_themselves_alone(job: Job) -> None:
    dates = [f"2024-05-01T10:00:{second:02}+03:00" for second in range(len(ODD_ROWS))]
    rows = [
        row[:-1] + f', "date_created": "{date}"}}' if row.endswith("}") else row
        for row, date in zip(ODD_ROWS, dates, strict=True)
    ]
    job.with_fitting(mapper="mappers.py:keep").with_mapper(
        "def keep(record, context):\n"
        "    return {'store_id': str(record['id']), 'device_id': 'd', 'data': {'n': record['n']}}\n"
    )
    wanted = [cause for cause in ODD_ROWS.values() if cause != "written"]
    with odd_host(shop(rows, dates)) as host:
        job.hosts["old"]["url"] = host.url
        ended = job.run()
        assert ended.code == 3, ended.told
        assert ended.counts("fitting") == {
            "read": len(rows), "written": len(rows) - len(wanted), "rejected": len(wanted),
        }  # fmt: skip
        assert sorted(cause for _, cause, _ in job.failures().values()) == sorted(wanted)
        assert job.run().code == 3, "and once more is no different"
    there = by(job.stage.rows("robosize-orders"), "store_id")
    assert set(there) == {"1", "10", "95750870.3", "13", "17"}


def test_dates_without_a_zone_are_an_error_until_the_host_has_one(job: Job) -> None:
    dates = [f"2024-03-31T0{hour}:00:00" for hour in (1, 2, 4, 5)]
    rows = [f'{{"id": {n}, "date_created": "{date}"}}' for n, date in enumerate(dates)]
    job.with_fitting(mapper="mappers.py:keep").with_mapper(
        "def keep(record, context):\n    return {'store_id': str(record['id']), 'device_id': 'd', 'data': record}\n"
    )
    with odd_host(shop(rows, [f"{date}+02:00" for date in dates])) as host:
        job.hosts["old"]["url"] = host.url
        told_once(job.run(), 2, "old", "hosts.old.timezone", "Europe/Bucharest")
        job.hosts["old"]["timezone"] = "Europe/Bucarest"
        told_once(job.run(), 2, "hosts.old.timezone", '"Europe/Bucharest"')
        job.hosts["old"]["timezone"] = "Etc/GMT-2"
        ended = job.run()
        assert ended.code == 0, ended.told
    data = [row["data"]["date_created"] for row in job.stage.rows("robosize-orders")]
    assert sorted(data) == dates, "the dates travel as they came"


def test_a_ledger_of_a_newer_version_is_refused(job: Job) -> None:
    job.with_orders()
    assert job.run("--limit", "10").code == 0
    connection = sqlite3.connect(job.ledger)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    requests = job.stage.total()
    told_once(job.run(), 2, str(job.ledger), "newer", "--fresh")
    assert job.stage.total() == requests


@pytest.mark.parametrize(
    "content",
    [b"not a database at all, but long enough to be read as one" * 20, b"SQLite format 3\0" + b"?" * 600],
)
def test_a_file_that_is_no_ledger_is_left_alone(job: Job, content: bytes) -> None:
    job.with_orders()
    job.ledger.write_bytes(content)
    told_once(job.run(), 1, str(job.ledger), "--ledger")
    assert job.ledger.read_bytes() == content
    assert job.stage.total() == 0


def test_another_program_s_database_is_left_alone(job: Job) -> None:
    job.with_orders()
    connection = sqlite3.connect(job.ledger)
    connection.execute("CREATE TABLE records (mine TEXT)")
    connection.commit()
    connection.close()
    content = job.ledger.read_bytes()
    ended = job.run()
    assert ended.code in {1, 2}, ended.told
    assert str(job.ledger) in ended.stderr
    assert "Traceback" not in ended.told
    assert job.stage.total() == 0
    with sqlite3.connect(job.ledger) as again:
        assert again.execute("SELECT name FROM sqlite_master").fetchall() == [("records",)]
    assert len(job.ledger.read_bytes()) == len(content)


def test_a_folder_that_can_t_be_written_is_named(job: Job) -> None:
    job.with_orders().write()
    told_once(job.run("--ledger", str(job.folder / "nowhere" / "x.db")), 1, "nowhere", "--ledger")
    told_once(job.run("--ledger", "/proc/bulkmove.ledger.db"), 1, "/proc/bulkmove.ledger.db", "--ledger")
    ended = job.run("--ledger", str(job.folder))
    assert ended.code == 2, "click knows a folder from a file"
    if os.geteuid() != 0:  # nothing is forbidden to root
        job.folder.chmod(0o500)
        try:
            told_once(job.run(), 1, "can't be written", "--ledger")
        finally:
            job.folder.chmod(0o700)
    assert job.stage.total() == 0


@pytest.mark.parametrize(
    "arguments", [("--limit", "0"), ("--limit", "x"), ("--rout", "orders"), ("--route", "order")]
)
def test_a_wrong_command_line_ends_with_2_and_a_last_line(job: Job, arguments: tuple[str, ...]) -> None:
    ended = job.with_orders().run(*arguments)
    assert ended.code == 2, ended.told
    assert ended.summary == {"type": "summary", "exit": 2, "routes": {}}
    assert job.stage.total() == 0


def test_without_v_an_error_is_one_line_in_a_real_process_too(job: Job) -> None:
    job.with_orders(mapper="mappers.py:move").with_mapper("import no_such_module_at_all\n")
    ended = job.process()
    assert ended.code == 2, ended.told
    assert "Traceback" not in ended.stderr
    assert "mappers.py:move" in ended.stderr
    assert "no_such_module_at_all" in ended.stderr
    assert "Traceback" in job.process("-v").stderr


def test_a_filter_that_nothing_matches_is_asked_about(job: Job) -> None:
    job.with_orders(where={"customer_email": "nobody@example.ro"})
    ended = job.run("--json")
    notes = [line["text"] for line in ended.lines if line["type"] == "note"]
    assert "route orders: 0 records match where customer_email = nobody@example.ro: does it fit?" in notes
    assert ended.code == 0, ended.told
