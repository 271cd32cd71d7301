"""The job by dlt: its rest_api source, mapped as it reads, and its custom destination, with the settings that are fastest for it.

What was tried at 0 and 100 ms, and what is kept:

- Pages side by side (`parallelized`, from a resource of offsets) wherever an answer takes time; at 0 ms its threads
  cost more than they bring, and the plain offset paginator is faster. As many threads as requests may be in flight.
- orjson for the pages by a response action; a compiled `data_selector`, which else is parsed anew for each page: a
  seventh of reading.
- `typed-jsonl`, its only format without pyarrow, uncompressed; files of 500 orders, so that all load workers have one.
- Columns given, so that none is inferred; no nested tables; one process for normalising, which is a tenth of the run:
  two were no faster.
- No telemetry, no state asked of the destination, finished jobs deleted, progress off.

dlt has no setting for a rate: its requests client waits after a 429 as long as Retry-After says, and asks again. Its five
attempts are raised for both hosts, so that the job gets to its end.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import dlt
import orjson
from dlt.common import jsonpath
from dlt.sources.helpers.requests import Client
from dlt.sources.rest_api import rest_api_source

from benchmarks.peers.job import KEY, OPTIONS, PAGE, READ_FROM, SECRET, TOKEN, WRITE_TO, Job, do
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.context import RouteContext

_ORDERS_A_FILE = 5 * PAGE
_MOST_ATTEMPTS = 100
_COLUMNS = {
    "rrn": {"data_type": "text"},
    "shop": {"data_type": "bigint"},
    "order_items": {"data_type": "json"},
    "address": {"data_type": "json"},
}


def with_dlt(job: Job) -> None:
    os.environ.update(_settings(job))
    client = Client(max_connections=job.in_flight, request_max_attempts=_MOST_ATTEMPTS)

    def send(items: Any, _table: object) -> None:
        answer = client.post(
            job.url + WRITE_TO,
            data=orjson.dumps(items),
            headers={"API-Token": TOKEN, "Content-Type": "application/json"},
        )
        orjson.loads(answer.content)

    target = dlt.destination(send, batch_size=PAGE, loader_file_format="typed-jsonl", name="external_order")
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("orders", pipelines_dir=folder, destination=target)
        pipeline.run(_source(job)).raise_on_failed_jobs()


def _settings(job: Job) -> dict[str, str]:
    return {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "RESTORE_FROM_DESTINATION": "false",
        "EXTRACT__WORKERS": str(job.in_flight),
        "EXTRACT__MAX_PARALLEL_ITEMS": str(2 * job.in_flight),
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": str(_ORDERS_A_FILE),
        "LOAD__WORKERS": str(job.in_flight),
        "LOAD__DELETE_COMPLETED_JOBS": "true",
    }


def _source(job: Job) -> Any:
    context = RouteContext("orders", OPTIONS, {}, lambda _route, _id: ())
    is_parallel = job.latency_ms > 0
    query = job.page(0)
    paginator: Any = "single_page"
    if is_parallel:
        query["start"] = "{resources.pages.start}"
    else:
        del query["start"], query["limit"]
        paginator = {
            "type": "offset",
            "limit": PAGE,
            "offset_param": "start",
            "maximum_offset": job.orders,
            "total_path": None,
        }
    orders: Any = {
        "name": "orders",
        "columns": _COLUMNS,
        "parallelized": is_parallel,
        "endpoint": {
            "path": READ_FROM.lstrip("/"),
            "params": query,
            "paginator": paginator,
            "data_selector": jsonpath.compile_path("data"),
            "response_actions": [_by_orjson],
        },
        "processing_steps": [{"map": lambda row: order_to_external_order(row, context)}],
    }
    pages = dlt.resource(
        [[{"start": start} for start in range(0, job.orders, PAGE)]], name="pages", selected=False
    )
    reader = Client(
        max_connections=job.in_flight, request_max_attempts=_MOST_ATTEMPTS, raise_for_status=False
    )
    credentials: Any = {"type": "http_basic", "username": KEY, "password": SECRET}
    return rest_api_source(
        {
            "client": {"base_url": job.url, "auth": credentials, "session": reader.session},
            "resources": [pages, orders] if is_parallel else [orders],
        },
        name="shop",
    )


def _by_orjson(response: Any, *_: object, **__: object) -> Any:
    response.json = lambda **_: orjson.loads(response.content)
    return response


if __name__ == "__main__":
    do(with_dlt)
