"""A plan's text: what it says, in which width, with colours and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.mapping.lookups.index import Candidate
from bulkmove.model import Counts, Summary
from bulkmove.pipeline.preview import Cause, Part, Preview, RoutePreview, Sample
from bulkmove.pipeline.watching import EmptyField
from bulkmove.report.preview import preview_parts
from bulkmove.settings import Mode

SAMPLE = Sample(
    "orders",
    "10000034",
    {"id": 10000034, "status": "draft", "name": "Ion Popescu", "note": "x" * 500},
    (Part({"rrn": "10000034", "status": "new", "customer": "Ion Popescu", "shop": 2}, "create"),),
)
MISS = Unresolved(
    "locality", "Sânmartin", "12", 312, "10000034", "rejected", candidates=(Candidate("Sînmartin", 63933, 94.4),)
)  # fmt: skip


def preview(
    *,
    mode: Mode = "upsert",
    samples: Sequence[Sample] = (),
    unresolved: Sequence[Unresolved] = (),
    causes: Sequence[Cause] = (),
    is_written: bool = False,
) -> Preview:
    counts = Counts(written=1200, unchanged=4, rejected=sum(cause.records for cause in causes))
    route = RoutePreview(mode, counts, 0 if mode == "delete" else 1000, causes, ("customer_note",))
    return Preview(
        Summary(3, {"orders": counts}),
        {"orders": route},
        samples,
        unresolved,
        Path("/shop/decisions.toml"),
        is_written,
    )


def said(of: Preview, *, width: int = 120, in_colour: bool = False, quiet: bool = False) -> str:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=in_colour, highlight=False, no_color=False)
    for part in preview_parts(of, of.summary.notes, quiet=quiet):
        console.print(part)
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
def test_source_and_mapped_stand_side_by_side_in_any_width(width: int) -> None:
    text = said(preview(samples=[SAMPLE]), width=width)
    assert max(map(len, text.splitlines())) <= width
    lines = [words(line) for line in text.splitlines()]
    assert "route orders, record 10000034" in lines
    assert "would be created" in lines
    assert 'id 10000034 ~ rrn "10000034"' in lines
    assert 'status "draft" ≠ status "new"' in lines
    assert 'name "Ion Popescu" = customer "Ion Popescu"' in lines
    assert "+ shop 2" in lines
    assert "not carried" in lines


def test_a_long_value_is_cut() -> None:
    assert said(preview(samples=[SAMPLE])).count("x") < 200


def test_what_changed_is_told_by_colour_on_a_terminal() -> None:
    text = said(preview(samples=[SAMPLE]), in_colour=True)
    assert '\x1b[32m"Ion Popescu"' in text  # as it was: green
    assert '\x1b[1;33m"new"' in text  # changed: bold yellow
    assert "\x1b" not in said(preview(samples=[SAMPLE]))


def test_a_rejected_record_is_shown_with_its_reason_in_one_line() -> None:
    part = Part(None, "rejected", None, "mapper-error", "KeyError: 'x'\n  File mappers.py\x1b[2J")
    text = said(preview(samples=[Sample("orders", "1", {"id": 1}, (part,))]))
    assert "would be rejected: mapper-error: KeyError: 'x'\n" in text


def test_every_value_that_does_not_resolve_is_told_with_its_count_and_candidates() -> None:
    text = words(said(preview(unresolved=[MISS], is_written=True)))
    assert "1 value does not resolve" in text
    assert "locality Sânmartin (in 12) 312 10000034 rejected Sînmartin = 63933 (94 %)" in text
    assert "/shop/decisions.toml was written: say there what becomes of what does not resolve" in text


def test_values_of_records_reach_no_terminal_as_commands() -> None:
    odd = Unresolved("region", "a\x1b[2Jb\nc", None, 1, None, "null")
    assert "\x1b" not in said(preview(unresolved=[odd]))
    assert "a [2Jb c" in said(preview(unresolved=[odd]))


def test_the_decisions_are_told_as_they_are() -> None:
    assert "is as it was" in said(preview(unresolved=[MISS]))
    assert "nothing is left to decide" in said(preview(is_written=True))
    assert "decisions" not in said(preview())


def test_values_that_differ_in_spelling_alone_are_not_to_be_decided_one_by_one() -> None:
    alike = [
        Unresolved("city", name, None, 1, None, "rejected", candidates=(Candidate("Iași", 13, score),))
        for name, score in (("Iasi", 100.0), ("iași", 100.0), ("Isai", 75.0))
    ]
    text = words(said(preview(unresolved=alike), width=200))
    assert '2 of them differ in case, spaces or diacritics alone: lookups.city.match = "normalised"' in text
    assert "differ" not in said(preview(unresolved=[MISS]))


def test_many_values_are_not_all_listed() -> None:
    many = [Unresolved("region", f"value {n}", None, 1, None, "null") for n in range(70)]
    text = said(preview(unresolved=many))
    assert "70 values do not resolve" in text
    assert "value 49" in text
    assert "value 50" not in text
    assert "and 20 more; --json lists all of them" in text


def test_counts_and_causes_are_told_by_route() -> None:
    causes = [Cause("rejected", "bad-body", 17, "77", "shop: is missing\nand more")]
    text = words(said(preview(causes=causes)))
    assert "route read create update unchanged reject" in text
    assert "orders 1,221 1,000 200 4 17" in text
    assert "route orders: 17 would be rejected: bad-body (record 77, say: shop: is missing)" in text
    assert "1 source field has no place at the target: customer_note" in text


def test_a_route_that_deletes_says_so() -> None:
    text = words(said(preview(mode="delete")))
    assert "route read create update delete unchanged" in text
    assert "orders 1,204 0 0 1,200 4" in text


def test_what_a_mapping_without_code_made_of_nothing_or_left_out_is_told() -> None:
    counts = Counts(written=3)
    route = RoutePreview(
        "upsert", counts, 3, (), unread=("invoice", "tags"), bodies=3000,
        empty=(EmptyField("address.zip_code", ("postal", "zip")), EmptyField("rrn", ("ref",))),
    )  # fmt: skip
    text = words(said(Preview(Summary(0, {"orders": counts}), {"orders": route})))
    assert (
        "route orders: address.zip_code was empty in all 3,000 mapped records; its paths are postal, zip"
        in text
    )
    assert "rrn was empty in all 3,000 mapped records; its path is ref" in text
    assert (
        "route orders: 2 documented fields of the source are not read by the mapping: invoice, tags" in text
    )


def test_quiet_leaves_hints_out() -> None:
    text = said(preview(unresolved=[MISS]), quiet=True)
    assert "Sânmartin" in text
    assert "customer_note" not in text
    assert "nothing was written" not in text


@pytest.mark.parametrize("code", [5, 6])
def test_a_plan_that_broke_off_gives_no_hints_and_calls_its_counts_those_of_what_was_read(code: int) -> None:
    whole = preview(unresolved=[MISS])
    text = words(said(replace(whole, summary=replace(whole.summary, exit_code=code))))
    assert "not all could be planned: the counts are of what was read" in text
    assert "what a run would do" not in text
    assert "customer_note" not in text
    assert "what a run would do" in words(said(whole))


def test_what_a_record_holds_never_steers_the_terminal() -> None:
    evil = "a\x9b31mb\x1b[2J\u202ec"
    parts = Part({"name": evil}, "update", target_id=evil), Part(None, "rejected", cause=evil, message=evil)
    miss = Unresolved("town", evil, evil, 1, evil, "rejected", candidates=(Candidate(evil, evil, 90.0),))
    causes = [Cause("rejected", evil, 1, evil, evil)]
    sample = Sample("orders", evil, {evil: evil}, parts)
    text = said(preview(samples=[sample], unresolved=[miss], causes=causes))
    assert not any(sign in text for sign in "\x9b\x1b\u202e")
    assert "\\u009b31mb\\u001b[2J\\u202ec" in "".join(text.split())
