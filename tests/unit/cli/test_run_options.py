"""Options of `run`, `status` and `failures`, where no host is asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bulkmove.cli.group import main

NOTHING = {"type": "summary", "exit": 2, "routes": {}}
TEXT = """
name = "x"

[hosts.old]
api = "merchantpro"
url = "http://127.0.0.1:9"
credentials = { key = "hunter2-key", secret = "hunter2-secret" }
timezone = "Europe/Bucharest"

[hosts.new]
api = "external-order"
url = "http://127.0.0.1:9"
credentials = { token = "hunter2-token" }
settle_s = 10

[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
options = { shop = 2 }
"""


@pytest.fixture(autouse=True)
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "migration.toml"
    path.write_text(TEXT)
    # A run's last words are that signals are ignored.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield path
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def last_line(result: Result) -> object:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", ["run", "status", "failures"])
def test_a_missing_file_points_to_init(command: str) -> None:
    result = run(command, "nowhere.toml")
    assert result.exit_code == 2
    assert result.stderr == "error: nowhere.toml: no such file; `bulkmove init` writes one to start from\n"


@pytest.mark.parametrize("command", [("status",), ("cutover", "status")])
def test_who_asks_the_ledger_alone_needs_no_credentials(
    command: tuple[str, ...], migration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OLD_KEY", raising=False)
    migration.write_text(TEXT.replace('"hunter2-key"', '"${OLD_KEY}"'))
    assert "OLD_KEY" in run("run").stderr
    asked = run(*command)
    assert (asked.exit_code, asked.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere.toml",),
        ("--limit", "0"),
        ("--limit", "many"),
        ("--no-such-option",),
        ("--progress", "sometimes"),
        ("a.toml", "b.toml"),
        ("--route", "ordres"),
        ("--fresh", "--dry-run"),
        ("--fresh", "--dry-run", "--yes"),
    ],
)
def test_what_is_refused_ends_with_2_and_the_last_line_all_the_same(arguments: tuple[str, ...]) -> None:
    result = run("run", "--json", *arguments)
    assert result.exit_code == 2
    assert last_line(result) == NOTHING
    assert result.stderr
    assert not Path("x.ledger.db").exists()


def test_the_last_line_is_compact() -> None:
    assert run("run", "nowhere.toml", "--json").stdout == '{"type":"summary","exit":2,"routes":{}}\n'


def test_json_can_be_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKMOVE_JSON", "1")
    assert last_line(run("run", "nowhere.toml")) == NOTHING
    assert last_line(run("run", "--limit", "0")) == NOTHING
    monkeypatch.setenv("BULKMOVE_JSON", "0")
    assert run("run", "--limit", "0").stdout == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BULKMOVE_VERBOSE", "1", "Traceback"),
        ("BULKMOVE_LOG_FORMAT", "json", '"level": "error", "event": "error", "text": "nowhere.toml'),
        ("BULKMOVE_PROGRESS", "sometimes", "Invalid value for '--progress'"),
        ("BULKMOVE_QUIET", "perhaps", "Invalid value for '--quiet'"),
    ],
)
@pytest.mark.parametrize("command", ["run", "status", "failures"])
def test_output_options_come_from_the_environment_too(
    command: str, name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = run(command, "nowhere.toml")
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_unknown_route_is_named_with_the_nearest() -> None:
    result = run("run", "--route", "ordres")
    assert "there is no route 'ordres'; did you mean 'orders'?" in result.stderr


def test_a_mistake_is_found_before_fresh_puts_the_ledger_aside(migration: Path) -> None:
    ledger = Path("x.ledger.db")
    ledger.write_bytes(b"")
    migration.write_text(TEXT.replace("{ shop = 2 }", '{ shop = "two" }'))
    assert run("run", "--fresh", "--yes").exit_code == 2
    assert list(Path().glob("x.ledger.db*")) == [ledger]


def test_status_of_a_migration_that_was_not_begun() -> None:
    nothing = dict.fromkeys(("read", "written", "unchanged", "skipped", "rejected", "unknown", "pending"), 0)
    assert last_line(run("status", "--json")) == {"type": "summary", "exit": 0, "routes": {"orders": nothing}}
    result = run("status")
    assert result.exit_code == 0
    assert "not begun" in result.stdout
    assert not Path("x.ledger.db").exists()


def test_failures_of_a_migration_that_was_not_begun() -> None:
    result = run("failures")
    assert (result.exit_code, result.stdout) == (0, "")
    assert run("failures", "--json").stdout == ""


def test_failures_of_a_route_that_is_not_there_are_a_mistake() -> None:
    result = run("failures", "--route", "ordres")
    assert result.exit_code == 2
    assert "there is no route 'ordres'; did you mean 'orders'?" in result.stderr


def test_warnings_go_to_stderr_and_hold_no_secret(migration: Path) -> None:
    migration.write_text(TEXT.replace("{ shop = 2 }", '{ shop = "two" }'))
    result = run("run", "--json", "-v")
    assert "warning: hosts.new.settle_s" in result.stderr
    assert "Traceback" in result.stderr
    assert "hunter2" not in result.output


def test_help_answers_without_loading_what_commands_need() -> None:
    heavy = "{'rich', 'pydantic', 'aiohttp', 'anyio', 'uvloop', 'orjson'}"
    script = (
        "import sys, bulkmove.cli\n"
        "try:\n    bulkmove.cli.main(['--help'])\n"
        f"finally:\n    sys.exit(str({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "run" in done.stdout
    assert done.stderr.strip() == "set()"


def test_run_help_tells_exit_codes_and_loads_no_pipeline() -> None:
    script = (
        "import sys, bulkmove.cli\n"
        "try:\n    bulkmove.cli.main(['run', '--help'])\n"
        "finally:\n    sys.exit(str({'rich', 'pydantic', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert "Ends with 0" in done.stdout
    assert done.stderr.strip() == "set()"
