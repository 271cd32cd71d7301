"""Every Target that comes with the package, and its doubles, keep what `protocols.Target` promises."""

from __future__ import annotations

from typing import Any

import pytest

from bulkmove.testing import (
    Check,
    DeletionTrial,
    StagedTrial,
    TargetTrial,
    deletion_checks,
    staged_checks,
    target_checks,
)
from tests.conformance import ours
from tests.conformance.cases import cases, hold
from tests.conformance.doubled import shop_target

OTHER_DIALECT: dict[str, Any] = {
    "external_spelling": "run-together",
    "external_paging": "limit-offset",
    "drf": "indexed",
    "host": {"options": {"spelling": "run-together", "paging": "limit-offset"}},
}
APPENDING = ("single updates", "repeating")
TARGETS: dict[str, tuple[Any, ...]] = {
    "merchantpro orders": (ours.merchantpro_target, "arrays", "joining"),
    "merchantpro processing": (
        ours.merchantpro_processing, "creations", "refusals", "joining", "repeating", "single updates",
    ),
    "external-order, lines are added": (ours.external_target("append"), *APPENDING),
    "external-order, lines are replaced": (ours.external_target("replace"), "single updates"),
    "external-order in another dialect": (ours.external_target("append", **OTHER_DIALECT), *APPENDING),
    "robosize orders": (ours.robosize_orders_target, "arrays", "joining"),
    "robosize products": (ours.robosize_products_target, "arrays", "single updates"),
    "a file": (ours.file_target(), "transport", "updates", "refusals"),
    "a CSV file": (ours.file_target(format="csv", columns="id,name,value"), "transport", "updates"),
    "a shop in memory, one by one": (shop_target("single"), "transport", "refusals", "joining"),
    "a shop in memory, in arrays": (shop_target("array"), "transport", "refusals", "repeating"),
    "a shop in memory, joined": (shop_target("joined"), "transport", "refusals"),
}  # fmt: skip
DELETIONS: dict[str, tuple[Any, ...]] = {
    "merchantpro orders": (ours.deletions("merchantpro", "orders"),),
    "robosize orders": (ours.deletions("robosize", "orders"),),
    "robosize products": (ours.deletions("robosize", "products"),),
}
FILES: dict[str, tuple[Any, ...]] = {
    "JSON lines": (ours.staged_file(),),
    "CSV": (ours.staged_file(format="csv"),),
    "gzip": (ours.staged_file(compression="gzip"),),
}


@pytest.mark.parametrize(("opened", "check"), cases(target_checks(), TARGETS))
def test_a_target_keeps_its_promises(opened: Any, check: Check[TargetTrial]) -> None:
    hold(check, opened)


@pytest.mark.parametrize(("opened", "check"), cases(deletion_checks(), DELETIONS))
def test_a_target_that_deletes_keeps_its_promises(opened: Any, check: Check[DeletionTrial]) -> None:
    hold(check, opened)


@pytest.mark.parametrize(("opened", "check"), cases(staged_checks(), FILES))
def test_a_list_that_comes_to_be_as_a_whole_keeps_its_promises(
    opened: Any, check: Check[StagedTrial]
) -> None:
    hold(check, opened)
