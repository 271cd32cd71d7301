"""All scenes: every kind of write, on hosts that work and on hosts that don't."""

from __future__ import annotations

from dataclasses import replace

from bulkmove.sandbox.conditions import Fault, Latency
from tests.crash import kinds_external as external
from tests.crash import kinds_files as files
from tests.crash import kinds_robosize as robosize
from tests.crash import kinds_shop as shop
from tests.crash.judging import Accounts
from tests.crash.stage import Lists, Scene, Stage, on_writes, orders_of, under

# The plain kinds of write.
PLAIN = (
    external.CREATES,
    robosize.CREATES,
    robosize.PRODUCT_CREATES,
    shop.CREATES,
    robosize.JOINED,
    robosize.DIVIDED,
    robosize.RELINKED,
    robosize.CHANGES_AND_CREATES,
    external.APPENDING,
    external.REPLACING,
    shop.CHANGES,
    shop.PROCESSING,
    shop.DELETES,
    robosize.DELETES_BY_KEY,
    robosize.DELETES_FROM_ITS_OWN_LIST,
    external.DELETES_OF_LINES,
    files.PLAIN,
    files.TABLE,
    files.PACKED,
)


def _three_must(stage: Stage) -> Lists:
    return {
        "external-orders": external.made(stage),
        "robosize-orders": robosize.fitted(stage),
        "robosize-products": robosize.relinked(stage),
    }


def _three_accounts(stage: Stage) -> Accounts:
    orders, products = len(orders_of(stage)), len(stage.before["robosize-products"])
    return Accounts({"orders": orders, "fitting": orders, "products": products})


# Routes side by side, one of which waits for another.
_REST = robosize.FITTING + robosize.RELINK + 'after = ["orders"]\n'
THREE = Scene("three routes", external.ROUTE + _REST, _three_must, _three_accounts)
_THREE_WITH_BAD = Scene(
    "three routes",
    external.ROUTE_WITH_BAD + _REST,
    must=lambda stage: {**_three_must(stage), "external-orders": external.made_but_for_bad(stage)},
    accounts=lambda stage: replace(_three_accounts(stage), rejected={"orders": external.bad(stage)}),
    code=3,
)

_LOST, _LATE = "error-502-after", "applied-late"
TROUBLED = (
    under(external.CREATES, "answers lost", on_writes(_LOST, 0.4)),
    under(external.CREATES, "connections cut", on_writes("dropped-after", 0.3), on_writes("cut-body", 0.3)),
    under(external.CREATES, "applied late", on_writes(_LATE, 0.4)),
    under(external.CREATES, "short answers", on_writes("short-answer", 0.5)),
    external.CREATES_WITH_BAD,
    under(external.CREATES_WITH_BAD, "indexed", drf="indexed"),
    under(external.CREATES_WITH_BAD, "not atomic", on_writes("not-atomic", 1.0)),
    under(robosize.CREATES, "answers lost", on_writes(_LOST, 0.3)),
    under(robosize.CREATES, "applied late", on_writes(_LATE, 0.3)),
    under(shop.CREATES, "answers lost", on_writes(_LOST, 0.3)),
    under(robosize.JOINED, "list moves", robosize_order="updated"),
    under(robosize.JOINED, "answers lost", on_writes(_LOST, 0.3, times=2)),
    under(robosize.DIVIDED, "answers lost", on_writes(_LOST, 0.3, times=2)),
    under(external.APPENDING, "answers lost", on_writes(_LOST, 0.4)),
    under(external.APPENDING, "applied late", on_writes(_LATE, 0.4)),
    # So late that a change which was sent first could land on top of the second.
    replace(
        under(shop.CHANGES, "applied late", on_writes(_LATE, 1.0, times=2), late_seconds=1.5), settle_s=2.0
    ),
    under(shop.PROCESSING, "answers lost", on_writes(_LOST, 0.3)),
    under(robosize.DELETES_FROM_ITS_OWN_LIST, "answers lost", on_writes(_LOST, 0.2, times=2)),
    under(external.DELETES_OF_LINES, "answers lost", on_writes(_LOST, 0.2, times=2)),
    under(THREE, "answers lost, applied late", on_writes(_LOST, 0.1, times=2), on_writes(_LATE, 0.1, times=2)),
    replace(external.CREATES, name="array creates, checkpoints", checkpoint_pages=1),
)  # fmt: skip
SCENES: tuple[Scene, ...] = (*PLAIN, *TROUBLED)


def _held_up(scene: Scene, *faults: Fault) -> Scene:
    return replace(under(scene, "held up", *faults, late_seconds=0.8), timeout_s=1.0, settle_s=2.0)


# Held up for longer than the migration waits for answers and for writes to settle: no time that it noted before may
# count for what it sends afterwards.
HELD_UP = (
    _held_up(external.CREATES, on_writes(_LATE, 0.5)),
    _held_up(robosize.CREATES, on_writes(_LATE, 0.3)),
    _held_up(shop.CHANGES, on_writes(_LATE, 1.0, times=2)),
    _held_up(shop.PROCESSING, on_writes(_LOST, 0.3)),
)

# SQLite is interrupted within its commits and checkpoints: eight times the boundaries.
DEEP = (
    replace(external.CREATES, name="within commits", is_deep=True),
    replace(external.CREATES, name="within checkpoints", is_deep=True, checkpoint_pages=1),
)

# Longer runs, for random moments: every trouble that a host can make. Answers take a while, so that a kill meets writes
# that are done and not yet acknowledged.
_SIZE = {"orders": 30, "latency": Latency(0.003, 0.015)}
WEATHER = (
    under(THREE, "fair", **_SIZE),
    under(THREE, "slow answers", **{**_SIZE, "latency": Latency(0.02, 0.08)}),
    under(THREE, "error-500", on_writes("error-500", 0.07), **_SIZE),
    under(THREE, "error-502-before", on_writes("error-502-before", 0.07), **_SIZE),
    under(THREE, "error-502-after", on_writes("error-502-after", 0.07), **_SIZE),
    under(THREE, "applied-late", on_writes("applied-late", 0.07), **_SIZE),
    under(THREE, "dropped", on_writes("dropped", 0.07), **_SIZE),
    under(THREE, "dropped-after", on_writes("dropped-after", 0.07), **_SIZE),
    under(THREE, "cut-body", on_writes("cut-body", 0.07), **_SIZE),
    replace(under(THREE, "slow", on_writes("slow", 0.05), slow_seconds=1.2, **_SIZE), timeout_s=0.8, settle_s=2.0),
    under(THREE, "too-many-429", on_writes("too-many-429", 0.05, times=3, wait="seconds"), **_SIZE),
    under(THREE, "short-answer", on_writes("short-answer", 0.2), **_SIZE),
    under(_THREE_WITH_BAD, "bad records", **_SIZE),
    under(_THREE_WITH_BAD, "bad records, indexed", drf="indexed", **_SIZE),
    under(_THREE_WITH_BAD, "not-atomic", on_writes("not-atomic", 1.0), **_SIZE),
    under(
        _THREE_WITH_BAD, "all at once",
        *(on_writes(name, 0.02) for name in ("error-502-after", "applied-late", "dropped-after", "cut-body", "error-500", "dropped")),
        on_writes("short-answer", 0.05), **_SIZE,
    ),
    # More orders than a page holds.
    replace(
        under(external.CREATES, "many pages", orders=260),
        routes=external.ROUTE.replace("batch_size = 4", "batch_size = 20"),
    ),
    under(robosize.JOINED, "many pages", products=450),
)  # fmt: skip
