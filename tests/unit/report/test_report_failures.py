"""Failures by cause, and one record's story, as people see them."""

from __future__ import annotations

import pytest

from bulkmove.ledger.failing import Group
from bulkmove.pipeline.causes import hint
from bulkmove.report.failures import group_lines

GROUPS = [
    Group("orders", "rejected", "refused", 12_345, "10000034"),
    Group("a-route-of-some-length", "unknown", "differs", 1, "x" * 60),
    Group("orders", "rejected", "", 2, "7"),
]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200, None])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_left_out(width: int | None) -> None:
    lines = [line.plain.rstrip() for line in group_lines(GROUPS, hint=hint, width=width)]
    if width is not None and width >= 100:
        assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for group in GROUPS:
        assert group.route in text
        assert f"{group.records:,}" in text
        for word in hint(group.cause).split():
            assert word in text
    assert "no cause" in text


def test_hints_stand_below_where_there_is_no_room_beside() -> None:
    wide = [line.plain for line in group_lines(GROUPS[:1], hint=hint, width=120)]
    narrow = [line.plain for line in group_lines(GROUPS[:1], hint=hint, width=80)]
    assert wide[0].endswith("what to do")
    assert wide[1].endswith("mend the mapper or the data, then retry --remap")
    assert narrow[2].strip() == "mend the mapper or the data, then retry --remap"
    assert all(len(line) <= 80 for line in narrow)
