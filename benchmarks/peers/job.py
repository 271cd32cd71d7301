"""The job that every peer does, and the process that each of them does it in."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from bulkmove.cli.tuning import tune

PAGE = 100
OPTIONS = {"shop": 2}
READ_FROM = "/api/v2/orders"
WRITE_TO = "/external/external-order/"
KEY, SECRET, TOKEN = "demo-key", "demo-secret", "demo-token"


@dataclass(frozen=True, slots=True)
class Job:
    """Move the first `orders` orders of a sandbox. `in_flight`: requests at once; `rate`: requests a second a host lets in.

    `asked`: the parameters that each page carries, but for its place.
    """

    url: str
    orders: int
    latency_ms: int
    in_flight: int
    rate: int | None
    asked: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Job:
        return cls(**orjson.loads(text))

    def page(self, start: int) -> dict[str, Any]:
        """The query of the page that begins there."""
        return {"start": start, "limit": PAGE, **self.asked}

    def __str__(self) -> str:
        return orjson.dumps(asdict(self)).decode()


@dataclass(frozen=True, slots=True)
class Spent:
    """What one doing of the job took, in its own process; what was imported before counts in `peak_mb` alone."""

    wall_s: float
    cpu_s: float
    peak_mb: float

    @classmethod
    def parse(cls, text: bytes) -> Spent:
        return cls(**orjson.loads(text))


def do(run: Callable[[Job], object]) -> None:
    """What a peer's module does as a program: the job of its one argument; the last line it prints is what it took."""
    job = Job.parse(sys.argv[1])
    tune()  # as `bulkmove run` does, for each of them
    cpu, wall = _cpu_s(), time.perf_counter()
    run(job)
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    print(orjson.dumps(asdict(Spent(wall, cpu, _peak_mb()))).decode())


def _cpu_s() -> float:
    """Of this process and of those that it started and that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb() -> float:
    # getrusage would tell the starting process's own peak where that is larger: a child takes it over.
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell a process's peak memory")
