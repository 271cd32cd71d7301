"""One batch: what each answer leaves in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from bulkmove.errors import (
    BulkmoveError,
    ConfigError,
    CredentialsError,
    HostUnavailableError,
    InDoubtError,
    RequestFailedError,
)
from bulkmove.load.batching import Batch
from bulkmove.load.delivery import deliver
from bulkmove.model import Action, BatchRule, Counts, JsonObject, Verdict, WriteItem, WriteResult
from tests.doubles import Shop, Trap, apply_all

OpenBench = Callable[[Shop], AbstractAsyncContextManager[Any]]

W, U, R, H, D = Verdict.WRITTEN, Verdict.UNCHANGED, Verdict.REJECTED, Verdict.HELD, Verdict.DOUBT


def rules(*, is_repeatable: bool) -> dict[str, BatchRule]:
    return {
        "create": BatchRule("array", 10),
        "update": BatchRule("array", 10, is_repeatable=is_repeatable),
    }


def saying(*answers: list[Verdict] | Exception) -> Callable[..., Any]:
    """These answers, one after the other; after the last, all is well."""
    left = list(answers)

    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if not left:
            return await apply_all(shop, items)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return [WriteResult(verdict, cause="because" if verdict is R else None) for verdict in given]

    return answer


def updates(count: int) -> list[JsonObject]:
    return [{"id": str(n), "value": n} for n in range(1, count + 1)]


def creates(count: int) -> list[JsonObject]:
    return [{"key": f"k{n}", "value": n} for n in range(1, count + 1)]


def shop(answer: Any, *, is_repeatable: bool = False) -> Shop:
    return Shop.of([{"key": "x"}] * 4, answer=answer, rules=rules(is_repeatable=is_repeatable))


async def delivered(bench: Any, bodies: list[JsonObject]) -> list[str]:
    """The source ids that stay open, as `deliver` says."""
    items = await bench.put_down(*bodies)
    action: Action = "update" if "id" in bodies[0] else "create"
    left = (await deliver(Batch(action, items), bench.lane())).left
    return sorted(member.source_id for member in left)


@pytest.mark.parametrize("is_repeatable", [True, False])
@pytest.mark.parametrize("is_atomic", [True, False, None])
@pytest.mark.parametrize("bodies", [updates(3), creates(3)])
async def test_what_the_answer_tells_is_settled(
    bench: OpenBench, bodies: list[JsonObject], is_atomic: Any, is_repeatable: Any
) -> None:
    async with bench(shop(saying([W, U, R]), is_repeatable=is_repeatable)) as it:
        it.is_atomic = is_atomic
        assert await delivered(it, bodies) == []
        assert await it.ledger.counts("r") == Counts(written=1, unchanged=1, rejected=1)
        assert await it.ledger.intents("r") == []
        assert len(it.settled) == 3


async def test_a_rejected_item_names_its_cause(bench: OpenBench) -> None:
    async with bench(shop(saying([R]))) as it:
        await delivered(it, creates(1))
        assert it.settled[0].cause == "because"


async def test_an_intent_is_durable_before_a_write_that_can_not_be_repeated(bench: OpenBench) -> None:
    seen: list[int] = []

    async def look(of: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        seen.append(len(await it.ledger.intents("r")))
        return await apply_all(of, items)

    async with bench(shop(look)) as it:
        await delivered(it, creates(2))
        await delivered(it, [{"id": "1", "value": 5}])
        assert seen == [1, 1]


async def test_a_write_that_can_be_repeated_needs_no_intent(bench: OpenBench) -> None:
    seen: list[int] = []

    async def look(of: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        seen.append(len(await it.ledger.intents("r")))
        return await apply_all(of, items)

    async with bench(shop(look, is_repeatable=True)) as it:
        await delivered(it, updates(2))
        assert seen == [0]


@pytest.mark.parametrize("bodies", [updates(2), creates(2)])
async def test_a_lost_answer_leaves_all_in_doubt_since_it_was_sent(
    bench: OpenBench, bodies: list[JsonObject]
) -> None:
    async with bench(shop(saying(InDoubtError("reset", sent_at=77.0)))) as it:
        assert await delivered(it, bodies) == ["1", "2"]
        [intent] = await it.ledger.intents("r")
        assert (intent.sent_at, intent.refusal, len(intent.members)) == (77.0, None, 2)
        assert await it.ledger.counts("r") == Counts(pending=2)
        assert [i.attempts for i in await it.ledger.items("r", intent.members)] == [1, 1]


@pytest.mark.parametrize("error", [InDoubtError("x", sent_at=1.0), RequestFailedError("x")])
async def test_a_repeatable_write_that_failed_is_free_to_go_again(bench: OpenBench, error: Exception) -> None:
    async with bench(shop(saying(error), is_repeatable=True)) as it:
        assert await delivered(it, updates(2)) == ["1", "2"]
        assert await it.ledger.intents("r") == []
        found = await it.ledger.next_pending("r", 0)
        assert [item.attempts for item in found[1]] == [1, 1]


async def test_an_update_whose_row_could_not_be_looked_at_was_not_sent(bench: OpenBench) -> None:
    async with bench(shop(saying(RequestFailedError("x")))) as it:
        assert await delivered(it, updates(2)) == ["1", "2"]
        assert await it.ledger.intents("r") == []
        assert await it.open_ids() == ["1", "2"]


@pytest.mark.parametrize("error", [HostUnavailableError("x"), CredentialsError("x")])
@pytest.mark.parametrize("is_repeatable", [True, False])
async def test_what_was_surely_not_applied_is_free_and_ends_the_route(
    bench: OpenBench, error: BulkmoveError, is_repeatable: Any
) -> None:
    async with bench(shop(saying(error), is_repeatable=is_repeatable)) as it:
        with pytest.raises(type(error)):
            await delivered(it, updates(2))
        assert await it.ledger.intents("r") == []
        assert await it.open_ids() == ["1", "2"]


async def test_a_redirected_write_may_be_applied_and_stays_in_doubt(bench: OpenBench) -> None:
    async with bench(shop(saying(ConfigError("redirected")))) as it:
        with pytest.raises(ConfigError):
            await delivered(it, creates(2))
        assert await it.doubtful_ids() == ["1", "2"]


async def test_a_defect_of_a_connector_leaves_the_write_in_doubt(bench: OpenBench) -> None:
    async with bench(shop(saying(KeyError("oops")))) as it:
        with pytest.raises(KeyError):
            await delivered(it, creates(2))
        assert await it.doubtful_ids() == ["1", "2"]


async def test_an_answer_of_the_wrong_length_leaves_the_write_in_doubt(bench: OpenBench) -> None:
    async with bench(shop(saying([W]))) as it:
        with pytest.raises(ValueError, match="zip"):
            await delivered(it, creates(2))
        assert await it.doubtful_ids() == ["1", "2"]


async def test_items_that_the_answer_passes_over_are_in_doubt_and_the_others_settled(
    bench: OpenBench,
) -> None:
    async with bench(shop(saying([W, D, R]))) as it:
        assert await delivered(it, creates(3)) == ["2"]
        [intent] = await it.ledger.intents("r")
        assert ([m.source_id for m in intent.members], intent.refusal) == (["2"], None)
        assert await it.ledger.counts("r") == Counts(written=1, rejected=1, pending=1)


async def test_passed_over_by_the_answer_to_a_repeatable_write_an_item_is_read_back(bench: OpenBench) -> None:
    """Sent again it would be passed over again, for ever."""
    async with bench(shop(saying([W, D, R]), is_repeatable=True)) as it:
        assert await delivered(it, updates(3)) == ["2"]
        [intent] = await it.ledger.intents("r")
        assert [member.source_id for member in intent.members] == ["2"]
        [item] = (await it.ledger.next_pending("r", 0))[1]
        assert item.attempts == 1


@pytest.mark.parametrize("is_atomic", [False, None])
@pytest.mark.parametrize(
    ("verdicts", "refusal", "doubtful"),
    [([H, R, H], "named", ["1", "3"]), ([H, H, H], "unnamed", ["1", "2", "3"])],
)
async def test_a_refused_array_waits_for_a_verdict_unless_the_host_is_known_to_be_atomic(
    bench: OpenBench, is_atomic: Any, verdicts: list[Verdict], refusal: str, doubtful: list[str]
) -> None:
    async with bench(shop(saying(verdicts))) as it:
        it.is_atomic = is_atomic
        assert await delivered(it, creates(3)) == doubtful
        [intent] = await it.ledger.intents("r")
        assert intent.refusal == refusal
        assert await it.doubtful_ids() == doubtful
        assert len(it.shop.requests) == 1


async def test_good_items_of_an_array_that_an_atomic_host_refused_go_again_at_once(bench: OpenBench) -> None:
    async with bench(shop(saying([H, R, H]))) as it:
        it.is_atomic = True
        assert await delivered(it, creates(3)) == []
        assert [len(request) for request in it.shop.requests] == [3, 2]
        assert await it.ledger.counts("r") == Counts(written=2, rejected=1)
        assert await it.ledger.intents("r") == []


@pytest.mark.parametrize("is_repeatable", [True, False])
async def test_an_array_refused_without_a_name_is_halved_until_the_bad_item_is_alone(
    bench: OpenBench, is_repeatable: Any
) -> None:
    async def refuse(of: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if any(item.body["value"] == 3 for item in items):
            return [WriteResult(H)] * len(items)
        return await apply_all(of, items)

    async with bench(shop(refuse, is_repeatable=is_repeatable)) as it:
        it.is_atomic = True
        with anyio.fail_after(10):
            assert await delivered(it, updates(4)) == []
        assert await it.ledger.counts("r") == Counts(written=3, rejected=1)
        assert [o.member.source_id for o in it.settled if o.cause] == ["3"]


@pytest.mark.parametrize("is_atomic", [True, None])
async def test_items_held_beside_one_that_was_not_sent_are_not_taken_for_good_ones(
    bench: OpenBench, is_atomic: Any
) -> None:
    """An update that is rejected when its row is looked at is not named by the refusal of the others."""

    async def refuse(of: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if len(items) == 3:
            return [WriteResult(R, cause="lines-left"), *[WriteResult(H, cause="unnamed")] * 2]
        return await apply_all(of, items)

    async with bench(shop(refuse)) as it:
        it.is_atomic = is_atomic
        left = await delivered(it, updates(3))
        if is_atomic:
            assert [len(request) for request in it.shop.requests] == [3, 1, 1], (
                "halves, since nobody was named"
            )
        else:
            assert left == ["2", "3"]
            assert [intent.refusal for intent in await it.ledger.intents("r")] == ["unnamed"]


def too_large_beyond(most: int) -> Any:
    async def answer(of: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if sum(item.body["value"] for item in items) > most:
            return [WriteResult(Verdict.TOO_LARGE, cause="too-large")] * len(items)
        return await apply_all(of, items)

    return answer


@pytest.mark.parametrize("is_repeatable", [True, False])
@pytest.mark.parametrize("is_atomic", [True, False, None])
async def test_what_is_too_large_goes_again_in_parts_at_once_whatever_is_known_of_the_host(
    bench: OpenBench, is_atomic: Any, is_repeatable: Any
) -> None:
    async with bench(shop(too_large_beyond(4), is_repeatable=is_repeatable)) as it:
        it.is_atomic = is_atomic
        assert await delivered(it, creates(5)) == []
        assert await it.ledger.counts("r") == Counts(written=4, rejected=1)
        assert [o.member.source_id for o in it.settled if o.cause == "too-large"] == ["5"]
        assert await it.ledger.intents("r") == []
        state = await it.ledger.list_state("l")
        assert state.max_bytes is not None
        assert 0 < state.max_bytes < 200


async def test_no_write_goes_out_while_the_list_is_read_back(bench: OpenBench) -> None:
    async with bench(shop(apply_all)) as it:
        items = await it.put_down(*creates(1))
        async with anyio.create_task_group() as tasks, it.gate.reading():
            tasks.start_soon(deliver, Batch("create", items), it.lane())
            await anyio.sleep(0.02)
            assert it.shop.requests == []
        assert len(it.shop.requests) == 1


_ANSWERS: list[tuple[str, Any, Any]] = [
    ("written", lambda: apply_all, None),
    ("lost", lambda: saying(InDoubtError("x", sent_at=1.0)), None),
    ("passed over", lambda: saying([W, D, R]), None),
    ("refused", lambda: saying([H, R, H]), None),
    ("refused by an atomic host", lambda: saying([H, R, H]), True),
    ("refused without a name", lambda: saying([H, H, H]), True),
    ("too large", lambda: too_large_beyond(0), None),
]


@pytest.mark.parametrize(
    ("answer", "is_atomic"), [(a, b) for _, a, b in _ANSWERS], ids=[n for n, _, _ in _ANSWERS]
)
@pytest.mark.parametrize("is_repeatable", [True, False])
async def test_cancelled_anywhere_each_body_is_settled_in_doubt_or_surely_not_sent(
    bench: OpenBench, answer: Any, is_atomic: Any, is_repeatable: Any
) -> None:
    """What was with the host and is neither settled nor repeatable stands under an intent."""
    for point in range(1, 60):
        values = range(10 * point, 10 * point + 3)
        of = Shop.of([{"key": "x"}], rules=rules(is_repeatable=is_repeatable))
        trap = Trap(point)
        of.answer = trap.answering(answer())
        async with bench(of) as it:
            it.is_atomic = is_atomic
            for old in await it.ledger.intents("r"):
                await it.ledger.settle("r", [], intent=old.id)
            items = await it.put_down(*({"id": "1", "value": value} for value in values))
            async with anyio.create_task_group() as tasks:

                async def cancel(trap: Trap = trap, scope: anyio.CancelScope = tasks.cancel_scope) -> None:
                    await trap.is_sprung.wait()
                    scope.cancel()

                tasks.start_soon(cancel)
                await deliver(Batch("update", items), it.lane(trap))
                tasks.cancel_scope.cancel()
            mine = {str(value) for value in values}
            is_open = set(await it.open_ids()) & mine
            doubtful = set(await it.doubtful_ids()) & mine
            with_host = {str(item.body["value"]) for request in of.requests for item in request}
            settled = mine - is_open
            last = trap.passed[-1]
            assert doubtful <= is_open
            if is_repeatable:
                assert doubtful <= {str(values[1])}, "what its answer passed over, and nothing else"
            elif last in {
                "before the host applies",
                "before the host answers",
                "before the outcome",
                "before parking",
            }:
                in_flight = {str(item.body["value"]) for item in of.requests[-1]}
                assert in_flight <= doubtful, last
            assert settled <= with_host
        if not trap.is_sprung.is_set():
            return
    pytest.fail("a delivery passes fewer points than that")
