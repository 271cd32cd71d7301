"""Under what an API of the sandbox answers: its rates, its latency and its faults, each as an option's text names it."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, Self

import orjson

from bulkmove.errors import ConfigError
from bulkmove.sandbox.list_faults import LIST_FAULTS

APIS = ("merchantpro", "external-order", "robosize")

# What each fault does stands in faults.py; the names stand here because settings are checked without a server.
FAULTS = (
    "error-500",
    "error-502-before",
    "error-502-after",
    "applied-late",
    "dropped",
    "dropped-after",
    "cut-body",
    "cut-json",
    "slow",
    "too-many-429",
    "html-200",
    "not-atomic",
    "partial-200",
    "passing-error",
    "short-answer",
    *LIST_FAULTS,
)
WAITS = ("seconds", "date", "reset-time", "none", "rubbish", "past")

_PERIODS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}


@dataclass(frozen=True, slots=True)
class RateWindow:
    """At most `count` requests in any `period_s` seconds, for one API (`api`) or for each (None)."""

    count: int
    period_s: float
    api: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`[API=]COUNT/UNIT`, the unit one of s, min, h, day or a number of seconds such as `2.5s`.

        Raises ConfigError for anything else.
        """
        match = re.fullmatch(r"(?:([a-z-]+)=)?(\d+)/(\d+(?:\.\d+)?s|s|min|h|day)", text.strip())
        if match is None:
            raise ConfigError(f"rate {text!r} is not like 4/s, 80/min or merchantpro=4/s")
        api, count, unit = match.groups()
        _known_api(api)
        period_s = _PERIODS_S.get(unit) or float(unit[:-1])
        if int(count) < 1 or period_s <= 0:
            raise ConfigError(f"rate {text!r} allows no request at all")
        return cls(count=int(count), period_s=period_s, api=api)

    def __str__(self) -> str:
        unit = next((name for name, s in _PERIODS_S.items() if s == self.period_s), f"{self.period_s}s")
        return f"{self.api}={self.count}/{unit}" if self.api else f"{self.count}/{unit}"


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer is held back, between the two, in seconds: uniformly, or (`has_tail`) mostly little, seldom long."""

    low_s: float = 0.0
    high_s: float = 0.0
    has_tail: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """`100ms`, `20-80ms`, `0.5s`, or `20~500ms` with a long tail. Raises ConfigError for anything else."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:([-~])(\d+(?:\.\d+)?))?(ms|s)", text.strip())
        if match is None:
            raise ConfigError(f"latency {text!r} is not like 100ms, 20-80ms, 20~500ms or 0.5s")
        scale = 0.001 if match[4] == "ms" else 1.0
        low_s = float(match[1]) * scale
        high_s = float(match[3]) * scale if match[3] else low_s
        if high_s < low_s:
            raise ConfigError(f"latency {text!r} ends before it begins")
        has_tail = match[2] == "~"
        if has_tail and not low_s:
            raise ConfigError(
                f"latency {text!r} has a tail, and begins at nothing: 1~{match[3]}{match[4]}, say"
            )
        return cls(low_s=low_s, high_s=high_s, has_tail=has_tail)

    def __str__(self) -> str:
        return f"{self.low_s * 1000:g}{'~' if self.has_tail else '-'}{self.high_s * 1000:g}ms"

    def draw(self, chance: float) -> float:
        """The seconds that a number from 0 to 1 stands for; with a tail, half of them within a sixth of the ratio's logarithm."""
        if self.has_tail:
            return self.low_s * math.pow(self.high_s / self.low_s, chance**3)
        return self.low_s + (self.high_s - self.low_s) * chance


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong for a share of requests.

    `share` is between 0 and 1; `api`, `methods`, `kinds` (the path kinds of the statistics) narrow it down;
    `times` ends it after that many; `wait` picks the way a 429 names its wait instead of each in turn.
    """

    name: str
    share: float = 1.0
    api: str | None = None
    methods: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    times: int | None = None
    wait: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`NAME=SHARE`, as in `error-500=0.02`, `API:NAME=SHARE`, or a JSON object of all fields. Raises ConfigError."""
        if text.lstrip().startswith("{"):
            try:
                return cls.checked(orjson.loads(text))
            except orjson.JSONDecodeError as error:
                raise ConfigError(f"fault {text!r} is not JSON") from error
        match = re.fullmatch(r"(?:([a-z-]+):)?([a-z0-9-]+)=([0-9.]+)", text.strip())
        if match is None:
            raise ConfigError(f"fault {text!r} is not like error-500=0.02")
        try:
            return cls.checked({"api": match[1], "name": match[2], "share": float(match[3])})
        except ValueError as error:
            raise ConfigError(f"fault {text!r} has no share between 0 and 1") from error

    @classmethod
    def checked(cls, values: dict[str, Any]) -> Self:
        """A fault from a JSON object. Raises ConfigError where a key, a name or a value is wrong."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise ConfigError(
                f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
            )
        values = {
            **values,
            "methods": tuple(values.get("methods") or ()),
            "kinds": tuple(values.get("kinds") or ()),
        }
        try:
            fault = cls(**values)
        except TypeError as error:
            raise ConfigError("a fault needs a name") from error
        if fault.name not in FAULTS:
            raise ConfigError(f"there is no fault {fault.name!r}; there are {', '.join(FAULTS)}")
        if not isinstance(fault.share, int | float) or not 0 <= fault.share <= 1 or math.isnan(fault.share):
            raise ConfigError(f"the share of {fault.name} is not between 0 and 1")
        if fault.wait is not None and fault.wait not in WAITS:
            raise ConfigError(f"there is no wait {fault.wait!r}; there are {', '.join(WAITS)}")
        _known_api(fault.api)
        return fault

    def __str__(self) -> str:
        return orjson.dumps(dataclasses.asdict(self)).decode()


def _known_api(api: str | None) -> None:
    if api is not None and api not in APIS:
        raise ConfigError(f"there is no API {api!r}; there are {', '.join(APIS)}")
