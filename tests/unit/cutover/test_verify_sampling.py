from __future__ import annotations

from math import comb

import pytest

from bulkmove.cutover.verify.sampling import (
    CONFIDENCE,
    Sample,
    chosen_places,
    confidence_text,
    most_that_differ,
    parse_sample,
)


def likelihood(found: int, *, population: int, bad: int, looked_at: int) -> float:
    """Of at most `found` bad ones among those looked at, by counting."""
    ways = sum(comb(bad, k) * comb(population - bad, looked_at - k) for k in range(found + 1))
    return ways / comb(population, looked_at)


@pytest.mark.parametrize("found", [0, 1, 3])
@pytest.mark.parametrize(("population", "looked_at"), [(40, 10), (100, 30), (200, 199)])
def test_the_bound_is_the_largest_number_that_the_sample_still_allows(
    population: int, looked_at: int, found: int
) -> None:
    most = most_that_differ(population=population, looked_at=looked_at, found=found)
    assert likelihood(found, population=population, bad=most, looked_at=looked_at) >= 1 - CONFIDENCE
    if most < population - (looked_at - found):
        assert likelihood(found, population=population, bad=most + 1, looked_at=looked_at) < 1 - CONFIDENCE


def test_the_confidence_is_told_in_a_sentence() -> None:
    told = confidence_text(population=84_000, looked_at=500, found=0)
    assert told == "0 of 500 differ: with 95 % confidence fewer than 0.6 % of 84,000 do"
    assert (
        confidence_text(population=20, looked_at=20, found=1)
        == "1 of 20 differs: all there are were looked at"
    )


def test_the_same_seed_chooses_the_same_records_and_each_route_its_own() -> None:
    places = chosen_places(1000, 50, seed=7, route="orders")
    assert places == chosen_places(1000, 50, seed=7, route="orders") == sorted(set(places))
    assert places != chosen_places(1000, 50, seed=8, route="orders")
    assert places != chosen_places(1000, 50, seed=7, route="products")


def test_a_sample_is_a_number_or_a_share() -> None:
    assert parse_sample("500") == Sample(count=500)
    assert parse_sample("2%").of(84_000) == 1680
    assert parse_sample("0.1 %").of(10) == 1
    assert Sample(count=500).of(20) == 20
    for bad, why in (
        ("0", "must be at least 1"),
        ("0%", "above 0 %"),
        ("101%", "at most 100 %"),
        *((each, "must be a number of records") for each in ("2.5", "-3", "many")),
    ):
        with pytest.raises(ValueError, match=why):
            parse_sample(bad)
