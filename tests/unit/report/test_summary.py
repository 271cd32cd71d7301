"""How a run ended, in a table and in words."""

from __future__ import annotations

import pytest
from rich.console import Console, RenderableType

from bulkmove.model import Counts, Summary
from bulkmove.report import amounts
from bulkmove.report.summary import next_steps, no_place_of, notes_of, summary_table


def text_of(renderable: RenderableType, width: int = 140) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


BOTH = Summary(
    3, {"orders": Counts(written=1_234_567, rejected=2, pending=1), "products": Counts(unchanged=7)}, ()
)


def test_the_table_has_a_row_a_route_in_the_order_of_the_counts() -> None:
    head, _, orders, products = text_of(summary_table(BOTH)).split("\n")[1:5]
    assert head.split() == [
        "route", "read", "written", "unchanged", "skipped", "rejected", "unknown", "pending"
    ]  # fmt: skip
    assert orders.split() == ["orders", "1,234,570", "1,234,567", "0", "0", "2", "0", "1"]
    assert products.split() == ["products", "7", "0", "7", "0", "0", "0", "0"]


def test_the_table_says_which_routes_are_finished() -> None:
    lines = text_of(summary_table(BOTH, finished={"products": True})).split("\n")
    assert lines[3].strip().endswith("not finished")
    assert lines[4].split()[-2:] == ["0", "finished"]


def test_a_narrow_terminal_loses_columns_of_zeros_not_digits() -> None:
    text = text_of(summary_table(BOTH, finished={}), width=78)
    assert "1,234,567" in text
    assert "1,234,570" in text
    assert "skipped" not in text
    assert "rejected" in text


def test_markup_in_a_name_is_text() -> None:
    assert "[bold]" in text_of(summary_table(Summary(0, {"[bold]": Counts()})))


@pytest.mark.parametrize(
    ("counts", "is_finished", "said"),
    [
        (Counts(written=1), True, ["finished: nothing is left to do"]),
        (
            Counts(rejected=1),
            True,
            [
                "1 record was rejected: bulkmove failures x.toml says why; once that is mended, bulkmove retry x.toml",
                "finished: all other records are accounted for",
            ],
        ),
        (
            Counts(rejected=3),
            False,
            [
                "3 records were rejected: bulkmove failures x.toml says why; once that is mended, bulkmove retry x.toml",
                "not finished: bulkmove run x.toml goes on where this one stopped",
            ],
        ),
        (
            Counts(unknown=2),
            False,
            [
                "2 records are of unknown fate: bulkmove failures x.toml names them; run again to look for them once more",
                "not finished: bulkmove run x.toml goes on where this one stopped",
            ],
        ),
    ],
)
def test_what_to_do_next(counts: Counts, is_finished: bool, said: list[str]) -> None:  # noqa: FBT001
    summary = Summary(0, {"orders": counts})
    assert list(next_steps(summary, finished={"orders": is_finished}, file="x.toml")) == said


def test_one_route_that_is_not_finished_leaves_the_migration_unfinished() -> None:
    summary = Summary(0, {"orders": Counts(), "products": Counts()})
    assert next_steps(summary, finished={"orders": True}) == (
        "not finished: bulkmove run goes on where this one stopped",
    )


def test_a_migration_that_was_finished_before_says_that_nothing_was_read() -> None:
    summary = Summary(0, {"orders": Counts(written=1)})
    (said,) = next_steps(summary, finished={"orders": True}, was_finished=True)
    assert said == "finished before this run, which read nothing: nothing is left to do"


def test_routes_that_were_undone_are_not_called_finished() -> None:
    routes = {"orders": Counts(skipped=3), "products": Counts(written=2)}
    every = dict.fromkeys(routes, True)
    both = Summary(0, {"orders": Counts(skipped=3)}, undone=frozenset({"orders"}))
    assert next_steps(both, finished=every, file="x.toml") == (
        "undone: bulkmove run x.toml --fresh begins anew",
    )
    assert "finished" not in text_of(summary_table(both, finished=every))
    one = Summary(0, routes, undone=frozenset({"orders"}))
    assert next_steps(one, finished=every) == (
        "orders undone: bulkmove run --fresh begins anew",
        "finished: nothing is left to do",
    )
    part = Summary(3, routes, undone=frozenset({"products"}))
    assert next_steps(part, finished={"orders": True})[0] == (
        "products undone but for 2 records: bulkmove undo goes on, bulkmove run --fresh begins anew"
    )


def test_a_note_is_told_once() -> None:
    assert notes_of(Summary(0, {}, ("a", "b", "a"))) == ("a", "b")


def test_fields_without_a_place_are_named_by_route() -> None:
    text = "".join(
        text_of(part) for part in no_place_of({"orders": ("customer_email", "tags[].id"), "x": ()})
    )
    assert text.split("\n")[0] == "route orders: 2 source fields have no place at the target:"
    assert text.split("\n")[1].strip() == "customer_email, tags[].id"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0:00"),
        (0.2, "0:01"),
        (59.5, "1:00"),
        (3600, "1:00:00"),
        (86399, "23:59:59"),
        (187_200, "2 d 04 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert amounts.duration(seconds) == said


@pytest.mark.parametrize(
    ("per_s", "said"), [(0, "0.0"), (0.25, "0.25"), (4, "4.0"), (99.94, "99.9"), (1204.4, "1,204")]
)
def test_rates(per_s: float, said: str) -> None:
    assert amounts.rate(per_s) == said
