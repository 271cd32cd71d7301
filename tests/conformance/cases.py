"""Which checks are for which trial: none of ours is skipped unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bulkmove.testing import Check, run_check

# What a trial does not give, and the checks that it can't have for that.
WITHOUT: dict[str, frozenset[str]] = {
    "keys": frozenset(
        {
            "keys_are_whole_seconds_in_ascending_order",
            "between_two_keys_comes_all_that_lies_there",
            "nothing_comes_from_outside_of_two_keys",
        }
    ),
    "filters": frozenset({"the_users_own_filters_take_effect"}),
    "transport": frozenset(
        {
            "another_answer_than_a_list_is_a_bad_answer",
            "a_list_of_what_are_no_rows_does_no_harm",
            "a_body_that_is_no_json_fails_the_request",
            "a_refused_page_is_no_empty_page",
            "what_the_transport_raises_comes_out_as_it_is",
            "reading_can_be_repeated",
            "after_a_fault_it_is_as_before",
            "one_write_is_one_request",
            "requests_say_what_the_rules_say",
            "the_id_never_travels_in_an_updates_body",
            "a_create_whose_answer_shows_nothing_is_in_doubt",
            "an_answer_that_is_cut_short_settles_no_more_than_it_shows",
            "a_refusal_that_names_nobody_is_everybodys",
            "a_refused_write_is_never_written",
            "a_write_whose_fate_the_transport_cannot_tell_is_in_doubt",
            "what_the_transport_raises_of_a_write_comes_out",
        }
    ),
    "creations": frozenset(
        {
            "what_was_created_is_on_the_list",
            "there_is_a_result_for_each_item_in_its_order",
            "one_write_is_one_request",
            "what_was_written_equals_its_row",
            "bodies_that_differ_compare_as_different",
            "the_natural_key_comes_back",
            "an_answer_that_is_cut_short_settles_no_more_than_it_shows",
        }
    ),
    "refusals": frozenset(
        {
            "a_refused_item_costs_itself_alone",
            "a_refused_item_alone_is_refused",
            "a_refusal_shows_nothing_of_the_body",
        }
    ),
    "arrays": frozenset({"an_answer_that_is_cut_short_settles_no_more_than_it_shows"}),
    "joining": frozenset({"one_request_changes_as_many_rows_as_its_rule_says"}),
    "single updates": frozenset({"the_id_never_travels_in_an_updates_body"}),
    "repeating": frozenset({"what_is_called_repeatable_can_be_repeated"}),
    "updates": frozenset(
        {
            "an_update_changes_its_row_and_no_other",
            "an_update_leaves_other_fields",
            "one_request_changes_as_many_rows_as_its_rule_says",
            "what_is_called_repeatable_can_be_repeated",
            "the_id_never_travels_in_an_updates_body",
            "a_row_that_is_not_there_is_not_made",
            "an_odd_id_names_no_other_row",
        }
    ),
}


def cases(checks: Iterable[Check[Any]], trials: dict[str, tuple[Any, ...]]) -> list[Any]:
    """A case for each check of each trial, which is how it is opened and what it is without."""
    made = []
    for name, (opened, *lacks) in trials.items():
        left_out = frozenset[str]().union(*(WITHOUT[each] for each in lacks))
        made += [
            pytest.param(opened, check, id=f"{name}-{check.__name__}")
            for check in checks
            if check.__name__ not in left_out
        ]
    return made


def hold(check: Check[Any], opened: Callable[[], Any]) -> None:
    """Raises where the promise is not kept, and where the check has nothing to look at."""
    try:
        run_check(check, opened)
    except pytest.skip.Exception as skipped:
        raise AssertionError(f"{check.__name__} was skipped: {skipped}") from None
