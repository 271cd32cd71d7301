"""What `bulkmove undo` says of a route."""

from __future__ import annotations

import pytest

from bulkmove.cutover.undo import RouteUndo
from bulkmove.ledger.undoing import Refused
from bulkmove.report.undo import tell_undo_json, tell_undo_text


def text_of(route: RouteUndo, shown: pytest.CaptureFixture[str]) -> str:
    tell_undo_text({"orders": route}, [], is_dry=False)
    return shown.readouterr().out


def test_there_is_nothing_to_undo_only_where_nothing_may_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to undo" in text_of(RouteUndo(), capsys)
    told = text_of(RouteUndo(unknown=2), capsys)
    assert "nothing to undo" not in told
    assert "2 records are of unknown fate" in told


def test_a_row_whose_id_is_not_known_is_named_by_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    left = RouteUndo(left={"no-id": 1}, named=[Refused("11", None, "no-id", "its rrn is N-11")])
    told = text_of(left, capsys)
    assert "nothing to undo" not in told
    assert "\n    record 11: its rrn is N-11\n" in told
    tell_undo_json({"orders": left}, [], is_dry=False)
    assert '"source_id":"11","target_id":null,"cause":"no-id"' in capsys.readouterr().out
