"""The mixes whose rates are measured: the hosts' limits, how long answers take, who counts, and what is moved."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import migration_texts as texts

PAGE = 100
# Half of the sandbox's orders are older.
MIDDLE = "2023-06-01T00:00:00+03:00"
HOSTS = {"old": "merchantpro", "new": "external-order", "sizing": "robosize"}


@dataclass(frozen=True, slots=True)
class Mix:
    """Limits by host, how long answers take, who counts, and what is moved."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    latency: str
    server: str
    sizing: tuple[str, ...] = ()
    batch_size: int = PAGE
    concurrency: int = 16
    side_by_side: bool = False
    alone: bool = False

    def rates(self) -> dict[str, tuple[str, ...]]:
        named = zip(HOSTS, (self.old, self.new, self.sizing), strict=True)
        return {HOSTS[host]: rates for host, rates in named if rates}


PUBLISHED = ("4/s", "80/min")
MIXES = (
    Mix("published", PUBLISHED, ("10/s",), "100ms", "sliding"),
    Mix("published, nginx", PUBLISHED, ("10/s",), "20~500ms", "nginx"),
    Mix("20/s", ("20/s",), ("20/s",), "100ms", "sliding"),
    Mix("20/s, long tail", ("20/s",), ("20/s",), "20~500ms", "sliding", concurrency=32),
    Mix("20/s, slow, fixed", ("20/s",), ("20/s",), "500ms", "fixed", concurrency=32),
    Mix("20/s, quick", ("20/s",), ("20/s",), "5ms", "sliding"),
    Mix("20/s, nginx", ("20/s",), ("20/s",), "20-80ms", "nginx"),
    Mix(
        "side by side",
        ("20/s",),
        ("10/s", "500/min"),
        "5~500ms",
        "sliding",
        sizing=("5/s",),
        concurrency=32,
        side_by_side=True,
    ),
    Mix("200/s", ("20/s",), ("200/s",), "20ms", "sliding", batch_size=10, concurrency=64, alone=True),
    Mix("200/s, nginx", ("20/s",), ("200/s",), "5ms", "nginx", batch_size=10, concurrency=64, alone=True),
)

PRODUCTS = """
[routes.products]
source = "sizing.products"
target = "sizing.products"
mapper = "robosize-relink"
mode = "update"
options = { ids = "ids.csv" }
"""


def text_of(mix: Mix, url: str) -> str:
    """Its migration.toml. Where `sizing` has a rate, `ids.csv` belongs beside it."""
    hosts = [
        texts.host(name, url, rate=getattr(mix, name), concurrency=mix.concurrency)
        for name, api in HOSTS.items()
        if api in mix.rates()
    ]
    if mix.side_by_side:
        bounds = {"early": "created_before", "late": "created_after"}
        routes = [
            texts.orders(name, batch_size=mix.batch_size, where={bound: MIDDLE})
            for name, bound in bounds.items()
        ]
    else:
        routes = [texts.orders(batch_size=mix.batch_size)]
    if mix.sizing:
        routes.append(PRODUCTS)
    return texts.migration("rate-bound", *hosts, *routes)
