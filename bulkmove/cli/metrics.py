"""`--metrics-port`: what a run tells its observers, as metrics for Prometheus, for as long as it goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

from bulkmove.cli.exits import tell
from bulkmove.errors import ConfigError
from bulkmove.events import Event, HostSample
from bulkmove.protocols import Observer
from bulkmove.report.standing import Standing
from bulkmove.transport.latencies import BUCKETS_A_DOUBLING, SHORTEST_S

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ConfigError(
        "--metrics-port needs the package prometheus-client: pip install 'bulkmove[metrics]'"
    ) from error

# 1 ms, 2 ms, 4 ms … 65 s: every bound is one of the buckets that the transport counts in.
_DOUBLINGS = 17


class Metrics(Collector):
    """An Observer in front of another, and what a scrape of it finds."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._standing = Standing()
        self._paused_s: defaultdict[str, float] = defaultdict(float)
        self._sampled_at: dict[str, float] = {}

    def on_event(self, event: Event) -> None:
        self._standing.on_event(event)
        if isinstance(event, HostSample):
            self._count_pause(event)
        self._observer.on_event(event)

    def _count_pause(self, sample: HostSample) -> None:
        now = self._standing.clock()
        if sample.paused_s > 0:
            self._paused_s[sample.host] += now - self._sampled_at.get(sample.host, now)
        self._sampled_at[sample.host] = now

    def collect(self) -> Iterator[Metric]:
        """Called from the server's thread: each dict is copied before it is gone through."""
        info = GaugeMetricFamily("bulkmove_build_info", "The version, as a label.", labels=["version"])
        info.add_metric([metadata.version("bulkmove")], 1)
        yield info
        yield GaugeMetricFamily(
            "bulkmove_dry_run",
            "1 where nothing is written: what counts as written would be.",
            self._standing.is_dry,
        )
        yield from self._of_routes()
        yield from self._of_hosts()

    def _of_routes(self) -> Iterator[Metric]:
        settled = CounterMetricFamily(
            "bulkmove_records", "Records of the migration by outcome, so far.", labels=["route", "outcome"]
        )
        read = CounterMetricFamily(
            "bulkmove_records_read", "Distinct records seen at the source.", labels=["route"]
        )
        expected = GaugeMetricFamily(
            "bulkmove_records_expected", "Records that the source says it holds.", labels=["route"]
        )
        finished = GaugeMetricFamily(
            "bulkmove_route_finished", "1 where nothing is left to do.", labels=["route"]
        )
        for route in list(self._standing.routes.values()):
            for outcome, count in route.outcomes.items():
                settled.add_metric([route.name, outcome], count)
            read.add_metric([route.name], route.read)
            if route.expected is not None:
                expected.add_metric([route.name], route.expected)
            finished.add_metric([route.name], route.is_complete)
        yield from (settled, read, expected, finished)

    def _of_hosts(self) -> Iterator[Metric]:
        hosts = list(self._standing.hosts.values())
        labels = ["host"]
        for name, text, of in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=labels)
            for host in hosts:
                counter.add_metric([host.host], getattr(host, of))
            yield counter
        for name, text, of in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=labels)
            for host in hosts:
                if (value := getattr(host, of)) is not None:
                    gauge.add_metric([host.host], value)
            yield gauge
        paused = GaugeMetricFamily(
            "bulkmove_paused", "1 while nothing is let out to the host.", labels=labels
        )
        paused_s = CounterMetricFamily(
            "bulkmove_paused_seconds", "For how long nothing was let out to the host.", labels=labels
        )
        took = HistogramMetricFamily(
            "bulkmove_response_duration_seconds", "From a request's slot to its whole answer.", labels=labels
        )
        for host in hosts:
            paused.add_metric([host.host], host.paused_s > 0)
            paused_s.add_metric([host.host], self._paused_s[host.host])
            took.add_metric([host.host], buckets=_buckets(host), sum_value=host.latency_s)
        yield from (paused, paused_s, took)


_COUNTERS = (
    ("bulkmove_requests", "Requests let out, each attempt counted.", "requests"),
    ("bulkmove_request_retries", "Attempts after the first of a request.", "retries"),
    ("bulkmove_throttled_responses", "Answers with 429.", "throttled"),
)
_GAUGES = (
    ("bulkmove_requests_in_flight", "Requests without an answer yet.", "in_flight"),
    ("bulkmove_requests_used_per_second", "Requests a second, over the last five seconds.", "used_per_s"),
    ("bulkmove_requests_allowed_per_second", "What the host's limits admit now.", "allowed_per_s"),
)


def _buckets(host: HostSample) -> list[tuple[str, float]]:
    """Cumulative, as a histogram has them."""
    counts = dict(host.latencies)
    found: list[tuple[str, float]] = []
    for doubling in range(_DOUBLINGS):
        below = sum(count for bucket, count in counts.items() if bucket < doubling * BUCKETS_A_DOUBLING)
        found.append((f"{SHORTEST_S * 2.0**doubling:g}", below))
    found.append(("+Inf", sum(counts.values())))
    return found


@contextmanager
def metrics_served(port: int, address: str, observer: Observer) -> Iterator[Observer]:
    """What is to be told instead of the observer, while metrics of it are served. Raises ConfigError where they can't be."""
    metrics, registry = Metrics(observer), CollectorRegistry()
    registry.register(metrics)
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        raise ConfigError(
            f"--metrics-port: nothing can be served at {address} port {port}: {error.strerror}"
        ) from error
    tell(f"metrics: http://{address}:{server.server_port}/metrics")
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
