"""One span's way: what is asked for next, what an answer proves, and which hosts are refused by name."""

from __future__ import annotations

import pytest

from bulkmove.entries import Span
from bulkmove.errors import BadAnswerError, UnprovenError
from bulkmove.extract.facts import LIES, ListFacts
from bulkmove.extract.short import SAME_ANSWERS
from bulkmove.extract.walk import Walk
from bulkmove.model import Page, Record

UPPER = 1000


def _walk(*, reached: int | None = None, limit: int = 4, longest: int = 4, is_numbered: bool = False) -> Walk:
    facts = ListFacts()
    facts.longest = longest
    facts.short_pages = int(0 < longest < limit)  # the clamp is known
    span = Span(0, reached, UPPER, reached=reached, is_done=False, evidence=0)
    return Walk(span, limit=limit, facts=facts, is_numbered=is_numbered)


def _page(*rows: tuple[str, int | None], has_next: bool | None = True) -> Page:
    return Page(tuple(Record(name, key, None, {}) for name, key in rows), None, has_next)


def _take(walk: Walk, *rows: tuple[str, int | None], has_next: bool | None = True) -> bool:
    return walk.take(walk.query(), _page(*rows, has_next=has_next))


def test_the_cursor_is_the_last_key_less_a_second() -> None:
    walk = _walk()
    assert walk.query().after is None
    assert _take(walk, ("a", 1), ("b", 2), ("c", 5), ("d", 7))
    assert (walk.query().after, walk.query().before, walk.query().offset) == (6, UPPER, 0)
    assert walk.span.reached == 7


def test_a_span_goes_on_from_its_stored_progress_alone() -> None:
    assert _walk(reached=50).query().after == 49


def test_two_seconds_that_fill_a_page_are_passed_by_offset() -> None:
    walk = _walk(reached=5)
    assert _take(walk, ("a", 4), ("b", 4), ("c", 4), ("d", 5))
    assert (walk.query().after, walk.query().offset) == (4, 2)
    assert _take(walk, ("c", 4), ("d", 5), ("e", 5), ("f", 6))
    assert (walk.span.reached, walk.query().offset) == (6, 0)


def test_a_page_that_begins_in_an_unread_second_is_not_admitted() -> None:
    """Rows before the offset were deleted, so that others of second 5 slipped past."""
    walk = _walk(reached=5)
    assert _take(walk, ("a", 4), ("b", 4), ("c", 4), ("d", 5))
    assert not _take(walk, ("f", 5), ("g", 6), ("h", 7), ("i", 8))
    assert walk.span.reached == 5
    assert walk.query().offset == 0


def test_rows_that_keep_slipping_past_end_as_unproven() -> None:
    walk = _walk(reached=5)

    def slip() -> None:
        for number in range(100):
            if walk.query().offset:
                _take(walk, (f"f{number}", 5), ("g", 6), ("h", 7), ("i", 8))
            else:
                _take(walk, ("a", 4), ("b", 4), ("c", 4), (f"d{number}", 5))

    with pytest.raises(UnprovenError, match="read up to 5"):
        slip()


def test_a_second_that_fills_a_page_is_left_to_passes() -> None:
    walk = _walk(reached=5)
    assert _take(walk, ("a", 5), ("b", 5), ("c", 5), ("d", 5))
    assert walk.second == 5
    walk.close_second(9)
    assert (walk.span.reached, walk.span.evidence, walk.query().after) == (6, 1, 5)


def test_after_such_a_second_an_inclusive_bound_brings_it_whole_and_is_passed_in_one_step() -> None:
    walk = _walk(reached=5)
    _take(walk, ("a", 5), ("b", 5), ("c", 5), ("d", 5))
    walk.close_second(90)
    assert _take(walk, ("a", 5), ("b", 5), ("c", 5), ("d", 5))
    assert walk.query().offset == 89
    assert _take(walk, ("z", 5), ("A", 6), ("B", 7), ("C", 8))
    assert walk.span.reached == 8


def test_numbered_pages_are_asked_for_at_multiples_of_one_limit() -> None:
    walk = _walk(reached=5, limit=10, longest=4, is_numbered=True)
    assert _take(walk, ("a", 4), ("b", 4), ("c", 4), ("d", 4))
    assert (walk.query().limit, walk.query().offset) == (4, 4)
    assert _take(walk, ("e", 4), ("f", 5), ("g", 6), ("h", 7))
    assert (walk.query().limit, walk.query().offset) == (10, 0)


@pytest.mark.parametrize("has_next", [False, None])
def test_an_empty_page_is_the_end(*, has_next: bool | None) -> None:
    walk = _walk(reached=5)
    assert _take(walk, has_next=has_next)
    assert walk.span.is_done
    assert walk.span.reached == UPPER


def test_a_short_page_is_the_end_where_the_host_says_so_and_its_clamp_is_known() -> None:
    walk = _walk(reached=5)
    assert _take(walk, ("a", 5), ("b", 9), has_next=False)
    assert walk.span.is_done


def test_a_short_page_of_a_silent_host_is_the_end_once_it_brings_no_later_key() -> None:
    walk = _walk(reached=5)
    assert _take(walk, ("a", 5), ("b", 9), has_next=None)
    assert not walk.span.is_done
    assert _take(walk, ("b", 9), has_next=None)
    assert walk.span.is_done


def test_a_short_page_is_asked_for_again_where_the_clamp_is_unknown() -> None:
    walk = _walk(longest=0)
    assert _take(walk, ("a", 5), has_next=False)
    assert not walk.span.is_done
    assert _take(walk, ("a", 5), has_next=False)
    assert walk.span.is_done
    assert not walk.span.evidence


def test_a_full_page_is_never_the_end() -> None:
    walk = _walk(reached=5)
    assert _take(walk, ("a", 5), ("b", 6), ("c", 7), ("d", 8), has_next=False)
    assert not walk.span.is_done


def test_a_short_page_that_more_is_said_to_follow_is_not_the_end() -> None:
    walk = _walk(reached=5)
    for _ in range(SAME_ANSWERS):
        assert _take(walk, ("a", 5), ("b", 9), has_next=True)
        assert walk.span.reached == 5
    assert _take(walk, ("a", 5), ("b", 9), has_next=True)
    assert walk.span.reached == 9
    assert not walk.span.is_done


def test_rows_left_out_of_a_page_come_when_it_is_asked_for_again() -> None:
    walk = _walk()
    for shown in ([("a", 1), ("c", 5), ("d", 7)], [("b", 2), ("c", 5), ("d", 7)]):
        assert _take(walk, *shown)
        assert walk.span.reached is None
        assert walk.query().after is None
    assert _take(walk, ("a", 1), ("b", 2), ("c", 5), ("d", 7))
    assert walk.span.reached == 7


def test_no_answer_has_to_be_whole_if_together_they_are() -> None:
    walk = _walk()
    rows = [("a", 1), ("b", 2), ("c", 5), ("d", 7)]
    answers = 0
    while walk.span.reached is None:
        assert _take(walk, *[row for number, row in enumerate(rows) if number != answers % 4])
        answers += 1
    assert walk.span.reached == 5, "what all of the answers cover"
    assert 4 < answers < 40


def test_rows_that_are_left_out_for_ever_end_as_unproven() -> None:
    walk = _walk(limit=10, longest=0)

    def ask_for_ever() -> None:
        for number in range(100):
            rows = [(f"b{number}-{part}", 2) for part in range(1 + number % 2)]
            _take(walk, ("a", 1), *rows, ("c", 3))
            assert walk.span.reached is None

    with pytest.raises(UnprovenError, match="rows left out"):
        ask_for_ever()


def test_a_count_shows_that_the_last_page_lacks_rows() -> None:
    walk = _walk(reached=5)
    short = Page((Record("a", 5, None, {}),), total=3, has_next=False)
    assert walk.take(walk.query(), short)
    assert not walk.span.is_done
    assert walk.take(
        walk.query(), Page(tuple(Record(n, 5 + i, None, {}) for i, n in enumerate("abc")), 3, False)
    )
    assert walk.span.is_done


def _take_counted(walk: Walk, names: str, *, total: int) -> None:
    """The last page of a window: each row is named by its second, from `a` at 5 on."""
    rows = tuple(Record(name, 5 + ord(name) - ord("a"), None, {}) for name in names)
    assert walk.take(walk.query(), Page(rows, total, has_next=False))


def test_an_answer_that_stops_before_the_last_rows_does_not_keep_them_from_telling() -> None:
    """The filter is the edge of a list's last page: rows at its end are compared like all others."""
    walk = _walk(reached=5, limit=10, longest=10)
    for shown in ("a", "acd", "abcd", "ad"):
        _take_counted(walk, shown, total=5)
        assert not walk.span.is_done
    _take_counted(walk, "abcde", total=5)
    assert walk.span.is_done


def test_where_pages_were_seen_to_lack_rows_the_same_answer_again_and_again_is_not_believed() -> None:
    facts = ListFacts()
    facts.longest = 10
    facts.note_left_out(6, due=100)
    span = Span(0, 5, UPPER, reached=5, is_done=False, evidence=0)
    walk = Walk(span, limit=10, facts=facts)
    for _ in range(1 + SAME_ANSWERS):
        _take_counted(walk, "abd", total=4)
        assert not walk.span.is_done
    _take_counted(walk, "abcd", total=4)
    assert walk.span.is_done


def test_a_count_that_follows_what_was_left_out_is_not_believed() -> None:
    """Each answer counts what it shows, so that each looks whole: only the others tell that it isn't."""
    facts = ListFacts()
    facts.longest = 5
    walk = Walk(Span(0, 5, UPPER, reached=5, is_done=False, evidence=0), limit=5, facts=facts)
    for shown in ("acde", "abe", "abde", "ade", "abcde"):
        rows = tuple(Record(name, 5 + ord(name) - ord("a"), None, {}) for name in shown)
        assert walk.take(walk.query(), Page(rows, total=5 + len(rows), has_next=True))
    assert facts.leaves_rows_out
    assert not facts.is_total_honest
    for shown in ("fg", "fg", "fg", "fg"):
        _take_counted(walk, shown, total=len(shown))
        assert not walk.span.is_done


def test_a_count_that_changes_now_and_then_is_that_of_a_list_that_moves() -> None:
    facts = ListFacts()
    facts.note_counts([50, 50, 50, 51, 51, 51, 52])
    assert facts.is_total_honest


def test_a_list_that_leaves_rows_out_is_not_held_to_count_wrong() -> None:
    """What it counts is held against what was read at the end."""
    facts, other = ListFacts(), ListFacts()
    facts.note_left_out(1, due=10)
    for _ in range(LIES):
        for each in (facts, other):
            each.note_end(Page((), 5, has_next=False), 4)
    assert (facts.is_total_honest, other.is_total_honest) == (True, False)


def test_empty_pages_that_more_is_said_to_follow_end_as_unproven() -> None:
    walk = _walk(reached=5)

    def ask_for_ever() -> None:
        for _ in range(50):
            assert not _take(walk, has_next=True)

    with pytest.raises(UnprovenError, match="after 40 tries"):
        ask_for_ever()


def test_an_empty_page_at_an_offset_proves_nothing() -> None:
    walk = _walk(reached=5)
    _take(walk, ("a", 4), ("b", 4), ("c", 4), ("d", 5))
    assert not _take(walk, has_next=False)
    assert not walk.span.is_done
    assert walk.query().offset == 0


def test_rows_before_the_first_date_lead_on_by_offset() -> None:
    walk = _walk()
    assert _take(walk, ("a", None), ("b", None), ("c", None), ("d", None))
    assert walk.query().offset == 3
    assert _take(walk, ("d", None), ("e", 5), ("f", 6), ("g", 7))
    assert walk.span.reached == 7


def test_where_the_row_last_reached_is_gone_the_page_before_is_asked_for_once_more() -> None:
    walk = _walk(reached=5)
    _take(walk, ("a", 5), ("b", 6), ("c", 7), ("d", 8))
    assert not _take(walk, ("e", 9), ("f", 10), ("g", 11), ("h", 12))
    assert walk.query().after == 4
    assert _take(walk, ("a", 5), ("b", 6), ("c", 7), ("e", 9))
    assert walk.span.reached == 9


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([("a", 7), ("b", 6)], "not sorted"),
        ([("a", 1), ("b", 60)], "filter by date takes no effect"),
        ([("a", 60), ("b", UPPER + 60)], "filter by date takes no effect"),
    ],
    ids=["unsorted", "lower bound ignored", "upper bound ignored"],
)
def test_pages_that_are_not_what_was_asked_for_are_refused_by_name(
    rows: list[tuple[str, int | None]], named: str
) -> None:
    walk = _walk(reached=50 if named != "not sorted" else 5)
    assert not _take(walk, *rows)
    assert not _take(walk, *rows)
    with pytest.raises(BadAnswerError, match=named):
        _take(walk, *rows)


def test_one_odd_page_is_asked_for_again() -> None:
    walk = _walk(reached=5)
    assert not _take(walk, ("a", 7), ("b", 6), ("c", 7), ("d", 8))
    assert _take(walk, ("b", 6), ("a", 7), ("c", 7), ("d", 8))


def test_an_offset_that_takes_no_effect_is_refused_by_name() -> None:
    walk = _walk(reached=5)

    def read() -> None:
        for _ in range(20):
            _take(walk, ("a", 4), ("b", 4), ("c", 4), ("d", 5))

    with pytest.raises(BadAnswerError, match="same page at every offset"):
        read()
