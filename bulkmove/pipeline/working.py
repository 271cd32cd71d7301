"""Routes worked side by side: hosts and look-ups opened before, everything watched meanwhile, what ends one kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio

from bulkmove.errors import (
    BulkmoveError,
    CanaryError,
    ConfigError,
    CredentialsError,
    HeldError,
    LedgerError,
    single_error,
)
from bulkmove.events import HostSample, Note
from bulkmove.pipeline.control import heed_control
from bulkmove.pipeline.finding import tell_found
from bulkmove.pipeline.job import Run
from bulkmove.pipeline.lookups import open_lookups
from bulkmove.pipeline.opening import OpenHost, open_host, open_hosts, open_job
from bulkmove.pipeline.plan import RoutePlan
from bulkmove.pipeline.recording import Recorder
from bulkmove.pipeline.spending import recall_spending

SAMPLE_EVERY_S = 0.5

# Works one route; whether it is finished, None where it was not begun.
Work = Callable[[Run, RoutePlan], Awaitable[bool | None]]


async def work_routes(
    run: Run, work: Work, *, mapping: Sequence[str], open_host: OpenHost = open_host
) -> None:
    """Open the hosts, the look-ups of the routes that map records, and all routes; then work them side by side.

    What ends one becomes part of the summary. Raises LedgerError, and what `open_job` raises.
    """
    with single_error():
        async with open_hosts(run.plan, open_host) as run.transports, anyio.create_task_group() as background:
            spending = await recall_spending(run.ledger, run.plan.settings.hosts, run.transports)
            background.start_soon(run.ledger.stay_alive, name="sign of life")
            background.start_soon(spending.keep, name="spending")
            heed = partial(heed_control, run.ledger, run.transports, emit=run.emit, stop=run.stop)
            background.start_soon(heed, name="control")
            if not run.options.is_dry and run.ledger.run:  # who only looks begins no run
                recorder = Recorder(run.ledger, run.transports, list(run.plan.routes))
                background.start_soon(recorder.keep, name="history")
            if run.observer is not None:
                background.start_soon(_sample_hosts, run, name="host samples")
            if run.options.onlooker is not None:
                run.options.onlooker.opened(run.transports)
            if await _load_lookups(run, mapping):
                # All are opened before the first starts: a mistake in one is told before anything is written.
                for name, route in run.plan.routes.items():
                    run.ended[name] = anyio.Event()
                    run.jobs[name] = await open_job(run, route)
                if await _may_begin(run):
                    with single_error():
                        async with anyio.create_task_group() as routes:
                            for name, route in run.plan.routes.items():
                                routes.start_soon(_run_one, run, route, work, name=f"route {name}")
                    tell_found(run.transports, run.emit)
            background.cancel_scope.cancel()


async def _may_begin(run: Run) -> bool:
    """Whether what the run is held to holds."""
    if run.options.before is not None:
        try:
            await run.options.before(run)
        except LedgerError:
            raise
        except BulkmoveError as error:
            run.errors.append(error)
            return False
    return True


async def _load_lookups(run: Run, mapping: Sequence[str]) -> bool:
    """Whether routes can start: False where a look-up can't be read, or the run is to stop. `mapping`: who needs them."""
    plan, on_lookups = run.plan, run.options.on_lookups
    is_loaded = False
    try:
        with single_error():
            async with anyio.create_task_group() as tasks:
                if any(plan.routes[name].lookups for name in mapping):
                    tasks.start_soon(_cancel_on, run.stop, tasks.cancel_scope, name="look-ups until")
                run.lookups = await open_lookups(
                    plan,
                    run.transports,
                    routes=mapping,
                    emit=run.emit,
                    collecting=on_lookups is not None,
                )
                is_loaded = True
                tasks.cancel_scope.cancel()
    except LedgerError:
        raise
    except HeldError as error:
        run.emit(Note(str(error)))
    except BulkmoveError as error:
        run.errors.append(error)
    if is_loaded and on_lookups is not None:
        on_lookups(run.lookups)
    return is_loaded


async def _cancel_on(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _run_one(run: Run, route: RoutePlan, work: Work) -> None:
    """One route; its error becomes part of the summary."""
    name = route.settings.name
    try:
        is_finished = await work(run, route)
        if is_finished is not None:
            run.finished[name] = is_finished
    except HeldError as error:
        run.emit(Note(str(error), route=name))
    except (CredentialsError, ConfigError, CanaryError) as error:
        # The whole run is set up wrongly: what is in flight is finished, nothing new begins.
        run.errors.append(error)
        run.stop.set()
    except LedgerError:
        raise
    except BulkmoveError as error:
        run.errors.append(error)
    finally:
        if run.jobs[name].budget.is_spent:
            run.errors.append(run.jobs[name].budget.error())
        if run.canaries is not None:
            run.canaries.leave(name)
        if name in run.sharings:
            run.sharings[name].leave(name)
        run.ended[name].set()


async def _sample_hosts(run: Run) -> None:
    while True:
        await anyio.sleep(SAMPLE_EVERY_S)
        for transport in run.transports.values():
            sample: HostSample = transport.sample()
            run.emit(sample)
