"""The job by a sequential requests script: one Session with keep-alive, one request after the other."""

from __future__ import annotations

import time

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from benchmarks.peers.job import KEY, OPTIONS, PAGE, READ_FROM, SECRET, TOKEN, WRITE_TO, Job, do
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.context import RouteContext


def with_requests(job: Job) -> None:
    context = RouteContext("orders", OPTIONS, {}, lambda _route, _id: ())
    shortest_s = 1 / job.rate if job.rate else 0.0
    next_at = 0.0
    with requests.Session() as session:
        # allowed_methods: a 429 was not done, so a POST may go again too.
        retry = Retry(total=None, status=100, status_forcelist=[429], allowed_methods=None)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        for start in range(0, job.orders, PAGE):
            # One read and one write a turn, so that one wait keeps to the rate of both hosts.
            now = time.monotonic()
            if now < next_at:
                time.sleep(next_at - now)
            next_at = max(now, next_at) + shortest_s
            answer = session.get(job.url + READ_FROM, params=job.page(start), auth=(KEY, SECRET))
            answer.raise_for_status()
            page = orjson.loads(answer.content)
            bodies = [order_to_external_order(row, context) for row in page["data"]]
            answer = session.post(
                job.url + WRITE_TO,
                data=orjson.dumps(bodies),
                headers={"API-Token": TOKEN, "Content-Type": "application/json"},
            )
            answer.raise_for_status()
            orjson.loads(answer.content)


if __name__ == "__main__":
    do(with_requests)
