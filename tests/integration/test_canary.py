"""No credential stands in anything that is written or said, whatever a host answers and however a command ends."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import threading
import time
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.integration.canaries import (
    CANARIES,
    Answer,
    Asked,
    Leak,
    Misbehave,
    found_in,
    leaks_in,
    misbehaving,
)
from tests.integration.moving import COMMAND, Ended, Job, Stage, Stages, invoke
from tests.integration.wire import closed_port

CREDENTIALS = {
    "old": {"key": "${OLD_KEY}", "secret": "${OLD_SECRET}"},
    "new": {"token": "${NEW_TOKEN}"},
    "sizing": {"api_key": "${SIZING_KEY}"},
}


@pytest.fixture
def stage(sandbox: Stages) -> Stage:
    return sandbox(
        orders=25,
        products=12,
        merchantpro_key=CANARIES["OLD_KEY"],
        merchantpro_secret=CANARIES["OLD_SECRET"],
        external_token=CANARIES["NEW_TOKEN"],
        robosize_api_key=CANARIES["SIZING_KEY"],
    )


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The credentials, and a place of its own for whatever is put aside for a moment."""
    for name, canary in CANARIES.items():
        monkeypatch.setenv(name, canary)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)


class Told:
    """What commands said, by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: dict[str, str] = {}

    def note(self, name: str, ended: Ended) -> Ended:
        self.said[f"{name}: stdout"], self.said[f"{name}: stderr"] = ended.stdout, ended.stderr
        return ended

    def check(self) -> None:
        """Nothing that was said or written holds a part of a credential, and nobody else may read what was written."""
        assert leaks_in(self.folder, self.said) == set()
        given = {"migration.toml", "ids.csv", "mappers.py", "decisions.toml.orig"}
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name not in given and path.suffix != ".pyc":
                mode = stat.S_IMODE(path.stat().st_mode)
                assert mode == 0o600, f"{path.name} is {mode:o}"


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    umask = os.umask(0)  # what is private then is made so
    try:
        yield Told(tmp_path)
    finally:
        os.umask(umask)


def job_at(url: str, stage: Stage, folder: Path, **hosts: Any) -> Job:
    job = Job(folder, stage)
    for name, credentials in CREDENTIALS.items():
        job.hosts[name] |= {
            "url": url,
            "credentials": credentials,
            "timeout_s": 0.3,
            "settle_s": 0.05,  # nothing is proven here of what was written
            "give_up_after_s": 0.05,
            **hosts,
        }
    return job.with_all_routes()


# --- what hosts say back ------------------------------------------------------------------------------------


def everything_of(asked: Asked) -> str:
    """The request in every spelling that hosts print it in."""
    echo = asked.echo()
    tokens = [
        value
        for name, value in asked.headers.items()
        if name.lower() in {"api-token", "token", "authorization"}
    ]
    spelt = [quote(text, safe="") for text in (echo, *tokens)] + [
        b64encode(text.encode()).decode() for text in tokens
    ]
    return "\n".join([echo, html.escape(echo), json.dumps(echo), *spelt])


def in_json(asked: Asked, **more: Any) -> bytes:
    said = everything_of(asked)
    error = {"name": "invalid", "message": said, "details": {"request": said}}
    return json.dumps({"detail": said, "error": error, "errors": [said], **more}).encode()


def page(asked: Asked) -> bytes:
    return f"<html><h1>Error</h1><pre>{everything_of(asked)}</pre></html>".encode()


def _always(status: int, body: Callable[[Asked], bytes], **headers: str) -> Misbehave:
    return lambda asked: (
        status,
        {name.replace("_", "-"): text for name, text in headers.items()},
        body(asked),
    )


def _writes(status: int, body: Callable[[Asked], bytes]) -> Misbehave:
    def misbehave(asked: Asked) -> Answer | None:
        return None if asked.method == "GET" else (status, {}, body(asked))

    return misbehave


def _redirect(asked: Asked) -> Answer:
    where = f"https://elsewhere.example/{quote(everything_of(asked), safe='')}?{everything_of(asked)}"
    return 302, {"Location": re.sub(r"[\r\n]+", "", where)[:6000]}, b""


def _slow(asked: Asked) -> Answer:
    time.sleep(0.4)
    return 200, {}, in_json(asked)


def _rows_refused(asked: Asked) -> Answer | None:
    if asked.method == "GET":
        return None
    sent = json.loads(asked.body)
    row = {"errors": {"request": [everything_of(asked)]}}
    return 200, {}, json.dumps([row] * len(sent) if isinstance(sent, list) else row).encode()


def _bad_array(asked: Asked) -> Answer | None:
    if asked.method == "GET":
        return None
    sent = json.loads(asked.body)
    errors = [{"rrn": [everything_of(asked)]}, *([{}] * (len(sent) - 1))] if isinstance(sent, list) else {}
    return 400, {}, json.dumps(errors or {"detail": everything_of(asked)}).encode()


def _type(asked: Asked) -> Answer:
    return (
        200,
        {"Content-Type": f"text/{quote(everything_of(asked), safe='')[:3000]}", "X-Request-Id": asked.target},
        b"<",
    )


MODES: dict[str, tuple[Misbehave, set[int]]] = {
    "401 with the request in it": (_always(401, in_json, WWW_Authenticate="Basic"), {6}),
    "403 with the request in it": (_always(403, in_json), {6}),
    "404 with the request in it": (_always(404, in_json), {2}),
    "400 for all": (_always(400, in_json), {5}),
    "400 for writes": (_writes(400, in_json), {3}),
    "400 for one of an array": (_bad_array, {3}),
    "200 with errors in its rows": (_rows_refused, {3}),
    "500 as a page": (_always(500, page, Content_Type="text/html"), {5}),
    "a redirect with the key in it": (_redirect, {2}),
}


@pytest.mark.parametrize("mode", MODES)
def test_no_run_tells_a_credential_whatever_its_hosts_say(mode: str, stage: Stage, told: Told) -> None:
    misbehave, codes = MODES[mode]
    with misbehaving(stage.url, misbehave) as url:
        # All of these answer: on a busy machine a short deadline would end the run before they do.
        job = job_at(url, stage, told.folder, timeout_s=10)
        assert told.note("run", job.run("-v")).code in codes, told.said
        told.note("failures", job.run(command="failures"))
    told.check()


PASSING: tuple[Misbehave, ...] = (
    _always(429, in_json, Retry_After="0.1"),
    _always(503, page, Retry_After="0.1"),
    _always(500, page, Content_Type="text/html"),
    _always(200, page, Content_Type="text/html"),
    _always(200, lambda asked: in_json(asked)[:-5]),
    _type,
    _slow,
    lambda _: (0, {}, b""),
)


def test_what_passes_is_told_without_a_credential(stage: Stage, told: Told) -> None:
    """Every other read fails in one way after the other, and so does every other write."""
    left = {"GET": list(PASSING), "POST": list(PASSING[:4])}
    asked: Counter[str] = Counter()

    def misbehave(request: Asked) -> Answer | None:
        asked[request.method] += 1
        ways = left.get(request.method)
        return ways.pop(0)(request) if ways and asked[request.method] % 2 else None

    with misbehaving(stage.url, misbehave) as url:
        job = job_at(url, stage, told.folder, give_up_after_s=20)
        told.note("run", job.run("-v"))
        told.note("failures", job.run(command="failures"))
    assert not left["GET"]
    told.check()


# Of these each command has enough at once.
FINAL = (
    "401 with the request in it",
    "404 with the request in it",
    "400 for all",
    "a redirect with the key in it",
)


@pytest.mark.parametrize("mode", FINAL)
def test_no_other_command_tells_a_credential_whatever_its_hosts_say(
    mode: str, stage: Stage, told: Told
) -> None:
    misbehave, _ = MODES[mode]
    with misbehaving(stage.url, misbehave) as url:
        job = job_at(url, stage, told.folder)
        told.note("run in JSON", job.run("--log-format", "json"))
        told.note("status", job.run(command="status"))
        told.note("doctor", job.run(command="doctor"))
        told.note("plan", job.run(command="plan"))
        told.note("read", invoke("read", str(job.file), "sizing.products", "--limit", "2", "--json"))
        told.note("call", invoke("call", str(job.file), "old", "get-order", "--param", "id=1", "-v"))
        told.note("call in JSON", invoke("call", str(job.file), "sizing", "list-orders", "--json"))
    told.check()


def test_no_command_tells_a_credential_where_all_is_well(stage: Stage, told: Told) -> None:
    job = job_at(stage.url, stage, told.folder)
    commands: dict[str, tuple[str, ...]] = {
        "validate": ("config", "validate"),
        "show": ("config", "show"),
        "show in JSON": ("config", "show", "--json"),
        "doctor": ("doctor",),
        "doctor in JSON": ("doctor", "--json"),
        "plan": ("plan", "-v"),
        "dry run": ("run", "--dry-run", "-v"),
        "run": ("run", "-v", "--json"),
        "run again": ("run", "-v"),
        "status": ("status",),
        "status in JSON": ("status", "--json"),
        "failures": ("failures",),
    }
    job.write()
    for name, (first, *rest) in commands.items():
        at = [first, *(rest if first == "config" else [str(job.file), *rest])]
        if first == "config":
            at = [first, rest[0], str(job.file), *rest[1:]]
        ended = told.note(name, invoke(*at))
        assert ended.code == 0, ended.told
    by_hand = [
        ("read", "old.orders"),
        ("read", "sizing.products"),
        ("call", "sizing"),
        ("call", "sizing", "list-products", "--param", "limit=5"),
    ]
    for arguments in by_hand:
        ended = told.note(" ".join(arguments), invoke(arguments[0], str(job.file), *arguments[1:]))
        assert ended.code == 0, ended.told
    # The sandbox repeats the key in its `next` links, as the real API does.
    assert "api_key=***" in told.said["call sizing list-products --param limit=5: stdout"]
    told.check()


@pytest.mark.parametrize("name", CREDENTIALS)
def test_wrong_credentials_are_not_told(
    name: str, stage: Stage, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canaries are refused by a sandbox that knows others."""
    job = job_at(stage.url, stage, told.folder)
    variable = {"old": "OLD_SECRET", "new": "NEW_TOKEN", "sizing": "SIZING_KEY"}[name]
    monkeypatch.setenv(variable, CANARIES[variable] + "x")
    for command in ("run", "doctor"):
        assert told.note(command, job.run("-v", command=command)).code == 6
    told.check()


# --- hosts that are not there ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{closed}", "https://127.0.0.1:{sandbox}"], ids=["refused", "no TLS"]
)
def test_a_host_that_is_not_reached_is_not_told_a_credential(url: str, stage: Stage, told: Told) -> None:
    port = stage.url.rpartition(":")[2]
    job = job_at(url.format(closed=closed_port(), sandbox=port), stage, told.folder)
    assert told.note("run", job.run("-v")).code == 5
    assert told.note("doctor", job.run("-v", command="doctor")).code == 5
    told.check()


@pytest.mark.parametrize(("scheme", "status"), [("http", 407), ("https", 407), ("https", 502), ("https", 0)])
def test_what_a_proxy_says_is_not_told(
    scheme: str, status: int, stage: Stage, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Asked] = []

    def misbehave(asked: Asked) -> Answer:
        seen.append(asked)
        return status, {"Proxy-Authenticate": "Basic"}, in_json(asked)

    with misbehaving(stage.url, misbehave) as url:
        proxy = url.replace("http://", f"http://me:{CANARIES['PROXY_PASSWORD']}@")
        monkeypatch.setenv("ALL_PROXY", proxy)
        job = job_at(f"{scheme}://shop.invalid", stage, told.folder)
        assert told.note("run", job.run("-v")).code == 5
    assert seen
    if scheme == "https":
        assert {name for asked in seen for name in found_in(asked.echo().encode())} <= {"PROXY_PASSWORD"}
    told.check()


# --- what breaks ------------------------------------------------------------------------------------------------

BREAKING = """
import os

def breaking(record, context):
    raise RuntimeError(f"{record['id']}: {os.environ['NEW_TOKEN']} {os.environ['OLD_SECRET']}")
"""


def test_a_mapper_that_breaks_with_a_credential_in_its_words_tells_none(stage: Stage, told: Told) -> None:
    job = job_at(stage.url, stage, told.folder).with_mapper(BREAKING)
    job.routes["orders"] |= {"mapper": "mappers.py:breaking"}
    del job.routes["orders"]["options"]
    assert told.note("run", job.run("-v")).code == 3
    assert len(told.note("failures", job.run(command="failures")).lines) == 25
    told.check()


@pytest.mark.parametrize("spelt", ["{url!r} {headers!r}", "no route to {url}", "token {headers}", "{plain}"])
def test_a_defect_of_another_library_is_told_without_a_credential(
    spelt: str, stage: Stage, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback is asked for, and the exception holds the address and the headers of the request."""

    whole = aiohttp.ClientSession._request

    async def break_down(session: aiohttp.ClientSession, method: str, url: Any, **more: Any) -> Any:
        if "_sandbox" in str(url):
            return await whole(session, method, url, **more)
        plain = " ".join(list(CANARIES.values())[:-1])
        raise RuntimeError(spelt.format(url=url, headers=dict(more["headers"]), plain=plain))

    monkeypatch.setattr(aiohttp.ClientSession, "_request", break_down)
    job = job_at(stage.url, stage, told.folder)
    ended = told.note("run", job.run("-v"))
    assert ended.code == 1
    assert "Traceback" in ended.stderr
    assert "RuntimeError" in ended.stderr
    told.note("call", invoke("call", str(job.file), "old", "get-order", "--param", "id=1", "-v"))
    told.note("doctor", job.run("-v", command="doctor"))
    told.check()


def test_a_process_that_is_killed_leaves_no_credential_behind(stage: Stage, told: Told) -> None:
    """Killed at a write, each time in another way, with Python's own handler of faults on; then run to its end."""
    signals = [signal.SIGSEGV, signal.SIGKILL]
    processes: list[subprocess.Popen[bytes]] = []
    one_by_one = (
        threading.Lock()
    )  # writes come side by side, and a second signal would cut off what the first has it say

    def kill(asked: Asked) -> Answer | None:
        with one_by_one:
            if asked.method == "GET" or len(processes) > len(signals) or processes[-1].poll() is not None:
                return None
            processes[-1].send_signal(signals[len(processes) - 1])
            processes[-1].wait(10)
            return 0, {}, b""

    with misbehaving(stage.url, kill) as url:
        job = job_at(url, stage, told.folder, timeout_s=5)
        job.write()
        for number in signals:
            command = [COMMAND[0], "-X", "faulthandler", *COMMAND[1:], "run", str(job.file), "-v", "--json"]
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                processes.append(process)
                stdout, stderr = process.communicate(timeout=30)
            told.note(number.name, Ended(process.returncode, stdout.decode(), stderr.decode()))
            assert process.returncode == -number
            told.check()
        assert "Fatal Python error: Segmentation fault" in told.said["SIGSEGV: stderr"]
        processes.append(process)
        assert told.note("run", job.run("-v")).code == 0
    told.check()


# --- the search itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize(
    "spelt",
    [str, lambda text: quote(text, safe=""), json.dumps, html.escape,
     lambda text: b64encode(text.encode()).decode(), lambda text: b64encode(b"x" + text.encode()).decode(),
     lambda text: b64encode(b"me:" + text.encode()).decode(), lambda text: text[4:14], lambda text: text.encode().hex()],
    ids=["as it is", "link", "JSON", "HTML", "base64", "base64 behind one", "Basic", "a part", "hex"],
)  # fmt: skip
def test_the_search_finds_a_planted_credential(
    canary: str, spelt: Callable[[str], str], tmp_path: Path
) -> None:
    planted = f"… {spelt(CANARIES[canary])} …"
    (tmp_path / "report.html").write_text(planted, encoding="utf-8")
    assert {Leak("report.html", canary), Leak("stderr", canary)} <= leaks_in(tmp_path, {"stderr": planted})
    (tmp_path / "report.html").unlink()
    assert leaks_in(tmp_path, {"stderr": "all is well"}) == set()


def test_the_search_looks_into_what_a_ledger_keeps_compressed(tmp_path: Path) -> None:
    packed = zlib.compress(json.dumps({"token": CANARIES["NEW_TOKEN"]}).encode() * 3)
    with closing(sqlite3.connect(tmp_path / "job.ledger.db")) as database:
        database.execute("CREATE TABLE pages (body BLOB)")
        database.execute("INSERT INTO pages VALUES (?)", (packed,))
        database.commit()
    assert leaks_in(tmp_path, {}) == {Leak("job.ledger.db: pages", "NEW_TOKEN")}
