"""What is known by two names of one host may land as late as the slower of them says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from bulkmove import clock
from bulkmove.model import JsonObject, WriteItem, WriteResult
from bulkmove.settings import MigrationSettings
from bulkmove.transport.attempts import Attempt, note_attempt
from tests.doubles import Shop, apply_all
from tests.trial import Trial

_SETTLE_S, _SEEN_TO_WAIT_S = 600.0, 1.0
_ONE_PLACE = {"slow": "http://new.invalid", "quick": "http://new.invalid"}


class _TwoNames(Trial):
    @property
    def settings(self) -> MigrationSettings:
        settings = super().settings
        slow = replace(settings.hosts["slow"], settle_s=_SETTLE_S)
        return replace(settings, hosts={**settings.hosts, "slow": slow})


async def _twice(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    note_attempt(Attempt(clock.now(), "no answer within 60 s", is_unsettled=True))
    return await apply_all(shop, items)


async def test_a_route_by_the_quicker_name_waits_for_what_an_earlier_run_sent_by_the_slower(
    tmp_path: Path,
) -> None:
    new = Shop.of([{"key": "x", "value": "before"}], answer=_twice)
    shops = {"old": Shop.of([{"key": "x"}]), "slow": new, "quick": new}
    trial = _TwoNames(tmp_path, shops, urls=dict(_ONE_PLACE))

    def of(name: str) -> None:
        def mapper(_record: JsonObject, _context: object) -> JsonObject:
            return {"id": "1", "key": "x", "value": name}

        trial.route(name, target=name, mapper=mapper, mode="update")

    of("slow")
    await trial.run()
    of("quick")
    with anyio.move_on_after(_SEEN_TO_WAIT_S) as scope:
        await trial.run()
    assert scope.cancelled_caught
    assert new.rows["1"]["value"] == "slow"
