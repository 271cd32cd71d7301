"""A run to a host whose rate nobody states goes beyond what it begins with, and tells what it found."""

from __future__ import annotations

from pathlib import Path

from tests.integration.moving import Job, Stages


def test_a_run_without_a_rate_finds_one_and_tells_it(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox(orders=240)).with_orders(batch_size=1)
    job.hosts["new"].pop("rate")
    ended = job.run("--json")
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 240, "written": 240}
    counted = job.stage.stats()["external-order"]
    took_s = counted["last_at"] - counted["first_at"]
    assert counted["total"] / took_s > 2 * 10, "10/s is what it begins with"
    # What held it up, the rate or its latency, is the machine's to say.
    assert "host new: no rate is set; " in ended.told
    assert "host old" not in ended.told
