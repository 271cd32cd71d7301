"""The ledger on SQLite keeps what `protocols.Ledger` promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmove.testing import Check, LedgerTrial, ledger_checks
from tests.conformance.cases import hold
from tests.conformance.ledgers import sqlite_ledger


@pytest.mark.parametrize("check", ledger_checks())
def test_the_ledger_keeps_its_promises(check: Check[LedgerTrial], tmp_path: Path) -> None:
    hold(check, lambda: sqlite_ledger(tmp_path))
