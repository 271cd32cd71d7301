"""What was measured, as rows with their ratios, and held against the goals."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers.cells import BARE, BULKMOVE, DLT, TOOLS, Host, Tool
from benchmarks.peers.measuring import Taken

LEAST_OF_BARE = 0.6

HEAD = (
    f"{'latency':>8} {'limit':>10}  {'tool':<18}{'orders':>8}{'orders/s':>10}{'of bare':>9}{'of dlt':>8}"
    f"{'us of CPU':>11}{'peak MB':>9}{'429s':>7}{'lost':>6}{'doubled':>9}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One tool at one host: medians of the rounds; `refused`, `lost` and `doubled` are the worst of them.

    `of_bare` and `of_dlt` are medians of the ratios within each round, in which both ran one after the other.
    """

    host: Host
    tool: str
    orders: int
    orders_per_s: float
    of_bare: float
    of_dlt: float
    cpu_us: float
    peak_mb: float
    refused: int
    lost: int
    doubled: int

    def __str__(self) -> str:
        limit = "unlimited" if self.host.rate is None else f"{self.host.rate}/s"
        return (
            f"{self.host.latency_ms:>5} ms {limit:>10}  {self.tool:<18}{self.orders:>8,}{self.orders_per_s:>10,.0f}"
            f"{self.of_bare:>9.2f}{self.of_dlt:>8.2f}{self.cpu_us:>11.1f}{self.peak_mb:>9.0f}"
            f"{self.refused:>7,}{self.lost:>6,}{self.doubled:>9,}"
        )


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted, and where it is missed, by how much."""

    wanted: str
    missed: tuple[str, ...]

    def __str__(self) -> str:
        return f"goal: {self.wanted}: " + (f"MISSED: {'; '.join(self.missed)}" if self.missed else "met")


def rows_of(host: Host, taken: Mapping[str, Sequence[Taken]]) -> list[Row]:
    return [
        Row(
            host=host,
            tool=tool,
            orders=rounds[0].orders,
            orders_per_s=statistics.median(one.orders_per_s for one in rounds),
            of_bare=_ratio(rounds, taken[BARE.name]),
            of_dlt=_ratio(rounds, taken[DLT.name]),
            cpu_us=statistics.median(one.cpu_us for one in rounds),
            peak_mb=statistics.median(one.spent.peak_mb for one in rounds),
            refused=max(one.refused for one in rounds),
            lost=max(one.lost for one in rounds),
            doubled=max(one.doubled for one in rounds),
        )
        for tool, rounds in taken.items()
    ]


def _ratio(rounds: Sequence[Taken], others: Sequence[Taken]) -> float:
    return statistics.median(
        one.orders_per_s / other.orders_per_s for one, other in zip(rounds, others, strict=True)
    )


def guarantees() -> str:
    """What each tool cares for, a line each."""
    return "\n".join(f"{tool.name + ':':<19}{tool.care}" for tool in TOOLS)


def lost_and_doubled(rows: Sequence[Row]) -> str:
    """The worst of each tool, in one line."""
    worst = {tool.name: [max(counts) for counts in zip(*_counts(rows, tool), strict=True)] for tool in TOOLS}
    said = ", ".join(f"{name} {lost} / {doubled}" for name, (lost, doubled) in worst.items())
    return f"Orders lost / doubled, at worst: {said}"


def _counts(rows: Sequence[Row], tool: Tool) -> list[tuple[int, int]]:
    return [(row.lost, row.doubled) for row in rows if row.tool == tool.name]


def goals(rows: Sequence[Row]) -> list[Goal]:
    ours = [row for row in rows if row.tool == BULKMOVE.name]
    others = [row for row in rows if row.tool not in {BULKMOVE.name, BARE.name}]
    faster = {
        row: max(
            (other for other in others if other.host == row.host and other.orders_per_s > row.orders_per_s),
            key=lambda other: other.orders_per_s,
            default=None,
        )
        for row in ours
    }
    return [
        Goal(
            f"at least {LEAST_OF_BARE} of the bare loop",
            tuple(f"{row.of_bare:.2f} at {row.host}" for row in ours if row.of_bare < LEAST_OF_BARE),
        ),
        Goal(
            "slower than no peer",
            tuple(
                f"{row.orders_per_s / other.orders_per_s:.2f} of {other.tool} at {row.host}"
                for row, other in faster.items()
                if other is not None
            ),
        ),
        Goal(
            "no 429, nothing lost, nothing doubled",
            tuple(
                f"{row.refused} refused, {row.lost} lost, {row.doubled} doubled at {row.host}"
                for row in ours
                if row.refused or row.lost or row.doubled
            ),
        ),
    ]
