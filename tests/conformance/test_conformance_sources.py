"""Every Source that comes with the package, and its doubles, keep what `protocols.Source` promises."""

from __future__ import annotations

from typing import Any

import pytest

from bulkmove.testing import Check, SourceTrial, source_checks
from tests.conformance import ours
from tests.conformance.cases import cases, hold
from tests.conformance.doubled import moving_list, quiet_list, shop_in_memory

RUN_TOGETHER: dict[str, Any] = {
    "external_spelling": "run-together",
    "external_paging": "limit-offset",
    "external_list": "array",
    "created_at": "iso",
    "host": {"options": {"spelling": "run-together", "paging": "limit-offset"}},
}
SOURCES: dict[str, tuple[Any, ...]] = {
    "merchantpro orders": (ours.merchantpro_orders,),
    "merchantpro orders of a time": (ours.merchantpro_orders_of_a_time,),
    "merchantpro products": (ours.merchantpro_products, "keys", "filters"),
    "external-order orders": (ours.external_orders(), "keys"),
    "external-order in another dialect": (ours.external_orders(**RUN_TOGETHER), "keys"),
    "external-order products": (ours.external_products, "keys"),
    "robosize orders": (ours.robosize_list("orders"), "keys", "filters"),
    "robosize products": (ours.robosize_list("products"), "keys", "filters"),
    "a file": (ours.file_of_rows, "keys", "filters", "transport"),
    "a moving list at rest": (moving_list("keyset"), "filters", "transport"),
    "a moving list in passes": (moving_list("passes"), "keys", "filters", "transport"),
    "a quiet list": (quiet_list, "filters", "transport"),
    "a shop in memory": (shop_in_memory("passes"), "keys", "filters", "transport"),
    "a shop in memory, by date": (shop_in_memory("keyset"), "filters", "transport"),
}


@pytest.mark.parametrize(("opened", "check"), cases(source_checks(), SOURCES))
def test_a_source_keeps_its_promises(opened: Any, check: Check[SourceTrial]) -> None:
    hold(check, opened)
