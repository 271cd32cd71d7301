"""What hosts were sent lately stands in the ledger by place and grain."""

from __future__ import annotations

from pathlib import Path

from bulkmove.ledger import open_ledger
from tests.unit.ledger.conftest import Opened


async def test_what_was_spent_is_there_for_the_next_run(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        await ledger.save_spent("shop", {15: 4, 30: 7}, forget_before=0)
        await ledger.save_spent("other", {30: 1}, forget_before=0)
        await ledger.save_spent("shop", {30: 9, 45: 2}, forget_before=0)
    async with open_ledger(path) as ledger:
        assert await ledger.spent() == {"shop": {15: 4, 30: 9, 45: 2}, "other": {30: 1}}


async def test_what_no_window_reaches_any_more_is_forgotten_for_that_host_alone(
    opened: Opened, path: Path
) -> None:
    async with opened() as ledger:
        await ledger.save_spent("shop", {15: 4, 30: 7}, forget_before=0)
        await ledger.save_spent("other", {15: 1}, forget_before=0)
        await ledger.save_spent("shop", {45: 2}, forget_before=29.5)
    async with open_ledger(path) as ledger:
        assert await ledger.spent() == {"shop": {30: 7, 45: 2}, "other": {15: 1}}
