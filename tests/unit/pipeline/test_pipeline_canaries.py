"""Routes wait for each other's first records, are asked about once, and let only those through before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from bulkmove.events import Event, Note
from bulkmove.ledger.canaries import SentBody
from bulkmove.model import BatchRule, JsonObject, Listing, State, WriteItem, WriteResult
from bulkmove.pipeline.canaries import Canaries
from bulkmove.pipeline.checked import Checked, CheckedRecord, checked_body
from tests.doubles import Shop, ShopTarget, Trap, apply_all
from tests.trial import Trial


def stands(route: str, count: int = 1) -> Checked:
    records = tuple(CheckedRecord(str(n), 0, str(n), "stands") for n in range(count))
    return Checked(route, f"new.{route}", records)


class Watch:
    def __init__(self, *, answer: bool = True, hangs: bool = False) -> None:
        self.asked: list[str] = []
        self.answer = answer
        self.hangs = hangs

    def show(self, checked: Checked) -> None: ...

    async def ask(self, question: str) -> bool:
        self.asked.append(question)
        if self.hangs:
            await anyio.sleep_forever()
        return self.answer


class Arrivals:
    """Routes that arrive in an order, and what each is told."""

    def __init__(self, first: Sequence[str], watch: Watch | None) -> None:
        self.stop = anyio.Event()
        self.notes: list[str] = []
        self.told: dict[str, bool] = {}
        self.canaries = Canaries(first, watch=watch, stop=self.stop, emit=self._emit)

    def _emit(self, event: Event) -> None:
        assert isinstance(event, Note)
        self.notes.append(event.text)

    async def arrive(self, name: str, checked: Checked | None = None) -> None:
        self.told[name] = await self.canaries.arrive(name, checked)


async def test_nobody_goes_on_before_all_first_records_are_there_and_the_question_is_one() -> None:
    watch = Watch()
    routes = Arrivals(["orders", "fitting"], watch)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(routes.arrive, "orders", stands("orders", 2))
        tasks.start_soon(routes.arrive, "plain")
        await anyio.wait_all_tasks_blocked()
        assert routes.told == {}
        assert watch.asked == []
        tasks.start_soon(routes.arrive, "fitting", stands("fitting"))
    assert routes.told == {"orders": True, "fitting": True, "plain": True}
    assert len(watch.asked) == 1
    assert "2 records stand on new.orders as they were sent" in watch.asked[0]
    assert "1 record stands on new.fitting as it was sent" in watch.asked[0]


async def test_a_route_that_ends_without_a_canary_is_waited_for_no_longer() -> None:
    routes = Arrivals(["orders", "fitting"], Watch())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(routes.arrive, "orders", stands("orders"))
        await anyio.wait_all_tasks_blocked()
        routes.canaries.leave("fitting")
    assert routes.told == {"orders": True}


async def test_a_no_holds_for_all_and_is_noted_once() -> None:
    routes = Arrivals(["orders", "fitting"], Watch(answer=False))
    async with anyio.create_task_group() as tasks:
        for name in ("orders", "fitting"):
            tasks.start_soon(routes.arrive, name, stands(name))
        tasks.start_soon(routes.arrive, "plain")
    assert set(routes.told.values()) == {False}
    assert len(routes.notes) == 1
    assert "--yes" in routes.notes[0]


async def test_where_nobody_watches_the_answer_is_no() -> None:
    routes = Arrivals(["orders"], None)
    await routes.arrive("orders", stands("orders"))
    assert routes.told == {"orders": False}
    assert routes.notes


async def test_a_later_canary_is_asked_about_by_itself() -> None:
    watch = Watch()
    routes = Arrivals(["orders"], watch)
    await routes.arrive("orders", stands("orders"))
    await routes.arrive("fitting", stands("fitting"))
    assert len(watch.asked) == 2
    assert "orders" not in watch.asked[1]


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_run_that_stops_waits_for_no_route_and_no_answer(*, hangs: bool) -> None:
    routes = Arrivals(["orders"] if hangs else ["orders", "never"], Watch(hangs=hangs))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(routes.arrive, "orders", stands("orders"))
        await anyio.wait_all_tasks_blocked()
        routes.stop.set()
    assert routes.told == {"orders": False}
    assert routes.notes == []


async def test_without_any_canary_nobody_waits_or_is_asked() -> None:
    watch = Watch()
    routes = Arrivals([], watch)
    await routes.arrive("orders")
    assert (routes.told, watch.asked) == ({"orders": True}, [])


def sent(body: bytes, state: State = State.WRITTEN) -> SentBody:
    return SentBody("s1", 0, body, state, "1", "k1", "a-cause", "why")


@pytest.mark.parametrize(
    ("row", "differing"),
    [
        ({"key": "k1", "value": 1, "lines": [{"a": 1, "b": [2]}], "more": 9}, ()),
        ({"key": "k1", "value": "1", "lines": [{"a": 1, "b": [2]}]}, ("value",)),
        ({"key": "k1", "value": 1, "lines": [{"a": 1, "b": [3]}]}, ("lines[0].b[0]",)),
        ({"key": "k1", "value": 1, "lines": [{"a": 1}]}, ("lines[0].b[0]",)),
        ({"key": "k1", "value": 1, "lines": [{"a": 1, "b": [2]}, {}]}, ("lines",)),
        ({"key": "k1", "value": None, "lines": []}, ("value", "lines[0].a", "lines[0].b[0]")),
    ],
)
def test_a_row_is_held_against_what_was_sent_value_by_value(
    row: dict[str, object], differing: tuple[str, ...]
) -> None:
    body = sent(b'{"key":"k1","value":1,"lines":[{"a":1,"b":[2]}],"secret":"x"}')
    checked = checked_body(ShopTarget(Shop.of([])), body, row, is_delete=False)
    assert checked.differing == differing
    assert checked.outcome == ("differs" if differing else "stands")
    assert [each.name for each in checked.fields if each.verdict == "unseen"] == ["secret"]
    assert Checked("rows", "new.rows", (checked,)).is_good is not bool(differing)


@pytest.mark.parametrize(
    ("state", "row", "is_delete", "outcome"),
    [
        (State.WRITTEN, None, False, "missing"),
        (State.WRITTEN, {"other": 1}, False, "missing"),
        (State.UNCHANGED, {"key": "k1"}, False, "stands"),
        (State.REJECTED, None, False, "rejected"),
        (State.UNKNOWN, {"key": "k1"}, False, "unknown"),
        (State.WRITTEN, None, True, "gone"),
        (State.WRITTEN, {"key": "k1"}, True, "still-there"),
    ],
)
def test_what_became_of_a_record_tells_how_its_canary_ends(
    state: State, row: dict[str, object] | None, *, is_delete: bool, outcome: str
) -> None:
    record = checked_body(ShopTarget(Shop.of([])), sent(b'{"key":"k1"}', state), row, is_delete=is_delete)
    checked = Checked("rows", "new.rows", (record,), is_delete=is_delete)
    assert record.outcome == outcome
    assert checked.is_good is (outcome in {"stands", "gone"})
    assert checked.is_good or "route rows" in checked.failure()


def test_a_refusal_beside_what_stands_is_told_and_lets_the_canary_pass() -> None:
    records = (*stands("rows", 3).records, CheckedRecord("9", 0, None, "rejected", cause="bad-body"))
    checked = Checked("rows", "new.rows", records)
    assert checked.is_good
    assert str(checked) == "3 records stand on new.rows as they were sent, 1 rejected (bad-body)"


MANY, FEW = 9, 3
ARRAY = {"create": BatchRule("array", 100), "update": BatchRule("single", is_repeatable=True)}
SINGLE = {"create": BatchRule("single"), "update": BatchRule("single", is_repeatable=True)}


def with_canary(
    tmp_path: Path, trap: Trap | None = None, *, is_own: bool = False, is_array: bool = True
) -> Trial:
    """Nine records, three of them first; `is_own`: of the list that is written to."""
    rows = [{"key": f"k{n}", "value": n} for n in range(1, MANY + 1)]
    rules, answer = ARRAY if is_array else SINGLE, {} if trap is None else {"answer": trap.answering()}
    shops = {"new": Shop.of(rows if is_own else [], rules=rules, **answer)}
    if not is_own:
        shops["old"] = Shop.of(rows, listing=Listing("passes", 100))
    trial = Trial(tmp_path, shops)
    if is_own:
        trial.route(
            source="new",
            mode="update",
            mapper=lambda record, _: {
                "id": record["id"],
                "key": record["key"],
                "value": f"new {record['value']}",
            },
        )
    else:
        trial.route()
    route = trial.routes["rows"]
    trial.routes["rows"] = replace(route, settings=replace(route.settings, canary=FEW))
    return trial


def written(trial: Trial) -> int:
    """Rows that were created or changed."""
    rows = trial.shops["new"].rows.values()
    return sum("old" in trial.shops or "new" in str(row["value"]) for row in rows)


async def cut_off_anywhere(tmp_path: Path, *, first: int, is_own: bool, is_array: bool) -> int:
    """Cuts runs off at every fifth point; how many points one has until it stops at its canary, about."""
    for number in range(first, 200, 5):
        (tmp_path / str(number)).mkdir()
        trap = Trap(number)
        trial = with_canary(tmp_path / str(number), trap, is_own=is_own, is_array=is_array)
        if not await trial.run_into(trap):
            return number
        point = trap.passed[-1]
        assert written(trial) <= FEW, f"cut off {point}, point {number}"
        await trial.run()
        assert written(trial) == FEW, f"cut off {point}, point {number}"
        trial.watch = Watch()
        summary = await trial.run()
        assert (summary.exit_code, written(trial)) == (0, MANY)
        assert len(trial.shops["new"].values("key")) == MANY
        assert len(trial.watch.asked) == 1
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize(
    ("first", "is_own", "is_array"), [(1, False, True), (3, False, False), (5, True, False)]
)
async def test_cut_off_at_any_point_of_its_canary_a_run_writes_no_more_and_goes_on(
    tmp_path: Path, *, first: int, is_own: bool, is_array: bool
) -> None:
    assert await cut_off_anywhere(tmp_path, first=first, is_own=is_own, is_array=is_array) > 15


async def test_after_a_yes_nobody_is_asked_again(tmp_path: Path) -> None:
    trial = with_canary(tmp_path)
    trial.watch = Watch()
    await trial.run(limit=5)
    assert len(trial.watch.asked) == 1
    trial.watch = None
    assert (await trial.run()).exit_code == 0
    assert written(trial) == MANY


async def test_what_a_limit_cut_off_goes_before_what_is_read_next(tmp_path: Path) -> None:
    """Of five records that are read first three are skipped: more are read, and their rows are those of the first."""
    rows = {4: "1", 5: "2", 6: "1", 7: "2", 8: "3"}

    def to_row(record: JsonObject, _: object) -> JsonObject | None:
        row = rows.get(int(record["id"]))
        return None if row is None else {"id": row, "key": f"r{row}", "value": int(record["id"])}

    shops = {
        "old": Shop.of([{"key": f"k{n}"} for n in range(1, 9)], listing=Listing("passes", 100)),
        "new": Shop.of([{"key": f"r{n}", "value": 0} for n in range(1, 4)], rules=SINGLE),
    }
    trial = Trial(tmp_path, shops).route(mapper=to_row, mode="update")
    route = trial.routes["rows"]
    trial.routes["rows"] = replace(route, settings=replace(route.settings, canary=5))
    trial.watch = Watch()
    await trial.run()
    assert [row["value"] for row in shops["new"].rows.values()] == [6, 7, 8]


@pytest.mark.parametrize("last", ["as it was sent", "lost"])
async def test_a_row_that_several_first_records_change_stands_as_the_last_of_them(
    tmp_path: Path, last: str
) -> None:
    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        results = await apply_all(shop, items)
        if last == "lost":
            shop.rows["1"]["value"] = 0
        return results

    shops = {
        "old": Shop.of([{"key": f"k{n}"} for n in (1, 2)], listing=Listing("passes", 100)),
        "new": Shop.of([{"key": "x", "value": 0}], rules=SINGLE, answer=answer),
    }
    trial = Trial(tmp_path, shops, settle_s=0.1).route(
        mapper=lambda record, _: {"id": "1", "key": "x", "value": int(record["id"])}, mode="update"
    )
    route = trial.routes["rows"]
    trial.routes["rows"] = replace(route, settings=replace(route.settings, canary=2))
    trial.watch = Watch()
    assert (await trial.run()).exit_code == (0 if last == "as it was sent" else 4)
