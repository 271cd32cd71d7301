"""Sentences on a terminal."""

from __future__ import annotations

import io
import os
import pty

import pytest

from bulkmove.report.prose import hung, width_of


def test_what_does_not_fit_hangs_below_its_first_line() -> None:
    assert hung("note: one two three four five six", 20) == "note: one two three\n  four five six"


def test_no_word_is_broken_and_lines_stay() -> None:
    path = "/external/external-order/{id}/address/"
    assert hung(f"error: {path}\nnext", 20) == f"error:\n  {path}\nnext"


def test_what_is_no_terminal_has_no_width() -> None:
    text = "a " * 200
    assert hung(text, width_of(io.StringIO())) == text


def test_a_terminal_has_the_width_that_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setenv("COLUMNS", "63")
        assert width_of(terminal) == 63
    os.close(ours)
