"""What the calls to a host tell beside their rows: its clock, how quick it is, how fast it may be asked, which paths are sure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bulkmove.connectors.asking import paths_of
from bulkmove.cutover.doctor.finding import Findings
from bulkmove.cutover.doctor.witness import WitnessedTransport
from bulkmove.pipeline.opening import windows_of
from bulkmove.protocols import Connector
from bulkmove.settings import HostSettings

# A `Date` has whole seconds, and an answer is on its way for a while.
_WITHIN_ROUNDING_S = 2.0
_NOTED_SKEW_S = 5.0
_MOST_SKEW_S = 60.0


def judge_clock(skew_s: float | None, findings: Findings) -> None:
    """Rows are dated by the host's clock, and a first run reads up to what that says."""
    if skew_s is None:
        findings.note("clock", "the host tells no time: the clock of this machine decides up to when is read")
        return
    off_s = abs(skew_s)
    text = f"{_seconds(off_s)} {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if off_s > _MOST_SKEW_S:
        findings.bad("clock", f"{text}: set the clock that is wrong, since it decides up to when is read")
    elif off_s > _NOTED_SKEW_S:
        findings.note("clock", text)
    else:
        findings.good("clock", "the same as this machine's" if off_s <= _WITHIN_ROUNDING_S else text)


def judge_latency(transport: WitnessedTransport, findings: Findings) -> None:
    if transport.latency_s is not None:
        calls = f"{transport.answers} call{'' if transport.answers == 1 else 's'}"
        findings.good("latency", f"{transport.latency_s * 1000:,.0f} ms, the median of {calls}")


def judge_rate(host: HostSettings, connector: Connector, findings: Findings) -> None:
    """Which windows hold, and who says so; the default where nobody does."""
    windows = windows_of(host, connector)
    told = ", ".join(map(str, windows))
    if host.windows is not None:
        findings.good("rate", f"{told} (yours)")
    elif not connector.windows:
        listed = ", ".join(f'"{window}"' for window in windows)
        begun = f"{told} at most" if host.live else f"{told} to begin with"
        findings.assumed(
            "rate", f"{begun}: no limit is published; ask what is allowed", setting=f"rate = [{listed}]"
        )
    else:
        findings.good("rate", f"{told} (published)")


def judge_paths(
    host: HostSettings,
    connector: Connector,
    streams: Iterable[str],
    *,
    statuses: Mapping[str, int],
    findings: Findings,
) -> None:
    """Paths in use that no document shows, that the user did not set, and of which nothing is told yet.

    `statuses`: what was answered at each path that was asked for this migration's streams.
    """
    paths = paths_of(host, connector.paths)
    told = {finding.question for finding in findings.found}
    in_use = {name for name in paths if name.replace("_", "-") in set(streams)}
    sure = {paths[name] for name in paths if name not in connector.unconfirmed or name in in_use}
    for name, path in paths.items():
        question, setting = f"path {name}", f'paths.{name} = "{path}"'
        if name not in connector.unconfirmed or name in host.paths or question in told:
            continue
        answered = [status for asked, status in statuses.items() if _is_at(path, asked)]
        if name not in in_use and (path in sure or not answered):
            continue
        if any(200 <= status < 300 for status in answered):
            findings.good(question, f"{path} answers, though no document shows it")
        elif answered:
            # What is set already did not do: another path is wanted.
            findings.note(
                question,
                f"{path} is in no document, and answered {answered[0]}",
                setting=f'paths.{name} = "…"',
            )
        else:
            findings.assumed(question, f"{path} is in no document, and was not asked", setting=setting)


def _is_at(path: str, asked: str) -> bool:
    pattern = "[^/]+".join(re.escape(part) for part in re.split(r"\{\w+\}", path.partition("?")[0]))
    return re.fullmatch(pattern, asked.partition("?")[0]) is not None


def _seconds(count: float) -> str:
    return f"{count:,.0f} s"
