"""The ladders of all hosts: of what stands in for them, or of the real sources, which are only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio

from bulkmove.cutover.bench.live import look
from bulkmove.cutover.bench.offering import Probes
from bulkmove.cutover.bench.probing import Asked, Ended, HostSteps, climb, open_line
from bulkmove.cutover.bench.rehearsing import Rehearsal
from bulkmove.cutover.bench.schedule import FEW_PER_S, allowed_per_s
from bulkmove.cutover.bench.steps import Step, highest_safe
from bulkmove.cutover.bench.wishes import Staged, Teller, Wishes
from bulkmove.errors import ConfigError
from bulkmove.pipeline.opening import is_rate_known
from bulkmove.pipeline.plan import MigrationPlan, plan_migration
from bulkmove.settings import HostSettings, Window
from bulkmove.transport.meters import LONGEST_SPACED_S

# Of what stands in for a host, more is tried than is configured.
MOST_AT_ONCE = 256
Windows = Mapping[str, tuple[Window, ...]]


async def climb_staged(
    staged: Staged, hosts: Windows, rehearsal: Rehearsal, wishes: Wishes, teller: Teller
) -> list[HostSteps]:
    """Side by side where all are slow; else one after the other, so that they don't share this machine."""
    found: dict[str, HostSteps] = {}
    plan = plan_migration(staged.settings)

    async def one(name: str) -> None:
        host = replace(staged.settings.hosts[name], windows=short(hosts[name]))
        connector, asked = plan.connectors[name], _asked(wishes, teller)
        stated = wishes.allows.get(name, ())
        asked = replace(asked, before_step=staged.empty.get(name), limits=short(stated))
        at_once = max(host.concurrency, MOST_AT_ONCE)
        async with open_line(host, connector, host.windows or (), concurrency=at_once) as line:
            probes = Probes(rehearsal.probes[name])
            steps, ended = await climb(line, host, connector, probes, asked, teller.on_step)
        found[name] = HostSteps(
            name,
            host.api,
            hosts[name],
            _allowed(host),
            host.concurrency,
            tuple(steps),
            highest_safe(steps),
            ended,
            stated,
            is_rate_known(staged.settings.hosts[name], connector),
        )

    names = [name for name in hosts if rehearsal.probes.get(name)]
    teller.on_phase("offering rates")
    if all(_is_slow(hosts[name]) for name in names):
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(one, name, name=f"bench {name}")
    else:
        for name in names:
            await one(name)
    return [found[name] for name in names]


async def climb_real(
    plan: MigrationPlan, hosts: Windows, wishes: Wishes, teller: Teller
) -> tuple[list[HostSteps], dict[str, int | None]]:
    """The real sources, one after the other, within the budget, by GETs alone; and what each route's source counts."""
    names = [name for name in hosts if any(r.settings.source.host == name for r in plan.routes.values())]
    if not names:
        raise ConfigError("--live-read: no route reads a host over HTTP")
    found: list[HostSteps] = []
    counts: dict[str, int | None] = {}
    for name in names:
        host = replace(plan.settings.hosts[name], windows=hosts[name])
        told, counted = await _climb_source(plan, host, wishes, teller, budget=wishes.budget // len(names))
        found.append(told)
        counts |= counted
    return found, counts


async def _climb_source(
    plan: MigrationPlan, host: HostSettings, wishes: Wishes, teller: Teller, *, budget: int
) -> tuple[HostSteps, dict[str, int | None]]:
    """One real source, whose first 429 ends it."""
    name, windows, connector = host.name, host.windows or (), plan.connectors[host.name]
    spent = wishes.spent.get(name, {}).items()
    steps, ended = list[Step](), Ended("429", "answers 429 where its first pages are read")
    async with open_line(host, connector, windows, concurrency=host.concurrency, spent=spent) as line:
        teller.on_phase(f"{name}: reading its first pages")
        seen = await look(plan, host, line, budget=budget)
        if not seen.is_throttled:
            asked = replace(_asked(wishes, teller), budget=budget - seen.requests, is_real=True)
            teller.on_phase(f"{name}: offering rates, reading alone")
            steps, ended = await climb(line, host, connector, Probes(seen.probes), asked, teller.on_step)
    told = HostSteps(
        name,
        host.api,
        windows,
        _allowed(host),
        host.concurrency,
        tuple(steps),
        highest_safe(steps),
        ended,
        is_rate_known=is_rate_known(plan.settings.hosts[name], connector),
    )
    return told, seen.counts


def short(windows: Sequence[Window]) -> tuple[Window, ...]:
    """Those that a step of seconds can show anything of."""
    return tuple(window for window in windows if window.period_s <= LONGEST_SPACED_S)


def _asked(wishes: Wishes, teller: Teller) -> Asked:
    return Asked(wishes.step_s, wishes.arrivals, is_over=teller.is_over)


def _allowed(host: HostSettings) -> float | None:
    return allowed_per_s(host.windows or ())


def _is_slow(windows: Sequence[Window]) -> bool:
    allowed = allowed_per_s(short(windows))
    return allowed is not None and allowed <= FEW_PER_S
