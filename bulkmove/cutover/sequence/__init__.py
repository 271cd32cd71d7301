"""A cutover as a written sequence: what was done stands in the ledger, and what comes next follows from that.

full ─► delta ─► delta ─► … ─► FREEZE ─► last delta ─► verify ─► verdict
         └── until they are small     └── a person says so

steps.py   what comes next · freeze.py  how long the freeze will take · verdict.py  go or no-go, and why
"""

from bulkmove.cutover.sequence.freeze import FreezeForecast, forecast_freeze
from bulkmove.cutover.sequence.steps import FREEZE, UNFREEZE, Gate, Limits, Place, Step, place_of
from bulkmove.cutover.sequence.verdict import Reason, Verdict, foreseen, judge

__all__ = [
    "FREEZE",
    "UNFREEZE",
    "FreezeForecast",
    "Gate",
    "Limits",
    "Place",
    "Reason",
    "Step",
    "Verdict",
    "forecast_freeze",
    "foreseen",
    "judge",
    "place_of",
]
