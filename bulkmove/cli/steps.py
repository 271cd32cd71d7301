"""The steps of a cutover, each the command of its name: what it ended with, and what of it the ledger keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bulkmove.cli.exits import tell
from bulkmove.cli.loading import loading
from bulkmove.errors import INTERRUPTED

if TYPE_CHECKING:
    from bulkmove.cli.walking import Sequence
    from bulkmove.cutover.sequence import Place

NO_GO, DIFFERS = 3, 4


def perform_step(sequence: Sequence, step: str, place: Place) -> tuple[int, dict[str, Any]]:
    """Its exit code, and what is kept of it by name."""
    return _STEPS[step](sequence, place)


def _full(sequence: Sequence, _: Place) -> tuple[int, dict[str, Any]]:
    with loading():
        from bulkmove.cli.ending import Ending, RunRequest
        from bulkmove.cli.running import perform

    ending = Ending(routes={})
    request = RunRequest(
        file=sequence.file,
        ledger=sequence.ledger,
        routes=(),
        output=sequence.output,
        yes=sequence.yes,
        execute=sequence.execute,
    )
    code = perform(request, ending)
    if code in (0, NO_GO) and not _is_finished(sequence):
        return INTERRUPTED, {}
    return code, {"read": sum(counts.get("read", 0) for counts in ending.routes.values())}


def _is_finished(sequence: Sequence) -> bool:
    with loading():
        from bulkmove.pipeline.migration import Migration

    summary = Migration(sequence.settings).status()
    return summary.finished >= set(sequence.settings.routes)


def _delta(sequence: Sequence, _: Place) -> tuple[int, dict[str, Any]]:
    with loading():
        from bulkmove.cli.delta import perform_delta
        from bulkmove.cli.ending import Ending
        from bulkmove.cutover.sequence.facts import found_by_last_delta
        from bulkmove.ledger.looking import looked_at

    code = perform_delta(
        sequence.file,
        sequence.ledger,
        execute=sequence.execute,
        output=sequence.output,
        ending=Ending(routes={}),
    )
    with looked_at(sequence.settings.ledger) as connection:
        found = 0 if connection is None else found_by_last_delta(connection)
    return code, {"found": found}


def _last_delta(sequence: Sequence, place: Place) -> tuple[int, dict[str, Any]]:
    """What was dated in the last seconds belongs to the next pass: the first one after the freeze waits for them."""
    with loading():
        from bulkmove.cutover.sequence.steps import settled_in

    if rest_s := settled_in(place.frozen_at, now=time.time()):
        if not sequence.output.quiet:
            tell(f"waiting {rest_s:.0f} s, so that the last order is old enough to be read")
        time.sleep(rest_s)
    return _delta(sequence, place)


def _verify(sequence: Sequence, _: Place) -> tuple[int, dict[str, Any]]:
    with loading():
        from bulkmove.cli.verify import perform_verify

    return perform_verify(sequence.file, ledger=sequence.ledger, output=sequence.output, ending={}), {}


def _verdict(sequence: Sequence, place: Place) -> tuple[int, dict[str, Any]]:
    with loading():
        from bulkmove.cutover.sequence import judge
        from bulkmove.pipeline.migration import Migration
        from bulkmove.report.cutover import tell_cutover_json, tell_verdict

    facts = sequence.facts()
    verified = facts.verified
    if verified is not None and verified["started_at"] < (place.frozen_at or 0.0):
        verified = None
    verdict = judge(
        Migration(sequence.settings).status(),
        verified=verified,
        is_moving=place.is_moving,
        accepts_failures=sequence.accepts_failures,
        gone=facts.gone,
        undone=facts.undone,
    )
    if sequence.output.as_json:
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


_STEPS: Mapping[str, Callable[[Sequence, Place], tuple[int, dict[str, Any]]]] = {
    "full": _full,
    "delta": _delta,
    "last-delta": _last_delta,
    "verify": _verify,
    "verdict": _verdict,
}
