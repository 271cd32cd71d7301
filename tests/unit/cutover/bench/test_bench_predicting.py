"""How long a migration takes by its rehearsals, what a ladder speaks for, and two benches told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text

from bulkmove.config.rates import parse_window
from bulkmove.cutover.bench.benching import as_seen, doubts, untried
from bulkmove.cutover.bench.comparing import compare_benches, notes_of
from bulkmove.cutover.bench.predicting import Sizes, Terms, loads_at, predict, records_within
from bulkmove.cutover.bench.probing import Ended, HostSteps
from bulkmove.cutover.bench.rehearsing import Rehearsal, middle_of
from bulkmove.cutover.bench.result import FORMAT, Bench, load_bench, save_bench
from bulkmove.cutover.bench.samples import Spread
from bulkmove.cutover.bench.steps import Fault, Step
from bulkmove.cutover.bench.suggesting import suggest, window_of
from bulkmove.cutover.bench.wishes import Conditions
from bulkmove.errors import ConfigError
from bulkmove.model import Counts
from bulkmove.pipeline.forecast import HostLimits, Load
from bulkmove.report.bench import suggestion_text, written_text
from bulkmove.report.bench_compare import comparison_lines, comparison_parts
from bulkmove.settings import Window


def rehearsal(
    records: int,
    reading: int,
    writing: int,
    *,
    seconds: float = 1.0,
    rejected: int = 0,
    skipped: int = 0,
    is_array: bool = True,
    paces: dict[str, float] | None = None,
) -> Rehearsal:
    return Rehearsal(
        records=records,
        seconds=seconds,
        loads=(
            Load("orders", "old", "reading", reading, 0),
            Load("orders", "new", "keys", 1, 0),
            Load("orders", "new", "writing", writing, 0),
        ),
        counts={"orders": Counts(written=records - rejected - skipped, rejected=rejected, skipped=skipped)},
        probes={},
        page_limits={"orders": 100},
        arrays={"orders": 100} if is_array else {},
        targets={"orders": "new"},
        paces=paces or {},
    )


def terms(old: int = 20, new: int = 30) -> Terms:
    hosts = [
        HostLimits(name=name, windows=(Window(rate, 1.0),), burst=1, concurrency=16, latency_s=0.05)
        for name, rate in (("old", old), ("new", new))
    ]
    return Terms(hosts, {"orders": ()})


FREE = [rehearsal(5000, 96, 50), rehearsal(20_000, 250, 200)]


def test_requests_grow_as_two_rehearsals_differ_and_a_page_at_least() -> None:
    found = {load.step: load.requests for load in loads_at(FREE, {"orders": 100_000})}
    assert found == {"reading": 250 + round(80_000 * 154 / 15_000) + 1, "keys": 1, "writing": 1000}
    lazy = [rehearsal(5000, 96, 50), rehearsal(20_000, 200, 200)]
    reading = next(load for load in loads_at(lazy, {"orders": 100_000}) if load.step == "reading")
    assert reading.requests == 200 + 816, "no page holds more than it can"


def test_a_rehearsal_of_all_records_is_taken_as_it_was() -> None:
    assert {load.requests for load in loads_at([FREE[0]], {"orders": 5000})} == {96, 1, 50}


def test_records_that_only_the_sandbox_makes_a_mapper_reject_are_written() -> None:
    partly = rehearsal(5000, 96, 40, rejected=2500)
    arrays, single = (
        next(load for load in loads_at([made], {"orders": 5000}) if load.step == "writing")
        for made in (partly, rehearsal(5000, 96, 2500, rejected=2500, is_array=False))
    )
    assert arrays.requests == 50, "each array is full when all are written"
    assert single.requests == 5000
    nothing = replace(rehearsal(5000, 96, 0, rejected=5000), loads=(Load("orders", "old", "reading", 96, 0),))
    assert Load("orders", "new", "writing", 50, 0) in loads_at([nothing], {"orders": 5000})


@pytest.mark.parametrize(("skipped", "writes"), [(500, 4500), (4000, 5000)])
def test_what_a_mapper_skips_for_what_the_sandbox_lacks_is_taken_to_be_written(
    skipped: int, writes: int
) -> None:
    """A tenth may be left out on purpose; four fifths lack what the shop's own table holds."""
    made = rehearsal(5000, 96, 5000 - skipped, skipped=skipped, is_array=False)
    assert Load("orders", "new", "writing", writes, 0) in loads_at([made], {"orders": 5000})
    told = predict(Sizes([made], [made]), terms(), {"orders": 5000})
    assert told.writes_guessed == (("orders",) if writes == 5000 else ())


def test_the_slowest_host_and_what_the_rehearsal_took_beside_it_make_the_time() -> None:
    limited = rehearsal(5000, 96, 50, seconds=96 * 1.01 / 20 + 0.8, paces={"old": 20 / 1.01})
    told = predict(Sizes(FREE, [limited]), terms(), {"orders": 20_000})
    assert told.low_s == pytest.approx(249 / 20)
    assert told.expected_s == pytest.approx(249 / 20 * 1.01 + 0.8, abs=0.1)
    assert told.low_s < told.expected_s
    assert told.high_s - told.expected_s == pytest.approx(25 * 1.01 / 20), "a tenth of 250 requests more"
    assert told.bottleneck is not None
    assert told.bottleneck.host == "old"
    assert told.requests == {"old": 250, "new": 201}


def test_a_host_that_a_run_does_not_keep_busy_takes_longer_in_the_same_proportion() -> None:
    seconds = 96 * 1.01 / 20 / 0.9
    busy = rehearsal(5000, 96, 50, seconds=seconds, paces={"old": 0.9 * 20 / 1.01})
    told = predict(Sizes(FREE, [busy]), terms(), {"orders": 20_000})
    assert told.expected_s == pytest.approx(249 / 20 * 1.01 / 0.9, rel=0.02)


def test_where_no_limit_holds_it_up_it_is_the_pace_of_each_further_record() -> None:
    limited = [rehearsal(10_000, 140, 100, seconds=2.0), rehearsal(30_000, 350, 300, seconds=4.0)]
    told = predict(Sizes(FREE, limited), terms(100_000, 100_000), {"orders": 100_000})
    assert told.expected_s == pytest.approx(4.0 + 70_000 * 2.0 / 20_000, rel=0.01)
    assert told.low_s == pytest.approx(0.85 * told.expected_s), (
        "no limit of a host says how long it takes at least"
    )


def test_as_many_records_are_rehearsed_as_the_limits_let_through_in_time() -> None:
    count = records_within(FREE, terms(old=10), 20.0, most=50_000)
    reading = next(load for load in loads_at(FREE, {"orders": count}) if load.step == "reading")
    assert 190 <= reading.requests <= 202
    assert records_within(FREE, terms(old=10), 1000.0, most=700) == 700


def steps(*faults: Fault | None, latency_s: float = 0.05, most_at_once: int = 3) -> tuple[Step, ...]:
    return tuple(
        Step(
            offered=4.0 * number,
            seconds=3.0,
            sent=60,
            answered=4.0 * number,
            records=400.0 * number,
            throttled=int(fault == "429"),
            failed=0,
            most_at_once=most_at_once,
            latency=Spread(p50=latency_s, p90=2 * latency_s, max=2 * latency_s),
            fault=fault,
        )
        for number, fault in enumerate(faults, start=1)
    )


def found(
    reason: str,
    made: tuple[Step, ...],
    *,
    windows: tuple[Window, ...] = (Window(20, 1.0), Window(3600, 3600.0)),
    stated: tuple[Window, ...] = (),
    is_rate_known: bool = True,
) -> HostSteps:
    safe = next((step for step in reversed(made) if step.fault is None), None)
    return HostSteps(
        host="old",
        api="merchantpro",
        windows=windows,
        allowed=19.8,
        concurrency=16,
        steps=made,
        safe=safe,
        ended=Ended(reason, "answers 429 at 12/s"),
        stated=stated,
        is_rate_known=is_rate_known,
    )


def test_a_host_that_serves_all_that_is_configured_is_left_as_it_is() -> None:
    told = suggest(found("configuration", steps(None, None)))
    assert (told.rate, told.concurrency) == (None, None)


def test_what_was_served_is_suggested_and_a_window_that_was_not_tried_stays() -> None:
    told = suggest(found("429", steps(None, None, "429")))
    assert told.rate == ("80/10s", "3600/h")
    assert told.concurrency is None


def test_answers_that_take_long_need_more_in_flight() -> None:
    told = suggest(found("configuration", steps(None, None, latency_s=1.5, most_at_once=24)))
    assert told.concurrency == 36
    assert told.rate is None
    assert suggest(found("configuration", steps(None, None, most_at_once=12))).concurrency is None, (
        "16 is enough"
    )


def test_what_waited_at_its_own_gate_is_not_the_hosts_latency() -> None:
    (lowest, *_), of_host = steps(None, latency_s=4.0, most_at_once=4), Spread(p50=0.05, p90=0.06, max=0.06)
    held_up = found("configuration", (replace(lowest, from_sent=of_host),))
    assert suggest(held_up).concurrency is None
    assert as_seen(held_up, Conditions())[1:3] == pytest.approx((0.04, 0.06))


def test_where_answers_wait_in_a_queue_no_more_are_let_in() -> None:
    assert suggest(found("slow", steps(None, None, "slow", most_at_once=5))).concurrency == 8
    assert suggest(found("late", steps(None, None, "late", most_at_once=5))).concurrency is None


@pytest.mark.parametrize(
    ("rate", "window"),
    [
        (37.9, "37/s"),
        (4.27, "42/10s"),
        (0.35, "21/min"),
        (1 / 60, "1/min"),
        (0.0166, "1/61s"),
        (0.001, "1/1000s"),
    ],
)
def test_a_rate_is_spelled_in_whole_requests_and_never_more_than_it(rate: float, window: str) -> None:
    made = window_of(rate)
    assert str(made) == window
    assert made.count / made.period_s <= rate
    assert parse_window(window) == made


def test_where_even_the_lowest_rate_was_refused_nothing_is_kept_and_nothing_called_right() -> None:
    told = suggest(found("429", steps("429")))
    assert (told.rate, told.concurrency) == (None, None)
    assert "even 4/s was refused" in suggestion_text(told)
    assert "keep" not in suggestion_text(told)
    assert "right" not in written_text((), "migration.toml", [told])
    assert "old" in written_text((), "migration.toml", [told])
    right = suggest(found("configuration", steps(None)))
    assert "keep rate 20/s" in suggestion_text(right)
    assert "is right" in written_text((), "migration.toml", [right])


def test_a_ladder_that_was_cut_short_says_nothing_of_the_rates_above() -> None:
    told = suggest(found("time", steps(None)))
    assert (told.rate, "was not tried beyond 4/s" in suggestion_text(told)) == (None, True)
    nothing = suggestion_text(suggest(found("budget", ())))
    assert "was not tried: bench again with more --budget" in nothing


@pytest.mark.parametrize("is_rate_known", [True, False])
def test_a_rate_that_was_served_whole_is_right_where_somebody_set_it_and_stays_to_be_set_where_nobody_did(
    *, is_rate_known: bool
) -> None:
    served = found("configuration", steps(None), windows=(Window(10, 1.0),), is_rate_known=is_rate_known)
    told = suggest(served)
    assert told.rate is None
    assert ("no rate is set; tried at 10/s" in (told.to_do or "")) == (not is_rate_known)
    assert (told.to_do is None) == is_rate_known
    assert any("no rate is set" in note for note in doubts([served])) == (not is_rate_known)


def test_a_rate_that_nobody_set_is_not_kept_but_one_that_was_refused_is_lowered() -> None:
    assumed = found("configuration", steps(None), windows=(Window(10, 1.0),), is_rate_known=False)
    assert "no rate is set; tried at 10/s" in suggestion_text(suggest(assumed))
    refused = suggest(replace(assumed, ended=Ended("429", "answers 429 at 8/s")))
    assert (refused.rate, refused.to_do) == (("40/10s",), None)


def test_a_long_window_that_the_user_says_the_host_has_is_suggested_too() -> None:
    stated = (Window(6, 1.0), Window(80, 60.0), Window(1800, 3600.0))
    told = suggest(found("429", steps(None, "429"), stated=stated))
    assert told.rate == ("40/10s", "1800/h", "80/min"), "the narrower of two windows of one length"


def test_where_the_very_first_pages_were_refused_nothing_is_kept_and_the_time_is_doubted() -> None:
    refused = replace(found("429", ()), ended=Ended("429", "answers 429 where its first pages are read"))
    told = suggest(refused)
    assert (told.rate, told.concurrency) == (None, None)
    assert "20/s, 3600/h is more than it takes now" in suggestion_text(told)
    assert "which is too much for it" in doubts([refused])[0]


def test_hosts_that_were_not_tried_are_told_in_their_order() -> None:
    names = ["zeta", "old", *"abcdefgh"]
    told = [note.partition(":")[0] for note in untried(names, [found("time", ())])]
    assert told == ["zeta", *"abcdefgh"]


def test_the_prediction_says_where_its_rate_is_one_that_was_refused_or_that_nobody_set() -> None:
    refused, assumed = found("429", steps("429")), found("configuration", steps(None), is_rate_known=False)
    assert "which is too much for it" in doubts([refused])[0]
    assert "no rate is set" in doubts([assumed])[0]
    assert doubts([found("429", steps(None, "429")), found("time", ())]) == []


def bench(made: tuple[Step, ...], *, ended: str = "429") -> Bench:
    host = found(ended, made)
    return Bench(
        FORMAT, "x", "2026-01-01T00:00:00+00:00", "1", "the sandbox", "even", (host,), (suggest(host),)
    )


def test_a_bench_is_kept_whole_and_no_other_file_is_overwritten(tmp_path: Path) -> None:
    file, other = tmp_path / "a.json", tmp_path / "other.json"
    save_bench(file, bench(steps(None, None)))
    save_bench(file, bench(steps(None, "429")))
    assert load_bench(file) == bench(steps(None, "429"))
    other.write_text("{}")
    with pytest.raises(ConfigError, match="no saved bench"):
        save_bench(other, bench(steps(None)))
    assert other.read_text() == "{}"


def test_only_what_differs_by_more_than_noise_is_better_or_worse() -> None:
    before = bench(steps(None, None, "429"))
    assert {
        each.change for each in compare_benches(before, bench(steps(None, None, "429", latency_s=0.055)))
    } == {"same"}
    worse = compare_benches(before, bench(steps(None, "429", "429", latency_s=0.1)))
    changed = {
        (each.offered, each.what): (each.change, each.ratio) for each in worse if each.change != "same"
    }
    assert changed[None, "safe rate"] == ("worse", 0.5)
    assert changed[4.0, "p50"] == ("worse", 2.0)
    assert changed[8.0, "429"] == ("worse", None)
    better = compare_benches(bench(steps(None, "429", "429", latency_s=0.1)), before)
    assert all(each.change in {"better", "same"} for each in better)


def test_a_safe_rate_that_is_low_because_no_more_was_tried_is_not_worse() -> None:
    before, after = bench(steps(None, None, "429")), bench(steps(None), ended="budget")
    for pair in ((before, after), (after, before)):
        assert {each.change for each in compare_benches(*pair)} == {"same"}
        assert "that its safe rate is lower there tells nothing" in notes_of(*pair)[0]
    assert compare_benches(before, bench(steps(None), ended="429"))[0].change == "worse"


def test_two_benches_whose_latencies_are_of_different_kinds_are_told_so() -> None:
    before = bench(steps(None))
    assert notes_of(before, before) == ()
    notes = notes_of(before, replace(before, against="the real sources", arrivals="poisson"))
    assert notes == (
        "one is of the sandbox, the other of the real sources: their latencies can't be compared",
        "one has --arrivals even, the other poisson: their latencies can't be compared",
    )
    assert [line["text"] for line in comparison_lines([], notes)] == list(notes)
    said = [
        part.plain
        for part in comparison_parts([], names=("a", "b"), width=None, notes=notes)
        if isinstance(part, Text)
    ]
    assert f"note: {notes[0]}" in said


def test_the_range_goes_from_the_fewest_to_the_most_requests_that_reading_took() -> None:
    """Rows of one second in no stable order are read until passes agree: sooner or later, by chance."""
    rehearsals = [rehearsal(5000, reading, 50) for reading in (96, 90, 110)]
    middle = middle_of(rehearsals)
    assert middle.reading == 96
    limited = rehearsal(5000, 96, 50, seconds=96 * 1.01 / 20, paces={"old": 20 / 1.01})
    sure = predict(Sizes([rehearsals[0]], [limited]), terms(), {"orders": 5000})
    told = predict(Sizes([middle], [limited]), terms(), {"orders": 5000})
    assert told.expected_s == sure.expected_s
    assert told.low_s == pytest.approx(89 / 20)
    assert told.high_s - sure.high_s == pytest.approx(15 * 1.01 / 20, rel=0.1), (
        "14 requests, and their retries"
    )


def test_a_window_of_a_minute_holds_a_run_up_as_evenly_as_the_gate_keeps_it() -> None:
    """The gate keeps a little more than the minute, which is no reason to take it for a window that lets all through at once."""
    hosts = [HostLimits("old", (Window(4, 1.0), Window(80, 60.0)), 1, 16, 0.05), terms().hosts[1]]
    limited = [rehearsal(3000, 68, 31, seconds=52.0)]
    told = predict(Sizes([rehearsal(3000, 68, 31)], limited), Terms(hosts, {"orders": ()}), {"orders": 3000})
    assert told.low_s == pytest.approx(67 * 0.75)
    assert told.expected_s == pytest.approx(52.0, rel=0.01)
