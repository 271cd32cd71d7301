from __future__ import annotations

from decimal import Decimal

from bulkmove.cutover.verify.totals import MOST_KINDS, Sums, parts_of
from bulkmove.model import JsonObject


def summed(*bodies: JsonObject) -> dict[str, str]:
    sums = Sums()
    for body in bodies:
        sums.add(parts_of(body), is_target=False)
    return {total.name: str(total.source) for total in sums.totals()}


def test_amounts_are_added_exactly_and_by_the_statuses_beside_them() -> None:
    bodies = [{"total_amount": "0.1", "status": "new"}] * 3 + [{"total_amount": "0.30", "status": "paid"}]
    assert summed(*bodies) == {
        "status = new": "3",
        "status = paid": "1",
        "total_amount": "0.60",
        "total_amount where status = new": "0.3",
        "total_amount where status = paid": "0.30",
    }


def test_a_sum_of_many_digits_is_not_rounded() -> None:
    bodies: list[JsonObject] = [{"total": "99999999999999999999999999999.99"}, {"total": "0.01"}]
    assert summed(*bodies)["total"] == "100000000000000000000000000000.00"


def test_lines_are_counted_and_what_is_in_them_is_added() -> None:
    order = {"items": [{"quantity": 2, "product": 7}, {"quantity": 1.5, "product": 8}]}
    assert summed(order) == {"items: lines": "2", "items[].quantity": "3.5"}


def test_ids_phones_and_codes_are_no_amounts() -> None:
    assert (
        summed({"id": 7, "customer_phone": 37360123456, "postal_code": "2001", "payment_status_text": "Paid"})
        == {}
    )


def test_a_field_of_too_many_values_is_no_kind() -> None:
    assert summed(*({"status": f"s{n}"} for n in range(MOST_KINDS + 2))) == {}


def test_fields_that_no_row_shows_are_not_added_up() -> None:
    sums = Sums()
    sums.note_shown(["total", "status"], {"status"})
    sums.add(parts_of({"total": "1", "status": "new"}), is_target=False)
    assert [total.name for total in sums.totals()] == ["status = new"]
    assert sums.never_shown == ["total"]


def test_a_total_tells_its_difference() -> None:
    sums = Sums()
    sums.add(parts_of({"total": "10.10"}), is_target=False)
    sums.add(parts_of({"total": "10.11"}), is_target=True)
    (total,) = sums.totals()
    assert total.source == Decimal("10.10")
    assert total.as_dict()["difference"] == "0.01"
    assert not total.is_equal
