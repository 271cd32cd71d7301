"""When to kill, and what is left to be proven afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkmove.demo.check import Check
from bulkmove.model import Summary
from tests.crash.mappers import is_broken
from tests.crash.rig import (
    DONE,
    FAILURES,
    HOST_FAILED,
    ORDERS,
    PRODUCTS,
    SETTLE_S,
    Ended,
    Moment,
    Rig,
    Variant,
    after_creates,
    after_s,
    rig,
)


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long an undisturbed run takes: until its first request, and until its end."""

    first_s: float
    end_s: float


async def learn_lengths(folder: Path) -> Lengths:
    async with rig(folder, Variant("none")) as made:
        began = time.time()
        ended = await made.run()
        assert ended.code == DONE, ended.told
        first = min(api["first_at"] for api in (await made.record.stats()).values())
        return Lengths(first_s=first - began, end_s=ended.length_s)


_KINDS = ("creates", "time", "first")


def moments(lengths: Lengths, *, kills: int, seed: str) -> list[Moment]:
    """Seeded moments for the first run and those that recover, of three kinds in turn.

    After a number of rows made that is uniform over all there are; uniform over an undisturbed run from its
    first request on; and right after the first row was made. A recovery waits until its writes in doubt are
    due, so its kills go over that wait and the reading back that follows, too.
    """
    dice = random.Random(f"moments {seed}")
    due_s = SETTLE_S + 2.0
    first_kind = dice.randrange(len(_KINDS))
    found: list[Moment] = []
    for number in range(kills):
        kind = _KINDS[(first_kind + number) % len(_KINDS)]
        if kind == "first":
            found.append(after_creates(1, dice.uniform(0, 0.08)))
        elif kind == "creates":
            found.append(after_creates(dice.randrange(1, ORDERS * 2 // (number + 1)), dice.uniform(0, 0.02)))
        else:
            end_s = lengths.end_s + (due_s if number and dice.random() < 0.7 else 0.0)
            found.append(after_s(dice.uniform(lengths.first_s, end_s)))
    return found


@dataclass(frozen=True, slots=True)
class Proof:
    """What a campaign of kills on one migration came to."""

    variant: str
    kills: int
    runs: Sequence[Ended]
    checks: dict[str, Check]
    summary: Summary
    in_doubt: int
    expected_rejected: frozenset[str]

    @property
    def problems(self) -> list[str]:
        """Everything that is not as it must be, in words; empty for a proof."""
        last = self.runs[-1]
        counts = self.summary.routes
        unknown = sum(each.unknown for each in counts.values())
        wanted = FAILURES if self.expected_rejected or unknown else DONE
        found = [str(check) for check in self.checks.values() if not check.is_good]
        if last.code != wanted:
            found.append(f"the last run ended with {last.code} in place of {wanted}: {last.told[-2000:]}")
        found += [
            f"a run ended with {run.code}: {run.told[-2000:]}"
            for run in self.runs[:-1]
            if not run.was_killed and run.code not in {wanted, HOST_FAILED}
        ]
        for name, total in (("orders", ORDERS), ("fitting", ORDERS), ("products", PRODUCTS)):
            each = counts[name]
            settled = each.written + each.unchanged + each.skipped + each.rejected + each.unknown
            if settled != total or each.pending:
                found.append(
                    f"{name}: {settled} of {total} records have an outcome, {each.pending} are pending"
                )
        if frozenset(self.checks["orders"].left_out) != self.expected_rejected:
            odd = self.expected_rejected ^ frozenset(self.checks["orders"].left_out)
            found.append(f"orders: left out otherwise than the bad ones: {sorted(odd)[:5]}")
        found += [
            f"{name}: {len(self.checks[name].left_out)} left out, where none should be"
            for name in ("fitting", "products")
            if self.checks[name].left_out
        ]
        if self.in_doubt:
            found.append(f"{self.in_doubt} writes are in doubt after the last run")
        return found


async def campaign(folder: Path, variant: Variant, killing: Sequence[Moment], *, seed: int = 1) -> Proof:
    """Kill a run at each moment in turn, let the last go through, and compare."""
    async with rig(folder, variant, seed=seed) as made:
        for moment in killing:
            await made.kill_at(moment)
        await made.finish()
        return await proof(made)


async def proof(made: Rig) -> Proof:
    records = await made.record.rows("orders")
    bad = frozenset(str(row["id"]) for row in records if is_broken(str(row["id"])))
    return Proof(
        variant=made.variant.name,
        kills=sum(1 for run in made.runs if run.was_killed),
        runs=tuple(made.runs),
        checks=await made.checks(),
        summary=await made.status(),
        in_doubt=await made.in_doubt(),
        expected_rejected=bad if made.variant.has_bad_records else frozenset(),
    )
