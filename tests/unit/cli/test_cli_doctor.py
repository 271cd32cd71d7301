"""The command `doctor`: what it prints and what it ends with, where no host has to answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from bulkmove.cli.group import main
from bulkmove.model import Finding
from bulkmove.report.doctor import host_block

MIGRATION = """
name = "m"

[hosts.sizing]
api = "robosize"
url = "http://127.0.0.1:{port}"
credentials = {{ api_key = "${{ROBOSIZE_KEY}}" }}
give_up_after_s = 0.1

[routes.products]
source = "sizing.products"
target = "sizing.products"
mapper = "robosize-relink"
options = {{ ids = "ids.csv" }}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A migration whose only host is not there."""
    monkeypatch.setenv("ROBOSIZE_KEY", "a-key-that-is-secret")
    with (
        socket.socket() as taken
    ):  # bound and never listened at: nobody else gets the port, and nobody answers
        taken.bind(("127.0.0.1", 0))
        path = tmp_path / "migration.toml"
        path.write_text(MIGRATION.format(port=taken.getsockname()[1]), encoding="utf-8")
        yield path


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def lines_of(result: Result) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def test_a_host_that_is_down_is_told_and_ends_with_5(file: Path) -> None:
    result = doctor(str(file))
    assert result.exit_code == 5
    assert "✗ bad" in result.stdout
    assert "could not connect" in result.stdout
    assert result.stdout.splitlines()[-1] == "sizing: not ready: 1 bad, 1 assumed"
    assert "a-key-that-is-secret" not in result.output


def test_json_has_a_line_a_finding_and_ends_with_the_exit_code(file: Path) -> None:
    result = doctor(str(file), "--json")
    *findings, last = lines_of(result)
    assert last == {"type": "doctor", "exit": 5}
    assert {tuple(line) for line in findings} == {("type", "host", "question", "verdict", "text", "setting")}
    assert [(line["host"], line["question"]) for line in findings if line["verdict"] == "bad"] == [
        ("sizing", "address")
    ]


def test_json_ends_with_its_line_when_the_configuration_can_not_be_read(tmp_path: Path) -> None:
    result = doctor(str(tmp_path / "none.toml"), "--json")
    assert lines_of(result) == [{"type": "doctor", "exit": 2}]
    assert "no such file" in result.stderr


def test_a_host_that_is_not_there_is_named_with_the_nearest(file: Path) -> None:
    result = doctor(str(file), "--host", "sizzing")
    assert result.exit_code == 2
    assert "there is no host 'sizzing'; did you mean 'sizing'?" in result.stderr


FINDINGS = [
    Finding("address", "good", "answers"),
    Finding(
        "orders: pages",
        "note",
        "a sentence that is so long that it can't stand on one line of eighty columns",
    ),
    Finding("rate", "assumed", "10/s: no limit is published", 'rate = ["10/s"]'),
    Finding("orders: key", "bad", "no row shows 'rrn'"),
]


def block(*findings: Finding, width: int | None = None) -> list[str]:
    return [line.plain for line in host_block("new", "shop", "https://x.example", findings, width=width)]


def test_what_concerns_one_stream_stands_together_under_its_host() -> None:
    assert block(*FINDINGS) == [
        "new  shop  https://x.example",
        "  ✓ good     address        answers",
        "  ! note     orders: pages  a sentence that is so long that it can't stand on one line of eighty columns",
        "  ✗ bad      orders: key    no row shows 'rrn'",
        "  ? assumed  rate           10/s: no limit is published",
        '                            in [hosts.new]: rate = ["10/s"]',
        "new: not ready: 1 bad, 1 to know, 1 assumed",
    ]


def test_long_texts_hang_below_their_first_line_at_the_width_that_there_is() -> None:
    lines = block(*FINDINGS, Finding("a question that is longer than its column", "good", "yes"), width=80)
    assert max(map(len, lines)) <= 80
    assert lines[2:4] == [
        "  ! note     orders: pages  a sentence that is so long that it can't stand on",
        "                            one line of eighty columns",
    ]
    assert lines[-3:-1] == ["  ✓ good     a question that is longer than its column", " " * 28 + "yes"]


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        (FINDINGS[:1], "new: ready"),
        (FINDINGS[:3], "new: ready, 1 to know, 1 assumed"),
        ([], "new: ready"),
    ],
)
def test_the_last_line_is_the_verdict(findings: list[Finding], verdict: str) -> None:
    assert block(*findings)[-1] == verdict


def test_a_command_line_that_is_wrong_has_its_last_line_too() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "--no-such-option"])
    assert result.exit_code == 2
    assert orjson.loads(result.stdout) == {"type": "doctor", "exit": 2}
