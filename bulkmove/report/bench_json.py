"""What a bench found, for programs: a JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from bulkmove.cutover.bench.predicting import Prediction
from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.result import Bench
from bulkmove.cutover.bench.steps import Step
from bulkmove.cutover.bench.suggesting import Suggestion

Line = dict[str, Any]


def step_line(host: str, step: Step) -> Line:
    """One step, as it is told when it is over. Rates are a second, latencies seconds."""
    values = asdict(step)
    values["from_sent_p50_s"] = values.pop("from_sent")["p50"]
    spread = {f"{name}_s": _rounded(value) for name, value in values.pop("latency").items()}
    rates = {f"{name}_per_s": _rounded(values.pop(name)) for name in ("offered", "answered", "records")}
    return {
        "type": "step",
        "host": host,
        **rates,
        **spread,
        **{name: _rounded(value) for name, value in values.items()},
    }


def bench_lines(bench: Bench) -> Iterator[Line]:
    """All but the steps, which were told before, and the last line."""
    for host in bench.hosts:
        yield _host(host)
    for suggestion in bench.suggestions:
        yield {"type": "suggestion", **asdict(suggestion)}
    if bench.prediction is not None:
        yield {"type": "prediction", **_prediction(bench.prediction)}
    for note in bench.notes:
        yield {"type": "note", "text": note}


def summary_line(code: int, bench: Bench) -> Line:
    """How it ended; `prediction` null where nothing could be foretold."""
    by_name: Mapping[str, Suggestion] = {each.host: each for each in bench.suggestions}
    hosts = {
        host.host: {
            "safe_per_s": None if host.safe is None else _rounded(host.safe.offered),
            "rate": list(by_name[host.host].rate or by_name[host.host].configured_rate),
            "concurrency": by_name[host.host].concurrency or host.concurrency,
        }
        for host in bench.hosts
    }
    prediction = None if bench.prediction is None else _prediction(bench.prediction)
    return {"type": "bench-summary", "exit": code, "hosts": hosts, "prediction": prediction}


def _host(host: HostSteps) -> Line:
    return {
        "type": "host",
        "host": host.host,
        "api": host.api,
        "rate": [str(window) for window in host.windows],
        "concurrency": host.concurrency,
        "allowed_per_s": _rounded(host.allowed),
        "safe_per_s": None if host.safe is None else _rounded(host.safe.offered),
        "most_at_once": None if host.safe is None else host.safe.most_at_once,
        "ended": host.ended.reason,
        "text": host.ended.text,
    }


def _prediction(told: Prediction) -> Line:
    bottleneck = told.bottleneck
    return {
        "records": dict(told.records),
        "requests": dict(told.requests),
        "low_s": round(told.low_s, 1),
        "expected_s": round(told.expected_s, 1),
        "high_s": round(told.high_s, 1),
        "bottleneck": None
        if bottleneck is None
        else {"host": bottleneck.host, "limit": bottleneck.limit, "share": round(bottleneck.share, 3)},
        "guessed": list(told.writes_guessed),
    }


def _rounded(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value
