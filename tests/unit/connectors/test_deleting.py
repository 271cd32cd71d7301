"""Deleting rows, one request a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bulkmove.connectors.deleting import DeleteTarget
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError, InDoubtError, RequestFailedError
from bulkmove.exact import decode_json_or_nothing
from bulkmove.model import Request, Response, Verdict, WriteItem
from bulkmove.protocols import SeesDeletions

Make = Callable[..., Any]


def row(target_id: str | None = "7") -> WriteItem:
    return WriteItem(target_id, {}, b"{}")


def asked(row_id: str) -> Request:
    if row_id == "odd":
        raise ValueError(row_id)
    return Request("DELETE", f"/rows/{row_id}", is_repeatable=True, decode=decode_json_or_nothing)


@pytest.fixture
def target(transport: Make) -> Callable[..., tuple[DeleteTarget, ScriptedTransport]]:
    def make(*answers: Response | Exception) -> tuple[DeleteTarget, ScriptedTransport]:
        to = transport(*(answers or (answer(204, b""),)))
        made = DeleteTarget(
            to,
            id_field="id",
            natural_key="key",
            request=asked,
            rows=lambda: pytest.fail("nobody asked for the list"),
            comparable=lambda body: {"key": body["key"]},
        )
        return made, to

    return make


@pytest.mark.parametrize(
    "response", [answer(204, b""), answer(200, {"ok": True}), answer(200, b""), answer(202, {"errors": []})]
)
async def test_a_row_is_deleted_by_one_request_that_may_be_repeated(target: Make, response: Response) -> None:
    made, to = target(response)
    (result,) = await made.write([row()])
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "7")
    assert [(sent.method, sent.path) for sent in to.requests] == [("DELETE", "/rows/7")]
    rule = made.rules["update"]
    assert (rule.shape, rule.max_items, rule.is_repeatable) == ("single", 1, True)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_row_that_is_gone_already_is_unchanged(target: Make, status: int) -> None:
    made, _ = target(answer(204, b""), answer(status, {"detail": "Not found."}))
    await made.write([row("6")])
    (result,) = await made.write([row()])
    assert (result.verdict, result.target_id) == (Verdict.UNCHANGED, "7")


async def test_that_all_rows_are_gone_may_mean_a_wrong_path_and_is_no_success(target: Make) -> None:
    gone = answer(404, {"detail": "Not found."})
    made, _ = target(gone, gone)
    with pytest.raises(RequestFailedError, match="before any row was deleted"):
        await made.write([row()])
    (result,) = await made.write([row()._replace(attempts=1)])
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "not-found")
    assert "the path /rows/7 is wrong" in (result.message or "")


async def test_a_row_that_an_earlier_run_may_have_deleted_is_gone_once_another_was_deleted(
    target: Make,
) -> None:
    gone = answer(404, {"detail": "Not found."})
    made, _ = target(gone, answer(204, b""), gone)
    with pytest.raises(RequestFailedError):
        await made.write([row()])
    await made.write([row("8")])
    (result,) = await made.write([row()._replace(attempts=1)])
    assert result.verdict is Verdict.UNCHANGED


async def test_a_deletion_that_was_tried_before_may_have_done_it(target: Make) -> None:
    made, _ = target(answer(404, {"detail": "Not found."}))
    (result,) = await made.write([row()._replace(attempts=1)])
    assert result.verdict is Verdict.UNCHANGED


async def test_where_an_earlier_run_deleted_rows_the_address_is_right(target: Make) -> None:
    made, _ = target(answer(404, {"detail": "Not found."}))
    seen: SeesDeletions = made
    seen.has_deleted = True
    (result,) = await made.write([row()])
    assert result.verdict is Verdict.UNCHANGED


async def test_what_was_mapped_to_be_written_is_not_deleted(target: Make) -> None:
    made, to = target()
    (result,) = await made.write([WriteItem("7", {"name": "A coat"}, b'{"name":"A coat"}')])
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "no-deletion")
    assert not to.requests


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(404, b"<html>"), ConfigError),
        (answer(404, []), ConfigError),
        (answer(405, {}), ConfigError),
        (answer(410, b"<html>"), ConfigError),
        (answer(423, {}), BadAnswerError),
        (InDoubtError("cut", sent_at=1.0), InDoubtError),
    ],
)
async def test_what_blames_no_row_is_raised(target: Make, response: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await target(response)[0].write([row()])


@pytest.mark.parametrize(
    "response",
    [
        answer(400, {"id": ["It was paid."]}),
        answer(409, {"id": ["It was paid."]}),
        answer(200, {"ok": False, "error": {"id": ["It was paid."]}}),
        answer(200, {"errors": {"id": "It was paid."}}),
    ],
)
async def test_a_refusal_rejects_the_row_and_says_why(target: Make, response: Response) -> None:
    (result,) = await target(response)[0].write([row()])
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "refused")
    assert "id: It was paid." in (result.message or "")


@pytest.mark.parametrize("target_id", [None, "", ".", "..", "odd"])
async def test_what_names_no_row_is_never_asked_for(target: Make, target_id: str | None) -> None:
    made, to = target()
    (result,) = await made.write([row(target_id)])
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "no-target-id")
    assert to.requests == []


def test_rows_compare_as_on_the_list_s_other_target(target: Make) -> None:
    made, _ = target()
    assert made.comparable({"key": 1, "more": 2}) == {"key": 1}
    assert (made.id_field, made.natural_key, made.never_returned) == ("id", "key", frozenset())
