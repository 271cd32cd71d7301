"""Making a simulated world: hosts with habits of their own, and a plan as `bulkmove run` would make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from bulkmove.connectors.discover import connector
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan, plan_migration
from bulkmove.settings import HostSettings, MigrationSettings, Mode, RouteSettings, Secret, StreamName, Window
from tests.simulation import external_order, merchantpro_habits, robosize
from tests.simulation.calls import Host
from tests.simulation.clock import Clock
from tests.simulation.external_order import ExternalOrder
from tests.simulation.merchantpro import MerchantPro
from tests.simulation.oracle import Check
from tests.simulation.robosize import Robosize

_CREDENTIALS = {
    "merchantpro": {"key": Secret("k"), "secret": Secret("s")},
    "external-order": {"token": Secret("t")},
    "robosize": {"api_key": Secret("a")},
}
_APIS = {
    "old": "merchantpro", "other": "merchantpro", "shop": "merchantpro", "new": "external-order", "sizing": "robosize",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """`checks`: what must hold of each route in the end. `attempts_over_s`: see RunOptions."""

    plan: MigrationPlan
    hosts: Mapping[str, Host]
    checks: Sequence[Check]
    attempts_over_s: float

    @property
    def written_to(self) -> set[str]:
        return {route.settings.target.host for route in self.plan.routes.values()}

    def hold_still(self) -> None:
        """Nobody but the migration changes anything from here on."""
        for host in self.hosts.values():
            host.is_moving = False


@dataclass(frozen=True, slots=True)
class Route:
    """A route as it stands in the plan of all seeds; what a seed sets of it comes later."""

    name: str
    source: str
    target: str
    mapper: str
    after: tuple[str, ...] = ()
    mode: Mode = "upsert"
    options: tuple[tuple[str, Any], ...] = ()


class Making:
    """A world while it is made: dice, hosts and routes."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self.dice = Random(f"world {seed}")
        self.hosts: dict[str, Host] = {}
        self.options: dict[str, Mapping[str, Any]] = {}
        self.routes: list[tuple[Route, dict[str, Any]]] = []
        self.checks: list[Check] = []
        self._seed = seed
        self._clock = clock

    def old(
        self,
        name: str = "old",
        *,
        least: int = 0,
        most: int = 40,
        first: int = 1000,
        is_busy: bool = False,
        bad: float | None = None,
    ) -> MerchantPro:
        orders = max(least, min(most, self.dice.choice((0, 1, 3, 6, 9, 14, 30))))
        busy, drawn = merchantpro_habits.Habits.busy, merchantpro_habits.Habits.drawn
        habits = busy(self.dice) if is_busy else drawn(self.dice, orders=orders)
        bad = self.dice.choice((0.0, 0.0, 0.1)) if bad is None else bad
        host = MerchantPro(
            self._clock, Random(f"{name} {self._seed}"), habits, orders=orders, bad=bad, first=first
        )
        self.hosts[name] = host
        return host

    def shop(self) -> MerchantPro:
        """A MerchantPro shop that is moved to."""
        habits = merchantpro_habits.Habits.written_to(self.dice)
        host = MerchantPro(self._clock, Random(f"shop {self._seed}"), habits, orders=0, bad=0.0, first=9000)
        self.hosts["shop"] = host
        return host

    def new(self, *, keeps_keys: bool = False) -> ExternalOrder:
        habits = external_order.Habits.drawn(self.dice)
        habits = replace(habits, key="kept") if keeps_keys else habits
        host = ExternalOrder(self._clock, Random(f"new {self._seed}"), habits)
        self.hosts["new"] = host
        self.options["new"] = {
            "paging": "page" if habits.is_numbered else "limit-offset",
            "items_on_update": "replace" if habits.replaces_items else "append",
        }
        return host

    def sizing(self, *, rows: int) -> Robosize:
        habits = robosize.Habits.drawn(self.dice, rows=rows)
        host = Robosize(self._clock, Random(f"sizing {self._seed}"), habits)
        self.hosts["sizing"] = host
        return host

    def route(self, route: Route, **settings: Any) -> None:
        drawn = {"batch_size": self.dice.choice((1, 2, 4, 7, None))}
        self.routes.append((route, {**drawn, **settings}))

    def done(self) -> World:
        plan = _plan(tuple(route for route, _ in self.routes))
        hosts = {
            host: replace(_host(host, self.dice), options=self.options.get(host, {})) for host in self.hosts
        }
        routes = {route.name: _set(plan.routes[route.name], settings) for route, settings in self.routes}
        return World(
            plan=replace(plan, settings=replace(plan.settings, hosts=hosts), routes=routes),
            hosts=self.hosts,
            checks=self.checks,
            attempts_over_s=self.dice.choice((3.0, 10.0)),
        )


def _host(name: str, dice: Random) -> HostSettings:
    api = _APIS[name]
    # Where none is published, its rate has to be found.
    unstated = () if connector(api).windows else None
    return HostSettings(
        name=name,
        api=api,
        url=f"https://{name}.invalid",
        credentials=_CREDENTIALS[api],
        windows=dice.choice(((), unstated, (Window(20, 1.0),), (Window(5, 0.5), Window(60, 20.0)))),
        burst=dice.choice((1, 3)),
        concurrency=dice.choice((1, 2, 4, 16)),
        timeout_s=dice.choice((0.3, 1.0)),
        settle_s=dice.choice((1.5, 3.0)),
        give_up_after_s=dice.choice((4.0, 15.0)),
    )


@cache
def _plan(routes: tuple[Route, ...]) -> MigrationPlan:
    """Every name resolved, once for all seeds."""
    made: dict[str, RouteSettings] = {}
    for each in routes:
        source, target = (StreamName(*name.split(".")) for name in (each.source, each.target))
        made[each.name] = RouteSettings(
            name=each.name,
            source=source,
            target=target,
            mapper=each.mapper,
            mode=each.mode,
            after=each.after,
            options=dict(each.options),
        )
    names = {end.host for route in made.values() for end in (route.source, route.target)}
    settings = MigrationSettings(
        name="simulation",
        directory=Path(__file__).parent,
        hosts={name: _host(name, Random(0)) for name in names},
        routes=made,
        ledger=Path("/nowhere"),
    )
    return plan_migration(settings)


def _set(route: RoutePlan, settings: Mapping[str, Any]) -> RoutePlan:
    return replace(route, settings=replace(route.settings, **settings))
