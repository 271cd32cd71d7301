"""What a bench found, for people: each host's steps, what to write, and how long the migration takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bulkmove.cutover.bench.predicting import Prediction
from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.result import Bench
from bulkmove.cutover.bench.steps import Step
from bulkmove.cutover.bench.suggesting import Suggestion
from bulkmove.report import amounts
from bulkmove.report.page.moments import latency
from bulkmove.report.prose import hung

NOTHING_WRITTEN = "nothing was written to any real host"
_COLUMNS = ("offered", "answered", "records/s", "p50", "p90", "p99", "p99.9", "max", "429", "")


def bench_parts(bench: Bench, *, width: int | None) -> Iterator[RenderableType]:
    """All of it, in order; sentences are broken at `width`."""
    by_name = {each.host: each for each in bench.suggestions}
    for host in bench.hosts:
        yield steps_table(host)
        yield _said(_verdict(host), width, style="" if host.safe is not None else "red")
        yield _said(suggestion_text(by_name[host.host]), width, style="bold")
        yield Text()
    if bench.prediction is not None:
        yield from _prediction(bench.prediction, width)
    for note in bench.notes:
        yield _said(f"note: {note}", width, style="yellow")


def steps_table(host: HostSteps) -> Table:
    """A line a step, in the order of its rate; latencies from the moment that a request was due."""
    title = Text(f"{host.host}  {host.api}, {', '.join(str(window) for window in host.windows)}", "bold")
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
        header_style="bold",
        title=title,
        title_justify="left",
    )
    for name in _COLUMNS:
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for step in sorted(host.steps, key=lambda step: step.offered):
        table.add_row(*_cells(step, is_safe=step == host.safe), style="" if step.fault is None else "red")
    return table


def _cells(step: Step, *, is_safe: bool) -> tuple[str, ...]:
    spread = step.latency
    mark = "safe" if is_safe else "" if step.fault in {None, "429"} else str(step.fault)
    return (
        f"{amounts.rate(step.offered)}/s",
        f"{amounts.rate(step.answered)}/s",
        amounts.rate(step.records),
        *(latency(each) for each in (spread.p50, spread.p90, spread.p99, spread.p999, spread.max)),
        amounts.count(step.throttled),
        mark,
    )


def _verdict(host: HostSteps) -> str:
    if host.safe is None:
        said = "no rate was safe: it " if host.steps else ""
        return f"{host.host}: {said}{host.ended.text}"
    most = host.safe.most_at_once
    return (
        f"{host.host}: {amounts.rate(host.safe.offered)}/s is safe, with {most} in flight at most;"
        f" it {host.ended.text}"
    )


def suggestion_text(suggestion: Suggestion) -> str:
    """What to write, that what stands there is right, or what is left to a person."""
    parts = []
    if suggestion.rate is not None:
        rates = ", ".join(f'"{each}"' for each in suggestion.rate)
        parts.append(f"rate = [{rates}]")
    if suggestion.concurrency is not None:
        parts.append(f"concurrency = {suggestion.concurrency}")
    if not parts and suggestion.to_do is not None:
        return f"{suggestion.host}: {suggestion.to_do}"
    if not parts:
        rates = ", ".join(suggestion.configured_rate)
        return f"{suggestion.host}: keep rate {rates} and concurrency {suggestion.configured_concurrency}"
    to_do = "" if suggestion.to_do is None else f"; {suggestion.to_do}"
    return f"{suggestion.host}: suggested in [hosts.{suggestion.host}]: {', '.join(parts)}{to_do}"


def _prediction(told: Prediction, width: int | None) -> Iterator[Text]:
    records = ", ".join(f"{name} {amounts.of_records(count)}" for name, count in told.records.items())
    requests = ", ".join(f"{host} {amounts.count(count)}" for host, count in told.requests.items())
    low, high = amounts.duration(told.low_s), amounts.duration(told.high_s)
    yield _said(f"the migration: {records}; requests: {requests}", width)
    limit = "no host's limit holds it up"
    if told.bottleneck is not None:
        limit = f"{told.bottleneck.host}: {told.bottleneck.limit} is the limit"
    yield _said(
        f"time: {low} to {high}, probably {amounts.duration(told.expected_s)}; {limit}", width, style="bold"
    )


def written_text(lines: Sequence[str], file: str, suggestions: Sequence[Suggestion]) -> str:
    """What was written, and of which hosts nothing could be said."""
    left = ", ".join(each.host for each in suggestions if each.to_do is not None)
    if not lines and not left:
        return f"{file}: nothing to write, what stands there is right"
    unsaid = [f"no rate is written for {left}: see above what is left to do"] if left else []
    if not lines:
        return f"{file}: {unsaid[0]}"
    return "\n".join([f"{file}:", *(f"  {line}" for line in (*lines, *unsaid))])


def step_text(host: str, step: Step) -> str:
    """One step, as a line while it goes on."""
    half, most = latency(step.latency.p50), latency(step.latency.max)
    fault = "" if step.fault is None else f": {step.fault}"
    return f"{host}: {amounts.rate(step.offered)}/s: half within {half}, slowest {most}{fault}"


def _said(text: str, width: int | None, *, style: str = "") -> Text:
    return Text(hung(text, width), style)
