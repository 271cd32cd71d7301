"""Suites that hold a Source, a Target or a Ledger to what `bulkmove.protocols` promises of it, for their authors' tests.

A check is an async function of one trial; `run_check` makes the trial and runs it. It fails with NotKeptError, and
skips what the trial does not give it to look at:

    @pytest.mark.parametrize("check", source_checks())
    def test_my_list(check):
        run_check(check, my_list)

trials.py           what the suites are given · running.py  one check on one trial
faulty.py           a host that a function stands for, and a transport that answers as it is told
sources.py          source_checks · source_faults.py  of a host that misbehaves
pages.py, rows.py   what the suites put down and read back
targets.py          target_checks · target_answers.py  whatever the host answers · updates.py  to rows that are there
deletions.py        deletion_checks · staged.py  staged_checks
ledgers.py          ledger_checks · ledger_writes.py  intents and outcomes · ledger_lists.py  spans, raw rows, keys
ledger_looking.py   what is looked at again · ledger_keeping.py  what outlives a run

It needs pytest, and is imported by tests alone.
"""

from bulkmove.testing.deletions import deletion_checks
from bulkmove.testing.faulty import FaultyTransport, emulated, route_to
from bulkmove.testing.ledgers import ledger_checks
from bulkmove.testing.running import Check, NotKeptError, run_check
from bulkmove.testing.sources import source_checks
from bulkmove.testing.staged import staged_checks
from bulkmove.testing.targets import target_checks
from bulkmove.testing.trials import DeletionTrial, LedgerTrial, SourceTrial, StagedTrial, TargetTrial

__all__ = [
    "Check",
    "DeletionTrial",
    "FaultyTransport",
    "LedgerTrial",
    "NotKeptError",
    "SourceTrial",
    "StagedTrial",
    "TargetTrial",
    "deletion_checks",
    "emulated",
    "ledger_checks",
    "route_to",
    "run_check",
    "source_checks",
    "staged_checks",
    "target_checks",
]
