"""What a terminal shows while a run goes."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.cells import cell_len

from bulkmove.events import HostSample, Note, Phase, RecordsSettled, RouteFinished, RouteStarted
from bulkmove.model import Counts
from bulkmove.report.bars import Bars, picture
from bulkmove.report.standing import Standing


class Terminal(io.StringIO):
    """What is written to one."""

    def isatty(self) -> bool:
        return True


def standing_of(*, expected: int | None = 1000, settled: int = 0) -> Standing:
    now = [0.0]
    standing = Standing(clock=lambda: now[0])
    standing.on_event(RouteStarted("orders", Counts(), expected))
    now[0] = 2.0
    standing.on_event(RecordsSettled("orders", "written", settled))
    return standing


def lines_of(standing: Standing, width: int = 120, *, is_ascii: bool = False) -> list[str]:
    return [line.plain for line in picture(standing, width=width, is_ascii=is_ascii)]


def test_a_known_total_gives_a_share_and_a_time_left() -> None:
    head, orders = lines_of(standing_of(expected=4000, settled=1000))
    assert head.split() == ["0:02", "read", "written", "failed", "records/s", "left"]
    assert orders.split()[2:] == ["25", "%", "0", "1,000", "0", "500", "0:06"]
    assert orders.split()[1] == "━" * 8 + "─" * 24


def test_a_total_that_is_not_known_gives_neither() -> None:
    _, orders = lines_of(standing_of(expected=None, settled=1000))
    assert "%" not in orders
    assert orders.split()[-1] == "500"
    assert orders.count("━") == 8


def test_a_bar_of_unknown_length_wanders() -> None:
    now = [0.0]
    standing = Standing(clock=lambda: now[0])
    standing.on_event(RouteStarted("orders", Counts(), None))
    seen = set()
    for tenth in range(40):
        now[0] = tenth / 10
        seen.add(lines_of(standing)[1])
    assert len(seen) > 10


def test_100_percent_is_not_said_before_all_is_settled() -> None:
    assert " 99 %" in lines_of(standing_of(expected=1000, settled=999))[1]


@pytest.mark.parametrize(("is_complete", "said"), [(True, "done"), (False, "stopped")])
def test_an_ended_route_says_how_it_ended(is_complete: bool, said: str) -> None:  # noqa: FBT001  a value of the table
    standing = standing_of()
    standing.on_event(RouteFinished("orders", Counts(written=1000), is_complete))
    assert lines_of(standing)[1].endswith(said)


def test_phase_and_other_outcomes_stand_below_their_route() -> None:
    standing = standing_of()
    standing.on_event(RecordsSettled("orders", "unchanged", 1200))
    standing.on_event(Phase("orders", "reading the target's keys"))
    assert lines_of(standing)[2].strip() == "1,200 unchanged, reading the target's keys"
    standing.on_event(Phase("orders", ""))
    assert lines_of(standing)[2].strip() == "1,200 unchanged"


def test_a_host_shows_its_budget_and_its_pause() -> None:
    standing = standing_of()
    standing.on_event(HostSample("old", 9, 3.97, 4.0, 16, 0.0, None))
    standing.on_event(HostSample("new", 9, 1204.0, None, 3, 41.0, "429 with Retry-After: 60"))
    old, new = lines_of(standing)[-2:]
    assert old.split() == ["old", "4.0", "of", "4.0", "requests/s", "16", "in", "flight"]
    assert new == "new  1,204 requests/s          3 in flight  paused 0:41: 429 with Retry-After: 60"


@pytest.mark.parametrize("width", range(58, 160, 3))
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(width: int) -> None:
    standing = Standing()
    standing.on_event(RouteStarted("products-of-the-second-shop", Counts(written=1_234_567), 2_000_000))
    standing.on_event(RouteStarted("orders", Counts(rejected=3), None))
    standing.on_event(Note("a note that goes on and on and on " * 5))
    lines = lines_of(standing, width)
    assert max(map(cell_len, lines)) <= width
    assert lines[1].count("1,234,567") == 2
    assert lines[1].index("1,234,567") + 9 == lines[0].index("read") + 4


def test_without_unicode_bars_are_ascii() -> None:
    orders = lines_of(standing_of(expected=1000, settled=500), is_ascii=True)[1]
    assert orders.isascii()
    assert "=" * 16 + "-" * 16 in orders


def test_a_long_note_is_shown_whole_on_lines_of_its_own() -> None:
    standing = standing_of()
    standing.on_event(Note("one second holds a page of rows in no stable order, which is no proof"))
    assert lines_of(standing, 60)[-2:] == [
        "note: one second holds a page of rows in no stable order,",
        "  which is no proof",
    ]


def test_a_sign_that_the_terminal_adds_behind_the_picture_leaves_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`^C` behind a line that is full would begin another one."""
    monkeypatch.setenv("COLUMNS", "60")
    written = Terminal()
    with Bars(standing_of(), written):
        pass
    *_, last, _ = written.getvalue().split("\x1b[?25h")[0].split("\n")
    assert not last.strip()


def on_screen(written: str) -> list[str]:
    """The lines that a terminal shows: of its controls, those that go up a line and erase one."""
    lines, at = [""], 0
    for part in re.split(r"(\r?\n|\r|\x1b\[[0-9;?]*[A-Za-z])", written):
        if part.endswith("\n"):
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part == "\x1b[1A":
            at -= 1
        elif part == "\x1b[2K":
            lines[at] = ""
        elif not part.startswith(("\r", "\x1b")):
            lines[at] += part
    return [line.rstrip() for line in lines if line.strip()]


def test_what_is_printed_while_the_bars_are_hidden_stays_whole() -> None:
    """The records of a canary, and the question after them."""
    written = Terminal()
    standing = standing_of()
    shown = [f"field {number}" for number in range(12)]
    with Bars(standing, written):
        for block in (shown[:6], shown[6:11]):
            time.sleep(0.5)  # so that they are drawn
            with standing.hidden():
                written.writelines(f"{line}\n" for line in block)
        time.sleep(0.5)
        with standing.hidden():
            written.write(f"{shown[11]}\n")
    assert on_screen(written.getvalue()) == shown


def test_the_last_notes_alone_are_shown_and_markup_in_them_is_text() -> None:
    standing = standing_of()
    for number in range(5):
        standing.on_event(Note(f"[bold]{number}"))
    assert [line for line in lines_of(standing) if line.startswith("note")] == [
        "note: [bold]2",
        "note: [bold]3",
        "note: [bold]4",
    ]
