"""The steps of a cutover as the command line does them: each is a command, noted before it begins and after it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkmove.cli.exits import INTERRUPTED, tell
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output

if TYPE_CHECKING:
    from bulkmove.cutover.sequence import Limits, Place
    from bulkmove.cutover.sequence.facts import Facts
    from bulkmove.settings import MigrationSettings

DEFAULT_FILE = Path("migration.toml")
NO_GO, DIFFERS = 3, 4


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
        code, told = self._works()[step](place)
        milestones.end(self.settings.ledger, number, exit_code=code, told=told)
        if self.output.as_json:
            tell_cutover_json(
                "step", step=step, exit=code, seconds=round(time.monotonic() - began, 3), **told
            )
        return code

    def _works(self) -> Mapping[str, Callable[[Place], tuple[int, dict[str, Any]]]]:
        return {
            "full": self._full,
            "delta": self._delta,
            "last-delta": self._last_delta,
            "verify": self._verify,
            "verdict": self._verdict,
        }

    def _full(self, _: Place) -> tuple[int, dict[str, Any]]:
        with loading():
            from bulkmove.cli.ending import Ending, RunRequest
            from bulkmove.cli.running import perform

        ending = Ending(routes={})
        request = RunRequest(
            file=self.file,
            ledger=self.ledger,
            routes=(),
            output=self.output,
            yes=self.yes,
            execute=self.execute,
        )
        code = perform(request, ending)
        if code in (0, NO_GO) and not self._is_finished():
            return INTERRUPTED, {}
        return code, {"read": sum(counts.get("read", 0) for counts in ending.routes.values())}

    def _is_finished(self) -> bool:
        with loading():
            from bulkmove.pipeline.migration import Migration

        summary = Migration(self.settings).status()
        return summary.finished >= set(self.settings.routes)

    def _delta(self, _: Place) -> tuple[int, dict[str, Any]]:
        with loading():
            from bulkmove.cli.delta import perform_delta
            from bulkmove.cli.ending import Ending
            from bulkmove.cutover.sequence.facts import found_by_last_delta
            from bulkmove.ledger.looking import looked_at

        code = perform_delta(
            self.file,
            self.ledger,
            execute=self.execute,
            output=self.output,
            ending=Ending(routes={}),
        )
        with looked_at(self.settings.ledger) as connection:
            found = 0 if connection is None else found_by_last_delta(connection)
        return code, {"found": found}

    def _last_delta(self, place: Place) -> tuple[int, dict[str, Any]]:
        """What was dated in the last seconds belongs to the next pass: the first one after the freeze waits for them."""
        with loading():
            from bulkmove.cutover.sequence.steps import settled_in

        if rest_s := settled_in(place.frozen_at, now=time.time()):
            if not self.output.quiet:
                tell(f"waiting {rest_s:.0f} s, so that the last order is old enough to be read")
            time.sleep(rest_s)
        return self._delta(place)

    def _verify(self, _: Place) -> tuple[int, dict[str, Any]]:
        with loading():
            from bulkmove.cli.verify import perform_verify

        return perform_verify(self.file, ledger=self.ledger, output=self.output, ending={}), {}

    def _verdict(self, place: Place) -> tuple[int, dict[str, Any]]:
        with loading():
            from bulkmove.cutover.sequence import judge
            from bulkmove.pipeline.migration import Migration
            from bulkmove.report.cutover import tell_cutover_json, tell_verdict

        facts = self.facts()
        verified = facts.verified
        if verified is not None and verified["started_at"] < (place.frozen_at or 0.0):
            verified = None
        verdict = judge(
            Migration(self.settings).status(),
            verified=verified,
            is_moving=place.is_moving,
            accepts_failures=self.accepts_failures,
            gone=facts.gone,
            undone=facts.undone,
        )
        if self.output.as_json:
            reasons = [{"text": r.text, "is_good": r.is_good, "next": r.next} for r in verdict.reasons]
            tell_cutover_json("verdict", go=verdict.is_go, reasons=reasons)
        else:
            tell_verdict(
                verdict, frozen_s=None if place.frozen_at is None else max(0.0, time.time() - place.frozen_at)
            )
        against = [reason.text for reason in verdict.reasons if not reason.is_good]
        if verdict.is_go:
            return 0, {"against": against}
        differs = verified is not None and verified["exit_code"] == DIFFERS
        return (DIFFERS if differs else NO_GO), {"against": against}

    def _tell_gate(self, place: Place, facts: Facts) -> None:
        with loading():
            from bulkmove.connectors.discover import connector
            from bulkmove.cutover.sequence import forecast_freeze, foreseen
            from bulkmove.pipeline.migration import Migration
            from bulkmove.pipeline.opening import default_windows
            from bulkmove.report.cutover import tell_cutover_json, tell_gate

        if place.gate is None:
            return
        against = foreseen(
            Migration(self.settings).status(),
            accepts_failures=self.accepts_failures,
            gone=facts.gone,
            undone=facts.undone,
        )
        deltas = [each.seconds for each in facts.done if each.step == "delta" and each.ended_at is not None]
        hosts = {name: (route.source.host, route.target.host) for name, route in self.settings.routes.items()}
        windows = {
            name: host.windows or default_windows(connector(host.api))
            for name, host in self.settings.hosts.items()
        }
        forecast = forecast_freeze(
            delta_s=deltas[-1], verify_s=facts.verify_s, requests=facts.requests(hosts), windows=windows
        )
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

    def _is_frozen_by_now(self, place: Place, facts: Facts) -> bool:
        """Tell what is waited for; on a terminal ask, and go on where the answer is that it is done."""
        with loading():
            from bulkmove.cli.asking import confirmed

        self._tell_gate(place, facts)
        if self.output.as_json or self.output.quiet or not sys.stdin.isatty():
            return False
        return confirmed("Is the old shop frozen now?")
