"""A cutover as the command line walks it: which step is next, what a person is asked, each step noted in the ledger."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkmove.cli.exits import tell
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output
from bulkmove.cli.steps import DIFFERS, NO_GO, perform_step

if TYPE_CHECKING:
    from bulkmove.cutover.sequence import FreezeForecast, Limits, Place
    from bulkmove.cutover.sequence.facts import Facts
    from bulkmove.settings import MigrationSettings

DEFAULT_FILE = Path("migration.toml")


@dataclass(slots=True)
class Sequence:
    """The cutover of one migration, as this command works it."""

    file: Path
    settings: MigrationSettings
    limits: Limits
    accepts_failures: bool
    yes: bool
    execute: bool
    output: Output
    ledger: Path | None = None

    @property
    def where(self) -> str:
        """What a command that goes on with this is told, too."""
        file = [] if self.file == DEFAULT_FILE else [str(self.file)]
        ledger = [] if self.ledger is None else ["--ledger", str(self.ledger)]
        return "".join(f" {word}" for word in (*file, *ledger, *(["--execute"] if self.execute else [])))

    def facts(self) -> Facts:
        with loading():
            from bulkmove.cutover.sequence.facts import facts_of
            from bulkmove.ledger.looking import looked_at

        with looked_at(self.settings.ledger, is_newest=True) as connection:
            return facts_of(connection)

    def place(self, facts: Facts) -> Place:
        with loading():
            from bulkmove.cutover.sequence import place_of

        written_at = facts.written_at
        verdicts = [each for each in facts.done if each.step == "verdict"]
        if verdicts and facts.verified is not None and facts.verified["exit_code"] == DIFFERS:
            found_at = facts.verified["started_at"]
            # Somebody looked once more, and found differences that the verdict did not know of.
            written_at = max(written_at, found_at) if found_at > verdicts[-1].began_at else written_at
        return place_of(facts.done, self.limits, written_at=written_at)

    def as_dict(self) -> dict[str, Any]:
        place = self.place(self.facts())
        return {
            "next": place.next,
            "waits_for": None if place.gate is None else "freeze",
            "frozen_at": place.frozen_at,
            "is_over": place.is_over,
        }

    def tell(self) -> int:
        """Where it stands; nothing is done."""
        with loading():
            from bulkmove.report.cutover import step_as_dict, tell_cutover_json, tell_steps

        facts = self.facts()
        place = self.place(facts)
        if self.output.as_json:
            for each in facts.done:
                tell_cutover_json("step", **step_as_dict(each))
        else:
            tell_steps(facts.done, place)
        self._tell_gate(place, facts)
        return 0

    def walk(self, *, freeze: bool, unfreeze: bool) -> int:
        """Do what comes next, step by step, until a person is needed, the verdict is there, or a step fails."""
        with loading():
            from bulkmove.cutover.sequence import Place

        self._refuse_held_back()
        if freeze:
            self._refuse_changed()
        place = self.place(self.facts())
        if freeze or unfreeze:
            self._say(place, is_frozen=freeze)
        elif place.gate is not None and (code := self._do(Place(next="delta"))) not in (0, NO_GO):
            return code  # the shop went on since: catch up with it once more
        while (place := self.place(self.facts())).next is not None:
            code = self._do(place)
            if place.next == "verdict" or code not in (0, NO_GO, DIFFERS):
                return code
        facts = self.facts()
        if place.gate is not None and self._is_frozen_by_now(place, facts):
            return self.walk(freeze=True, unfreeze=False)
        if place.is_over and not self.output.as_json:
            click.echo("the cutover is over: go. bulkmove cutover status tells its steps")
        return 0

    def _refuse_held_back(self) -> None:
        with loading():
            from bulkmove.errors import ConfigError
            from bulkmove.pipeline.guards import live_targets

        if not self.execute and (live := live_targets(self.settings)):
            raise ConfigError(
                f"{', '.join(live)}: live = true: a cutover writes there, which takes --execute"
            )

    def _refuse_changed(self) -> None:
        """Before a freeze is noted: no step that follows one goes on with another mapping."""
        with loading():
            from bulkmove.ledger.looking import looked_at
            from bulkmove.pipeline.fingerprints import refuse_changed
            from bulkmove.pipeline.plan import plan_migration

        with looked_at(self.settings.ledger, is_newest=True) as connection:
            if connection is not None:
                refuse_changed(plan_migration(self.settings), connection)

    def _say(self, place: Place, *, is_frozen: bool) -> None:
        """Note what a person says of the old shop. Raises ConfigError where it makes no sense now."""
        with loading():
            from bulkmove.cutover.sequence import FREEZE, UNFREEZE
            from bulkmove.errors import ConfigError
            from bulkmove.ledger import milestones

        if is_frozen and place.next in ("full", "delta"):
            raise ConfigError(
                f"too early for the freeze: {place.next} comes first; bulkmove cutover goes on with it and says when"
            )
        if not is_frozen and place.frozen_at is None:
            raise ConfigError("the old shop was not said to be frozen: there is nothing to take back")
        if is_frozen and place.is_over:
            raise ConfigError("the cutover is over; --unfreeze begins with deltas again")
        ledger = self.settings.ledger
        milestones.end(
            ledger, milestones.begin(ledger, FREEZE if is_frozen else UNFREEZE), exit_code=0, told={}
        )

    def _do(self, place: Place) -> int:
        """One step, noted in the ledger before and after; what it ended with."""
        with loading():
            from bulkmove.ledger import milestones
            from bulkmove.report.cutover import tell_cutover_json

        step = place.next or ""
        if not self.output.quiet and not self.output.as_json:
            tell(f"── {step}")
        number = milestones.begin(self.settings.ledger, step)
        began = time.monotonic()
        code, told = perform_step(self, step, place)
        milestones.end(self.settings.ledger, number, exit_code=code, told=told)
        if self.output.as_json:
            tell_cutover_json(
                "step", step=step, exit=code, seconds=round(time.monotonic() - began, 3), **told
            )
        return code

    def _tell_gate(self, place: Place, facts: Facts) -> None:
        with loading():
            from bulkmove.cutover.sequence import foreseen
            from bulkmove.pipeline.migration import Migration
            from bulkmove.report.cutover import tell_cutover_json, tell_gate

        if place.gate is None:
            return
        against = foreseen(
            Migration(self.settings).status(),
            accepts_failures=self.accepts_failures,
            gone=facts.gone,
            undone=facts.undone,
        )
        forecast = self._forecast(facts)
        if self.output.as_json:
            tell_cutover_json(
                "gate",
                waits_for="freeze",
                found=place.gate.found,
                is_small=place.gate.is_small,
                freeze_s=[round(forecast.shortest_s, 1), round(forecast.longest_s, 1)],
                is_measured=forecast.is_measured,
                against=[reason.text for reason in against],
            )
            return
        tell_gate(
            place.gate.found,
            is_small=place.gate.is_small,
            forecast=forecast,
            command=f"bulkmove cutover{self.where}",
            against=against,
        )

    def _forecast(self, facts: Facts) -> FreezeForecast:
        with loading():
            from bulkmove.connectors.discover import connector
            from bulkmove.cutover.sequence import forecast_freeze
            from bulkmove.pipeline.opening import windows_of

        deltas = [each.seconds for each in facts.done if each.step == "delta" and each.ended_at is not None]
        hosts = {name: (route.source.host, route.target.host) for name, route in self.settings.routes.items()}
        windows = {name: windows_of(host, connector(host.api)) for name, host in self.settings.hosts.items()}
        return forecast_freeze(
            delta_s=deltas[-1], verify_s=facts.verify_s, requests=facts.requests(hosts), windows=windows
        )

    def _is_frozen_by_now(self, place: Place, facts: Facts) -> bool:
        """Tell what is waited for; on a terminal ask, and go on where the answer is that it is done."""
        with loading():
            from bulkmove.cli.asking import confirmed

        self._tell_gate(place, facts)
        if self.output.as_json or self.output.quiet or not sys.stdin.isatty():
            return False
        return confirmed("Is the old shop frozen now?")
