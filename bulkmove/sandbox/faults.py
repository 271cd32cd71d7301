"""What goes wrong, and when: faults by name and share, drawn in the order of requests from seeded dice.

instead of the call, nothing done   error-500, error-502-before, passing-error (MerchantPro), html-200,
                                    too-many-429, dropped
done, the answer spoilt             error-502-after, dropped-after, cut-body, cut-json, short-answer, slow
done later, after the answer        applied-late: a 504 or a closed connection in turn
done otherwise                      not-atomic (a 400, but the good items are written),
                                    partial-200 (a 200 in which bad items have errors, the good ones are written)
a list that is not what it says                 list_faults.py
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count, cycle
from typing import Any

import orjson

from bulkmove.sandbox.calls import Answer, Call, html_answer
from bulkmove.sandbox.conditions import Fault
from bulkmove.sandbox.list_faults import LIST_FAULTS, LIST_KINDS
from bulkmove.sandbox.merchantpro import failure

LENIENT = frozenset({"not-atomic", "partial-200"})
BEFORE = frozenset({"error-500", "error-502-before", "passing-error", "html-200", "too-many-429", "dropped"})

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_ONLY_WRITES = frozenset({"applied-late"})
_ONLY_API = {
    "not-atomic": "external-order",
    "partial-200": "external-order",
    "short-answer": "external-order",
    "passing-error": "merchantpro",
}
_ONLY_KIND = {"not-atomic": "upsert", "partial-200": "upsert", "short-answer": "upsert"}
_WAITS = {
    "merchantpro": ("seconds", "date", "reset-time", "none"),
    "external-order": ("seconds", "date", "none", "rubbish", "past"),
    "robosize": ("seconds", "date", "none", "rubbish", "past"),
}


@dataclass(slots=True)
class Rule:
    """A fault, its dice, and how often it may still happen."""

    fault: Fault
    dice: random.Random
    times_left: int | None

    def fits(self, api: str, method: str, kind: str) -> bool:
        fault = self.fault
        return not (
            self.times_left == 0
            or (fault.api is not None and fault.api != api)
            or (fault.methods and method not in fault.methods)
            or (fault.kinds and kind not in fault.kinds)
            or _ONLY_API.get(fault.name, api) != api
            or _ONLY_KIND.get(fault.name, kind) != kind
            or (fault.name in _ONLY_WRITES and method in _READS)
            or (fault.name in LIST_FAULTS and (method != "GET" or kind not in LIST_KINDS))
        )


class FaultPlan:
    """The faults that hold now. Each has dice of its own, so that one more fault leaves the others where they were."""

    def __init__(self, faults: Iterable[Fault], *, seed: int) -> None:
        self._seed = seed
        self._numbers = count()
        self._rules: list[Rule] = []
        self._passing = cycle((500, 400, 405))
        self._late = cycle(("504", "drop"))
        self._waits = {api: cycle(waits) for api, waits in _WAITS.items()}
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        dice = random.Random(f"fault {self._seed} {next(self._numbers)} {fault.name}")
        self._rules.append(Rule(fault, dice, fault.times))

    def clear(self, name: str | None = None) -> None:
        """Take away all faults, or those of one name."""
        self._rules = [rule for rule in self._rules if name is not None and rule.fault.name != name]

    def rules(self) -> list[tuple[Fault, int | None]]:
        """The faults, and how often each may still happen (None: for ever)."""
        return [(rule.fault, rule.times_left) for rule in self._rules]

    def draw(self, api: str, method: str, kind: str) -> Rule | None:
        """The first fault that the dice give for this request. All that fit are thrown for."""
        drawn = None
        for rule in self._rules:
            if rule.fits(api, method, kind) and rule.dice.random() < rule.fault.share:
                drawn = drawn or rule
        return drawn

    def spend(self, rule: Rule, counts: Counter[str]) -> None:
        """Count a fault that took effect."""
        counts[rule.fault.name] += 1
        if rule.times_left:
            rule.times_left -= 1

    def instead(self, fault: Fault, api: str, *, wait_s: float, now: float) -> Answer:
        """The answer of a fault that happens before anything is done; `now` in epoch seconds."""
        if fault.name == "error-500":
            return html_answer(500, "Server Error (500)")
        if fault.name == "error-502-before":
            return bad_gateway()
        if fault.name == "passing-error":
            return failure(next(self._passing), "operation_failed", "Operation could not be completed")
        if fault.name == "html-200":
            return html_answer(200, "Maintenance", "We will be back in a few minutes.")
        return too_many(api, fault.wait or next(self._waits[api]), wait_s=wait_s, now=now)

    def next_late_answer(self) -> Answer | None:
        """What a client sees of a call that is done later: a 504, and every other time nothing."""
        if next(self._late) == "504":
            return html_answer(504, "504 Gateway Time-out", "nginx")
        return None


def spoilt(name: str, answer: Answer) -> Answer:
    """The answer after a fault of the kind that leaves the call done."""
    if name == "error-502-after":
        return bad_gateway()
    if name == "cut-json":
        return Answer(answer.status, answer.body[: max(len(answer.body) * 2 // 3, 1)], answer.content_type)
    if name == "short-answer" and answer.is_success:
        rows: list[Any] = orjson.loads(answer.body)
        return Answer(answer.status, orjson.dumps(rows[: len(rows) // 2]))
    return answer


def too_many(api: str, wait: str, *, wait_s: float, now: float) -> Answer:
    """A 429 that names its wait in one of the ways that hosts have."""
    whole_s = max(int(-(-wait_s // 1)), 0)
    details = {"reset_time": int(now) + whole_s} if wait == "reset-time" else None
    if api == "merchantpro":
        answer = failure(429, "rate_limit", "Too many requests", details)
    else:
        answer = Answer(429, b'{"detail":"Request was throttled."}')
    retry_after = {
        "seconds": str(whole_s),
        "date": formatdate(int(now) + whole_s + 1, usegmt=True),
        "rubbish": "soon",
        "past": formatdate(int(now) - 3600, usegmt=True),
    }.get(wait)
    if retry_after is not None:
        answer.headers["Retry-After"] = retry_after
    return answer


def bad_gateway() -> Answer:
    return html_answer(502, "502 Bad Gateway", "nginx")


def lenient(call: Call, rule: Rule | None) -> None:
    """Mark the call where the fault changes how it is done."""
    call.leniency = rule.fault.name if rule is not None and rule.fault.name in LENIENT else None
