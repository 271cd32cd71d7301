"""A bench from its beginning to its end: requests counted, rates found, the run foretold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bulkmove.cutover.bench.climbing import climb_real, climb_staged, short
from bulkmove.cutover.bench.predicting import Sizes, Terms, predict, taken_for_written
from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.rehearsing import Rehearsal
from bulkmove.cutover.bench.sizing import at_found_rates, without_limits
from bulkmove.cutover.bench.suggesting import suggest, windows_with
from bulkmove.cutover.bench.wishes import Conditions, Found, OpenStage, Teller, Wishes
from bulkmove.pipeline.forecast import HostLimits
from bulkmove.pipeline.opening import windows_of
from bulkmove.pipeline.plan import MigrationPlan, plan_migration
from bulkmove.settings import HostSettings, MigrationSettings, Window

# Where neither the user nor a source says how many there are.
DEFAULT_RECORDS = 10_000
_OVER = "the time was over before the migration could be foretold"


async def bench(settings: MigrationSettings, wishes: Wishes, open_stage: OpenStage, teller: Teller) -> Found:
    """Find the hosts' rates, and foretell a run at them.

    Raises ConfigError for what can't be benched, what the real sources raise where they are read, and RehearsalError.
    """
    plan = plan_migration(settings)
    hosts, notes = _hosts(plan), list[str]()
    conditions = {
        name: wishes.latency.get(name, Conditions())._replace(windows=wishes.allows.get(name, windows))
        for name, windows in hosts.items()
    }
    found: list[HostSteps] = []
    counted: Mapping[str, int | None] = {}
    if wishes.reads_real:
        found, counted = await climb_real(plan, hosts, wishes, teller)
        notes += _longer_limits(found)
        conditions |= {each.host: as_seen(each, conditions[each.host]) for each in found}
    if teller.is_over():
        return Found(tuple(found), tuple(suggest(each) for each in found), None, (_OVER,))
    records = _records(plan, wishes, counted, notes)
    teller.on_phase("counting the requests of the migration, on a sandbox")
    free = await without_limits(open_stage, conditions, most=max(records.values()))
    if not wishes.reads_real:
        tried = {name: each._replace(windows=short(each.windows)) for name, each in conditions.items()}
        async with open_stage(free[-1].records, tried) as staged:
            found = await climb_staged(staged, hosts, free[-1], wishes, teller)
        notes += untried(hosts, found)
    notes += _notes(found, free[-1])
    suggestions = tuple(suggest(each) for each in found)
    if teller.is_over():
        return Found(tuple(found), suggestions, None, (*notes, _OVER))
    terms = _terms(plan, hosts, found, conditions)
    teller.on_phase("rehearsing at the rates found, on a sandbox")
    most = max(records.values())
    limited = await at_found_rates(open_stage, free, terms, conditions, most=most, step_s=wishes.step_s)
    prediction = predict(Sizes(free, limited), terms, records)
    return Found(tuple(found), suggestions, prediction, (*notes, *doubts(found)))


def _terms(
    plan: MigrationPlan,
    hosts: Mapping[str, tuple[Window, ...]],
    found: Sequence[HostSteps],
    conditions: Mapping[str, Conditions],
) -> Terms:
    """The hosts as the suggestions have them; those that were not tried, as they are configured."""
    by_name = {each.host: each for each in found}
    limits = [
        _limits(plan.settings.hosts[name], windows, by_name.get(name), conditions[name])
        for name, windows in hosts.items()
    ]
    return Terms(limits, {name: route.settings.after for name, route in plan.routes.items()})


def _hosts(plan: MigrationPlan) -> dict[str, tuple[Window, ...]]:
    """The windows of each host that routes and look-ups use and that is asked over HTTP."""
    streams = [s for r in plan.routes.values() for s in (r.settings.source, r.settings.target)]
    for route in plan.routes.values():
        named = (plan.settings.lookups[name].stream for name in route.lookups.values())
        streams += [stream for stream in named if stream is not None]
    found: dict[str, tuple[Window, ...]] = {}
    for name in sorted({stream.host for stream in streams}):
        host, connector = plan.settings.hosts[name], plan.connectors[name]
        if not connector.is_local:
            found[name] = windows_of(host, connector)
    return found


def as_seen(found: HostSteps, conditions: Conditions) -> Conditions:
    """A stand-in that answers as the real host did."""
    if found.safe is None or (latency := found.safe.of_host).p50 is None:
        return conditions
    half_s, most_s = latency.p50, latency.p90 or latency.max or 0.0
    return conditions._replace(low_s=max(0.0, 2 * half_s - most_s), high_s=most_s, has_tail=False)


def _limits(
    host: HostSettings, windows: tuple[Window, ...], found: HostSteps | None, conditions: Conditions
) -> HostLimits:
    latency_s: float | None = (conditions.low_s + conditions.high_s) / 2
    concurrency = host.concurrency
    if found is not None:
        suggestion = suggest(found)
        windows = windows_with(found, suggestion)
        concurrency = suggestion.concurrency or concurrency
        latency_s = latency_s if found.safe is None else found.safe.of_host.p50
    return HostLimits(
        name=host.name, windows=windows, burst=host.burst, concurrency=concurrency, latency_s=latency_s
    )


def _records(
    plan: MigrationPlan, wishes: Wishes, counted: Mapping[str, int | None], notes: list[str]
) -> dict[str, int]:
    """How many each route moves: as asked for, as its source counts, or as many as are taken where nobody says."""
    found: dict[str, int] = {}
    for name in plan.routes:
        asked = wishes.records.get(name, wishes.records.get("", counted.get(name)))
        if asked is None:
            notes.append(
                f"route {name}: nobody says how many records there are: {DEFAULT_RECORDS:,} are taken"
            )
        found[name] = max(1, DEFAULT_RECORDS if asked is None else asked)
    return found


def untried(hosts: Iterable[str], found: Sequence[HostSteps]) -> list[str]:
    """Hosts without a ladder, in their order."""
    tried = {each.host for each in found}
    return [
        f"{name}: was not tried: no request of the rehearsal went there"
        for name in hosts
        if name not in tried
    ]


def doubts(found: Sequence[HostSteps]) -> list[str]:
    """Hosts whose rate in the prediction is none that a ladder speaks for."""
    notes = []
    for each in found:
        rates = ", ".join(str(window) for window in each.windows)
        if each.safe is None and each.ended.reason not in {"budget", "time"}:
            notes.append(
                f"{each.host}: no rate was safe: the time is foretold at {rates}, which is too much for it"
            )
        elif not each.is_rate_known and suggest(each).rate is None:
            notes.append(
                f"{each.host}: no rate is set: the time is foretold at {rates}, with which a run begins until it finds"
                " what the host takes"
            )
    return notes


def _longer_limits(found: Sequence[HostSteps]) -> list[str]:
    """Real hosts that refused a request, by a limit that may be of a longer time than a step lasts."""
    refused = [each for each in found if each.steps and each.ended.reason == "429"]
    return [
        f"{each.host}: {sum(step.sent for step in each.steps):,} requests were made in"
        f" {sum(step.seconds for step in each.steps):.0f} s until it answered 429. A limit of a minute looks the same:"
        " ask who runs the host before its rate is taken from this"
        for each in refused
    ]


def _notes(found: Sequence[HostSteps], rehearsal: Rehearsal) -> list[str]:
    notes = [
        f"{each.host}: {window} can't be tried in a bench, and is taken as it is"
        for each in found
        for window in each.windows
        if window not in short(each.windows)
    ]
    for route, counts in rehearsal.counts.items():
        if unwritten := taken_for_written(counts):
            how = "rejected or skipped" if unwritten > counts.rejected + counts.unknown else "rejected"
            notes.append(
                f"route {route}: {unwritten:,} of {counts.read:,} records of the sandbox were {how}; those of the shop"
                " are taken to be written (`bulkmove plan` counts them)"
            )
    return notes
