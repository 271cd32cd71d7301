"""Failures written to a file."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkmove.errors import ConfigError
from bulkmove.ledger.failing import Detail
from bulkmove.model import Failure
from bulkmove.pipeline.causes import hint
from bulkmove.pipeline.exporting import write_failures


def detail(source_id: str = "7", message: str = "no", **given: object) -> Detail:
    values: dict[str, object] = {
        "part": 0, "target_id": None, "record": None, "mapped": None, "answer": None, "answered": None,
        "sent_at": None, "attempts": 0, **given,
    }  # fmt: skip
    return Detail(Failure("orders", source_id, "rejected", "refused", message), **values)  # type: ignore[arg-type]


def test_json_lines_keep_the_digits_of_records_and_bodies(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    body = b'{"total":12.50,"id":123456789012345678901234567890}'
    assert write_failures(file, [detail(mapped=body, sent_at=0.0)]) == 1
    assert body in file.read_bytes()
    row = json.loads(file.read_text("utf-8"))
    assert (row["source_id"], row["record"], row["sent_at"]) == ("7", None, "1970-01-01T00:00:00+00:00")
    assert row["hint"] == hint("refused")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("evil", ['=HYPERLINK("http://x")', "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(tmp_path: Path, evil: str) -> None:
    file = tmp_path / "x.csv"
    row = detail(source_id=evil, message=evil, answer=evil, target_id=evil, mapped=b'{"a":"=1"}', attempts=3)
    assert write_failures(file, [row]) == 1
    with file.open(newline="", encoding="utf-8") as opened:
        [found] = csv.DictReader(opened)
    assert [found[name] for name in ("source_id", "message", "answer", "target_id")] == [f"'{evil}"] * 4
    assert (found["mapped"], found["attempts"], found["record"]) == ('{"a":"=1"}', "3", "")


def test_what_could_not_be_written_whole_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("as it was")

    def broken() -> Iterator[Detail]:
        yield detail()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_failures(file, broken())
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]
    assert file.read_text() == "as it was"


@pytest.mark.parametrize("name", ["x.xlsx", "x", "nowhere/x.csv"])
def test_a_file_of_another_kind_or_without_a_place_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        write_failures(tmp_path / name, [])
