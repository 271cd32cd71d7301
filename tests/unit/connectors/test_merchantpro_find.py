"""Orders asked for by their ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bulkmove.connectors.merchantpro import CONNECTOR
from bulkmove.connectors.scripted import answer
from bulkmove.errors import BadAnswerError
from bulkmove.protocols import FindsById

Make = Callable[..., Any]


def orders(*ids: object) -> dict[str, Any]:
    return {"data": [{"id": each, "date_created": "2020-03-26T15:47:08+02:00"} for each in ids]}


async def test_orders_are_found_by_the_documented_filter_alone_and_with_the_fields_of_the_route(
    transport: Make, route: Make
) -> None:
    to = transport(answer(body=orders(7, "9.3")))
    source = CONNECTOR.source("orders", to, route(where={"payment_status": "paid"}, fields_used=("id",)))
    assert isinstance(source, FindsById)
    found = await source.find(["7", "8", "9.3"])
    assert [record.id for record in found] == ["7", "9.3"]
    [request] = to.requests
    assert (request.params["ids"], request.params["limit"]) == ("7,8,9.3", "100")
    assert request.params["fields"] == "id,date_created,date_modified"
    # An order that was paid when it was read may be refunded by now, and is still there.
    assert "payment_status" not in request.params


@pytest.mark.parametrize("ids", [("7", "12"), ("7", None)])
async def test_a_host_that_brings_other_orders_ignores_the_filter(
    transport: Make, route: Make, ids: tuple[object, ...]
) -> None:
    source = CONNECTOR.source("orders", transport(answer(body=orders(*ids))), route())
    assert isinstance(source, FindsById)
    with pytest.raises(BadAnswerError, match="ignores the filter ids"):
        await source.find(["7", "8"])


async def test_an_id_with_a_comma_can_not_be_asked_for(transport: Make, route: Make) -> None:
    source = CONNECTOR.source("orders", transport(), route())
    assert isinstance(source, FindsById)
    with pytest.raises(BadAnswerError, match="comma"):
        await source.find(["7,8"])


def test_products_whose_filters_nobody_documents_are_not_asked_for_by_id(
    transport: Make, route: Make
) -> None:
    assert not isinstance(CONNECTOR.source("products", transport(), route()), FindsById)
