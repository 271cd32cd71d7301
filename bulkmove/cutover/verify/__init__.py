"""Verifying: the target held against the source, record by record and total by total; and repairing what was found."""

from __future__ import annotations

from bulkmove.cutover.verify.concluding import Asked
from bulkmove.cutover.verify.reopening import KINDS, Wanted
from bulkmove.cutover.verify.repairing import found_to_repair, repair_migration
from bulkmove.cutover.verify.result import Repair, RouteVerification, Verification
from bulkmove.cutover.verify.sampling import Sample, parse_sample
from bulkmove.cutover.verify.verifying import verify_migration

__all__ = [
    "KINDS",
    "Asked",
    "Repair",
    "RouteVerification",
    "Sample",
    "Verification",
    "Wanted",
    "found_to_repair",
    "parse_sample",
    "repair_migration",
    "verify_migration",
]
