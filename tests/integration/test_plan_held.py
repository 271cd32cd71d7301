"""`bulkmove run --plan`: a run that holds itself to a plan that was saved before."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.moving import CREDENTIALS, Ended, Job, Row


@pytest.fixture
def saved(job: Job) -> Path:
    """A plan of the usual routes."""
    path = job.folder / "plan.json"
    ended = job.with_all_routes().run("--save", str(path), command="plan")
    assert ended.code == 0, ended.told
    assert {"type": "saved", "file": str(path)} in ended.lines
    return path


def run(job: Job, saved: Path, *arguments: str) -> Ended:
    return job.run("--plan", str(saved), *arguments)


def insert(job: Job, count: int) -> None:
    job.stage.change(list="orders", insert=count)


def refused(job: Job, ended: Ended, *said: str) -> None:
    assert ended.code == ended.summary["exit"] == 2, ended.told
    assert job.stage.written() == 0
    told = " ".join(ended.stderr.split())
    for each in said:
        assert each in told, told


def test_a_run_of_what_was_planned_is_as_any_other(job: Job, saved: Path) -> None:
    assert run(job, saved).code == 0
    job.check_all_equal()
    assert run(job, saved).code == 0, "a finished one has nothing left to be held to"


def test_a_saved_plan_is_for_nobody_else_and_holds_no_record_and_no_credential(job: Job, saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    text = saved.read_text()
    for values in CREDENTIALS.values():
        assert not any(value in text for value in values.values())
    order = job.stage.orders[0]
    assert order["billing_name"] not in text
    assert str(order["id"]) not in text
    assert json.loads(text)["routes"]["orders"]["create"] == len(job.stage.orders)


@pytest.mark.parametrize(
    ("route", "key", "value", "said"),
    [
        ("orders", "options", {"shop": 3, "products": "ids.csv"}, "route orders: options was"),
        ("orders", "where", {"created_after": "2020-01-01T00:00:00Z"}, "route orders: where was {}, is"),
        ("orders", "mode", "create", 'route orders: mode was "upsert", is "create" now'),
    ],
)
def test_a_configuration_that_moved_is_refused(
    job: Job, saved: Path, route: str, key: str, value: object, said: str
) -> None:
    job.routes[route][key] = value
    refused(job, run(job, saved), said, "plan again, or run without --plan")


def test_routes_that_came_or_went_are_refused_and_one_of_them_alone_may_run(job: Job, saved: Path) -> None:
    fitting: Row = job.routes.pop("fitting")
    refused(job, run(job, saved), "route fitting: the plan has it, and the configuration does not")
    job.routes |= {"fitting": fitting, "more": fitting}
    refused(job, run(job, saved), "route more: the plan does not have it")
    del job.routes["more"]
    assert run(job, saved, "--route", "fitting").code == 0


def test_a_source_that_moved_too_far_is_refused_before_anything_is_written(job: Job, saved: Path) -> None:
    planned = len(job.stage.orders)
    insert(job, 101)
    refused(
        job,
        run(job, saved),
        f"route orders: old.orders held {planned} records when it was planned",
        f"holds {planned + 101} now: 101 more, and 100 are tolerated",
        "route fitting: old.orders held",
    )
    assert run(job, saved, "--plan-tolerance", "101").code == 0


def test_how_far_a_source_may_move_can_be_said(job: Job, saved: Path) -> None:
    insert(job, 10)
    refused(job, run(job, saved, "--plan-tolerance", "9"), "10 more, and 9 are tolerated")
    refused(job, run(job, saved, "--plan-tolerance", "3%"), "10 more, and 9 are tolerated")
    assert run(job, saved, "--plan-tolerance", "4%", "--dry-run").code == 0


def test_a_run_that_rejects_far_more_than_was_planned_ends(job: Job) -> None:
    path = job.folder / "plan.json"
    mapper = (
        "from pathlib import Path\n"
        "def odd(record: dict, context: MapContext) -> dict:\n"
        f"    if Path({str(job.folder / 'bad')!r}).exists():\n"
        "        raise RejectRecordError('not today')\n"
        "    return {'store_id': str(record['id']), 'device_id': 'd', 'data': {}}\n"
    )
    job.with_mapper(mapper).with_fitting(mapper="mappers.py:odd")
    assert job.run("--save", str(path), command="plan").code == 0
    (job.folder / "bad").touch()
    ended = run(job, path)
    assert ended.code == 7, ended.told
    assert "more than the 100 that the plan tolerates" in " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the plan can't be read: No such file"),
        ("{}", "is no plan that `bulkmove plan --save` wrote"),
        ("not json", "is no plan that `bulkmove plan --save` wrote"),
        ("{other}", "is the plan of another, not of job"),
        ("{newer}", "was saved by a newer bulkmove"),
    ],
)
def test_a_file_that_is_no_plan_of_this_migration_is_refused(
    job: Job, saved: Path, text: str | None, said: str
) -> None:
    plan = json.loads(saved.read_text())
    if text is None:
        saved.unlink()
    elif text == "{other}":
        saved.write_text(json.dumps({**plan, "name": "another"}))
    elif text == "{newer}":
        saved.write_text(json.dumps({**plan, "format": 2}))
    else:
        saved.write_text(text)
    refused(job, run(job, saved), said)


def test_options_that_make_no_sense_are_refused(job: Job, saved: Path) -> None:
    refused(
        job, run(job, saved, "--plan-tolerance", "some"), "--plan-tolerance 'some' is no number of records"
    )
    refused(job, job.run("--plan-tolerance", "5%"), "a --plan, which is missing")
    sampled = job.run("--sample", "5", "--save", str(saved), command="plan")
    refused(job, sampled, "--save and --sample exclude each other")


def test_a_plan_that_could_not_be_made_is_not_saved(job: Job, tmp_path: Path) -> None:
    job.with_fitting().hosts["old"] |= {"url": "http://127.0.0.1:9", "give_up_after_s": 0.2}
    path = tmp_path / "plan.json"
    ended = job.run("--save", str(path), command="plan")
    assert ended.code == 5
    assert "was not saved" in ended.stderr
    assert not path.exists()


def test_a_plan_is_saved_over_a_plan_alone(job: Job, saved: Path) -> None:
    assert job.run("--save", str(saved), command="plan").code == 0
    before = job.file.read_bytes()
    for other in (job.file, Path("/dev/null")):
        refused = job.run("--save", str(other), command="plan")
        assert (refused.code, "another place with --save" in refused.stderr) == (2, True)
    assert job.file.read_bytes() == before
    assert not Path("/dev/null").is_file()


def test_a_credential_among_the_options_stays_out_of_plan_and_ledger(job: Job, tmp_path: Path) -> None:
    job.with_orders(options={"copy": "demo-api-key"})
    path = tmp_path / "secret.json"
    job.run("--save", str(path), command="plan")
    job.run("--limit", "1")
    assert b"demo-api-key" not in path.read_bytes()
    with closing(sqlite3.connect(job.ledger)) as connection:
        assert "demo-api-key" not in str(connection.execute("SELECT fingerprint FROM routes").fetchall())
