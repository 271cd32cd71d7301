"""What a terminal shows while a run goes: a bar a route, a line a host, and the last notes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from bulkmove.events import HostSample
from bulkmove.report import amounts
from bulkmove.report.prose import hung
from bulkmove.report.standing import RouteStanding, Standing

REDRAWS_PER_S = 5
_MOST_NOTES = 3
_LONGEST_NAME = 24
_SHORTEST_NAME = 8
_LONGEST_BAR = 32
_SHORTEST_BAR = 8
_PULSES_PER_S = 0.5
_GAP = "  "


class Bars:
    """Draws a standing while it is entered, a few times a second from a thread of its own, and then erases it."""

    def __init__(self, standing: Standing, stream: TextIO) -> None:
        self._standing = standing
        self._console = Console(file=stream, highlight=False)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._draw()
        self._standing.hidden = self._hidden
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._erase()

    @contextmanager
    def _hidden(self) -> Iterator[None]:
        self._erase()
        try:
            yield
        finally:
            self._draw()

    def _draw(self) -> None:
        # Always a new one: one that was stopped takes what was printed since for its own picture, and erases that.
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=REDRAWS_PER_S,
            transient=True,
            # Whatever else is printed meanwhile goes above the bars; stdout only where it is the same terminal.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=True,
        )
        self._live.start()

    def _erase(self) -> None:
        if self._live is not None:
            self._live.stop()

    def _picture(self) -> Group:
        # The last column stays free: some terminals begin a new line when it is written to.
        width = self._console.width - 1
        lines = picture(self._standing, width=width, is_ascii=self._console.options.ascii_only)
        # The terminal writes `^C` where the cursor is. Behind a full line it would begin a new one, and a line of the
        # picture would stay when it is erased.
        return Group(*lines, Text(""))


def picture(standing: Standing, *, width: int, is_ascii: bool = False) -> list[Text]:
    """The lines to draw now, each at most `width` wide where numbers leave that much room."""
    now = standing.clock()
    # The run adds routes and hosts from another thread: each dict is copied before it is gone through.
    routes, hosts = list(standing.routes.values()), list(standing.hosts.values())
    for route in routes:
        route.mark(now)
    head = ("read", standing.written, "failed", "records/s", "left")
    lines = _route_lines(routes, standing.elapsed_s, head=head, width=width, is_ascii=is_ascii)
    if hosts:
        lines += [Text(""), *_host_lines(hosts)]
    lines += [
        Text(line, "yellow")
        for note in standing.notes[-_MOST_NOTES:]
        for line in hung(f"note: {note.text}", width).split("\n")
    ]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _route_lines(
    routes: Sequence[RouteStanding],
    elapsed_s: float,
    *,
    head: Sequence[str],
    width: int,
    is_ascii: bool,
) -> list[Text]:
    rows = [_numbers(route) for route in routes]
    widths = [
        max(map(len, column)) for column in zip(head, *([t for t, _ in row] for row in rows), strict=True)
    ]
    percents = [_percent(route) for route in routes]
    percent_width = max(map(len, percents), default=0)
    taken = sum(widths) + len(_GAP) * len(widths) + (percent_width and percent_width + len(_GAP))
    name_width = min(max((len(route.name) for route in routes), default=0), _LONGEST_NAME)
    name_width, bar_width = _share(width - taken, name_width)

    def line(name: Text, bar: Text, percent: str, cells: Iterable[tuple[str, str]]) -> Text:
        text = Text()
        name.truncate(name_width, overflow="ellipsis", pad=True)
        text.append_text(name)
        if bar_width:
            text.append(_GAP).append_text(bar)
        if percent_width:
            text.append(_GAP + percent.rjust(percent_width))
        for (cell, style), cell_width in zip(cells, widths, strict=True):
            text.append(_GAP).append(cell.rjust(cell_width), style)
        return text

    clock = Text(amounts.duration(int(elapsed_s)), "dim")
    lines = [line(clock, Text(" " * bar_width), "", [(name, "dim") for name in head])]
    for route, percent, row in zip(routes, percents, rows, strict=True):
        bar = _bar(route, elapsed_s, width=bar_width, is_ascii=is_ascii)
        lines.append(line(Text(route.name, "bold"), bar, percent, row))
        if more := _more(route):
            lines.append(Text(" " * (name_width + len(_GAP)) + more, "dim"))
    return lines


def _share(room: int, name_width: int) -> tuple[int, int]:
    """Widths of name and bar. Where room is short the name is cut first, then the bar left out: numbers stay."""
    beside_bar = min(name_width, max(_SHORTEST_NAME, room - len(_GAP) - _SHORTEST_BAR))
    bar_width = min(room - len(_GAP) - beside_bar, _LONGEST_BAR)
    if bar_width >= _SHORTEST_BAR:
        return beside_bar, bar_width
    return min(name_width, max(_SHORTEST_NAME, room)), 0


def _numbers(route: RouteStanding) -> list[tuple[str, str]]:
    """The cells below the head, each with its style."""
    left_s = route.left_s
    if route.ended:
        left = ("done", "green") if route.is_complete else ("stopped", "yellow")
    else:
        left = ("" if left_s is None else amounts.duration(left_s), "cyan")
    return [
        (amounts.count(route.read), ""),
        (amounts.count(route.outcomes["written"]), "green" if route.outcomes["written"] else "dim"),
        (amounts.count(route.failed), "red" if route.failed else "dim"),
        ("" if route.ended else amounts.rate(route.rate_per_s), ""),
        left,
    ]


def _bar(route: RouteStanding, elapsed_s: float, *, width: int, is_ascii: bool) -> Text:
    """How much is settled of what is expected; a piece that wanders where nothing is known to expect.

    What is full and what is empty differ in shape, too: there may be no colours.
    """
    full, empty = ("=", "-") if is_ascii else ("━", "─")
    start, end, style = 0, width, "cyan"
    if route.ended:
        style = "green" if route.is_complete else "yellow"
    elif route.expected:
        end = math.floor(width * min(1.0, route.settled / route.expected))
    else:
        piece = width // 4
        phase = elapsed_s * _PULSES_PER_S % 2  # there and back again
        start = round((width - piece) * (phase if phase < 1 else 2 - phase))
        end = start + piece
    return Text.assemble(
        (empty * start, "dim"), (full * (end - start), style), (empty * (width - end), "dim")
    )


def _percent(route: RouteStanding) -> str:
    if route.ended or not route.expected:
        return ""
    # 100 % is said when all is settled, not when it rounds to it.
    return f"{min(100, math.floor(100 * route.settled / route.expected))} %"


def _more(route: RouteStanding) -> str:
    parts = [f"{amounts.count(n)} {name}" for name in ("unchanged", "skipped") if (n := route.outcomes[name])]
    return ", ".join([*parts, route.phase] if route.phase else parts)


def _host_lines(hosts: Sequence[HostSample]) -> list[Text]:
    names = [host.host for host in hosts]
    used = [amounts.rate(host.used_per_s) for host in hosts]
    allowed = [
        "requests/s" if host.allowed_per_s is None else f"of {amounts.rate(host.allowed_per_s)} requests/s"
        for host in hosts
    ]
    flying = [f"{amounts.count(host.in_flight)} in flight" for host in hosts]
    lines: list[Text] = []
    for host, name, use, allow, fly in zip(hosts, names, used, allowed, flying, strict=True):
        text = Text(name.ljust(_widest(names)), "bold")
        rest = f"{_GAP}{use.rjust(_widest(used))} {allow.ljust(_widest(allowed))}{_GAP}{fly.rjust(_widest(flying))}"
        text.append(rest, "not bold")
        if host.paused_s > 0:
            text.append(f"{_GAP}{amounts.pause(host.paused_s, host.reason)}", "not bold yellow")
        lines.append(text)
    return lines


def _widest(texts: Iterable[str]) -> int:
    return max(map(len, texts))
