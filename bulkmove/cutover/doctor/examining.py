"""Each host and file of a migration examined, and what the findings come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from bulkmove.cutover.doctor.directory import look_at_directory
from bulkmove.cutover.doctor.finding import Findings, gravest_code
from bulkmove.cutover.doctor.streams import look_at_stream
from bulkmove.cutover.doctor.surroundings import judge_clock, judge_latency, judge_paths, judge_rate
from bulkmove.cutover.doctor.uses import StreamUse, is_used, uses_of
from bulkmove.cutover.doctor.witness import WitnessedTransport
from bulkmove.errors import BulkmoveError, CredentialsError, HostUnavailableError, single_error
from bulkmove.model import Finding
from bulkmove.pipeline.hosts import OnPause, opened
from bulkmove.protocols import Connector
from bulkmove.settings import HostSettings, MigrationSettings

# A person waits for the answer: a host that fails for so long is told to be down.
_GIVE_UP_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class HostReport:
    """What was found of one host. `exit_code`: 0 nothing bad, 2 configuration, 5 host, 6 credentials."""

    host: HostSettings
    findings: Sequence[Finding]
    exit_code: int


async def examine_hosts(
    settings: MigrationSettings,
    connectors: Mapping[str, Connector],
    *,
    only: Sequence[str] = (),
    on_pause: Callable[[str, float, str], None] | None = None,
) -> list[HostReport]:
    """Look at all hosts that routes and look-ups use, or at those named, side by side; in the order of the file.

    `on_pause` is told which host asks to wait, for how many seconds, and why.
    """
    names = [name for name in settings.hosts if (name in only if only else is_used(settings, name))]
    reports: dict[str, HostReport] = {}

    async def examine(name: str) -> None:
        uses = uses_of(settings, name, connectors[name])
        told = None if on_pause is None else partial(on_pause, name)
        reports[name] = await examine_host(settings.hosts[name], connectors[name], uses, on_pause=told)

    with single_error():
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(examine, name, name=f"look at {name}")
    return [reports[name] for name in names]


async def examine_host(
    host: HostSettings,
    connector: Connector,
    uses: Sequence[StreamUse],
    *,
    on_pause: OnPause | None = None,
    wall_clock: Callable[[], float] = time.time,
) -> HostReport:
    """Look at one host, under its budget and by GETs alone: at most ten a stream, and those of its connector.

    What is wrong with a host is a finding, never an exception. One that can't be reached, or refuses the
    credentials, is asked nothing further.
    """
    hasty = replace(host, give_up_after_s=min(host.give_up_after_s, _GIVE_UP_AFTER_S))
    whole, parts = Findings(), Findings()
    if not connector.is_local or await _is_usable(host, uses, whole):
        try:
            async with opened(hasty, connector, on_pause) as transport:
                witnessed = WitnessedTransport(transport, wall_clock=wall_clock)
                await _look(witnessed, connector, uses, whole=whole, parts=parts)
        except BulkmoveError as error:  # opened with an address or credentials that can't be used at all
            whole.add_error("address", error)
    return HostReport(host, (*whole.found, *parts.found), gravest_code(whole.codes | parts.codes))


def exit_code_of(reports: Sequence[HostReport]) -> int:
    return gravest_code(report.exit_code for report in reports if report.exit_code)


async def _is_usable(host: HostSettings, uses: Sequence[StreamUse], whole: Findings) -> bool:
    is_target = any(use.writes for use in uses)
    return await anyio.to_thread.run_sync(
        lambda: look_at_directory(Path(host.url), is_target=is_target, findings=whole)
    )


async def _look(
    transport: WitnessedTransport,
    connector: Connector,
    uses: Sequence[StreamUse],
    *,
    whole: Findings,
    parts: Findings,
) -> None:
    """`whole` gets what concerns the host, `parts` what concerns its streams and its ways."""
    refused = await _ask_all(transport, connector, uses, parts)
    if connector.is_local:
        return
    if transport.answers or isinstance(refused, CredentialsError):
        whole.good("address", "answers")
    if isinstance(refused, CredentialsError):
        whole.add_error("credentials", refused)
    elif refused is not None:
        whole.add_error("address", refused)
    elif transport.has_served:
        whole.good("credentials", "accepted")
    if transport.answers:
        judge_clock(transport.skew_s, whole)
        judge_latency(transport, whole)
    judge_rate(transport.host, connector, whole)


async def _ask_all(
    transport: WitnessedTransport, connector: Connector, uses: Sequence[StreamUse], parts: Findings
) -> BulkmoveError | None:
    """Ask for every stream, then what the connector asks; what ended it, if something did."""
    try:
        for use in uses:
            with parts.errors(use.stream):
                await look_at_stream(use, transport, connector, findings=parts)
        statuses = dict(transport.statuses)
        with parts.errors("dialect"):
            parts.add(await connector.examine(transport))
        streams = [use.stream for use in uses]
        judge_paths(transport.host, connector, streams, statuses=statuses, findings=parts)
    except (CredentialsError, HostUnavailableError) as error:
        return error
    return None
