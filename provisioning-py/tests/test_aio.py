"""Programs with an event loop: what waits is awaited, and coroutines run in the loop of whoever called."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import PATIENCE, Board, Gate, Tank, Tanks, TankSpec, notes, site, tank
from provisioning import (
    Context,
    Event,
    EventName,
    InvalidError,
    NotFoundError,
    Provider,
    RunError,
    Token,
    Workspace,
    aio,
    task,
    workflow,
)

GIVEN: Any = None  # What the engine hands over.
TITLES = [f"note{number}" for number in range(12)]


def test_a_workspace_is_planned_applied_and_looked_at(workspace: Workspace) -> None:
    async def main() -> None:
        async with aio.Workspace.open(workspace.path) as shop:
            assert await shop.validate(site()) == {"folder": [], "page": ["folder"]}
            plan = await shop.plan(site())
            events = [event async for event in shop.apply(plan)]
            assert [event.name for event in events if event.is_fact] == [event.name for event in workspace.events()]
            assert events[0].name is EventName.RUN_STARTED and events[-1].name is EventName.RUN_FINISHED
            assert list(await shop.state()) == ["folder", "page"] and await shop.outputs() == {"page": "site/index.html"}
            assert (await shop.status()).resources == 2 and [run.outcome for run in await shop.runs()] == ["completed"]
            assert (await shop.verify()).problem is None and repr(shop).startswith("<aio <Workspace shop")
            assert not await shop.plan(site(), refresh=False)
            back = await shop.apply(await shop.plan_rollback())
            assert back.ok and back.undoes is not None

    asyncio.run(main())
    assert not Path(workspace.path, "site").exists()


def test_a_run_is_awaited_and_its_failure_raised(noted: Workspace, board: Board) -> None:
    def refuse(call: str, context: Context) -> None:
        raise InvalidError("not on this wall")

    async def main() -> None:
        shop = aio.Workspace(noted)
        board.before = refuse
        run = shop.apply(await shop.plan(notes("ada")))
        with pytest.raises(RunError, match="not on this wall"):
            await run
        assert (await run.wait(check=False)).outcome == "failed" and run.is_done
        board.before = lambda call, context: None
        assert (await shop.resume()).ok

    asyncio.run(main())
    assert board.titles() == ["ada"]


def test_errors_come_out_of_what_is_awaited(workspace: Workspace, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(NotFoundError, match="is not a workspace"):
            await aio.Workspace.open(tmp_path / "nowhere")
        shop = await aio.Workspace.open(workspace.path)
        with pytest.raises(NotFoundError, match=r"has no `main.ncl`"):
            await shop.plan()
        with pytest.raises(NotFoundError, match="nobody holds"):
            await shop.unlock()

    asyncio.run(main())


def test_the_loop_goes_on_while_a_run_is_waited_for(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter

    async def main() -> list[str]:
        shop = aio.Workspace(noted)
        run = shop.apply(await shop.plan(notes("ada")))
        waiting = asyncio.ensure_future(run.wait())
        await asyncio.to_thread(gate.reached)
        assert not waiting.done() and not run.is_done and run.report is None
        gate.open()
        await waiting
        return board.titles()

    assert asyncio.run(main()) == ["ada"]


def test_a_paused_run_goes_on(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter

    async def main() -> list[tuple[EventName, str | None]]:
        shop = aio.Workspace(noted)
        run = shop.apply(await shop.plan(notes("ada", "grace")))
        await asyncio.to_thread(gate.reached)
        run.pause()
        seen: list[tuple[EventName, str | None]] = []
        async for event in run:
            seen.append((event.name, event.step))
            if event.name is EventName.PAUSED:
                gate.open()
            if event.name is EventName.SUCCEEDED and event.step == "ada/create":
                run.unpause()
        return seen

    seen = asyncio.run(main())
    assert seen.index((EventName.SUCCEEDED, "ada/create")) < seen.index((EventName.UNPAUSED, None))
    assert seen.index((EventName.UNPAUSED, None)) < seen.index((EventName.STARTED, "grace/create"))


def opening(run: aio.Run, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> aio.Run:
    """Open the gate as soon as the run was told to stop, and not before."""
    cancel = run.cancel

    def told() -> None:
        cancel()
        gate.open()

    monkeypatch.setattr(run, "cancel", told)
    return run


def test_cancelling_whoever_waits_drains_the_run(
    noted: Workspace, board: Board, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.before = gate.enter

    async def main() -> None:
        shop = aio.Workspace(noted)
        run = opening(shop.apply(await shop.plan(notes(*TITLES))), gate, monkeypatch)
        waiting = asyncio.ensure_future(run.wait())
        await asyncio.to_thread(gate.reached)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert run.is_done and run.report is not None and run.report.outcome == "cancelled"
        assert 0 < len(board.notes) < len(TITLES) and noted.verify().problem is None
        assert (await shop.resume()).ok

    asyncio.run(main())
    assert board.titles() == sorted(TITLES) and len(board.calls) == len(TITLES)


def test_cancelling_whoever_reads_events_drains_the_run(
    noted: Workspace, board: Board, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.before = gate.enter

    async def main() -> None:
        shop = aio.Workspace(noted)
        run = opening(shop.apply(await shop.plan(notes(*TITLES))), gate, monkeypatch)

        async def read() -> list[Event]:
            return [event async for event in run]

        reading = asyncio.ensure_future(read())
        await asyncio.to_thread(gate.reached)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert run.is_done and run.report is not None and run.report.outcome == "cancelled"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert 0 < len(board.notes) < len(TITLES)


loops: list[asyncio.AbstractEventLoop] = []


@task(idempotent=True)
async def twice(number: int, context: aio.Context = GIVEN, token: Token = GIVEN) -> int:
    loops.append(asyncio.get_running_loop())
    context.progress(f"twice {number}")
    await asyncio.sleep(0)
    assert token == context.token and context.resource.startswith("twice")
    return number * 2


@workflow
def eightfold(number: int) -> int:
    return twice(twice(twice(number)))


def test_coroutine_tasks_run_in_the_loop_of_the_caller(workspace: Workspace) -> None:
    async def main(key: str) -> asyncio.AbstractEventLoop:
        assert await aio.run(eightfold.job(workspace, key, 1)) == 8
        return asyncio.get_running_loop()

    for key in ("first", "second"):
        loops.clear()
        assert asyncio.run(main(key)) is loops[0] and set(loops) == {loops[0]} and len(loops) == 3


def test_coroutine_tasks_run_in_a_loop_of_their_own_where_the_caller_has_none(workspace: Workspace) -> None:
    loops.clear()
    assert eightfold.run(workspace, "key", 1).result() == 8
    assert len(set(loops)) == 1 and loops[0].is_running()


def test_a_workflow_that_fails_raises_and_goes_on(workspace: Workspace) -> None:
    broken = True

    @task
    async def unsteady() -> str:
        if broken:
            raise ValueError("not yet")
        return "done"

    @workflow
    def single() -> Any:
        return unsteady()

    async def main() -> Any:
        return await aio.run(single.job(workspace, "key"), parallelism=1)

    with pytest.raises(RunError, match="ValueError: not yet"):
        asyncio.run(main())
    broken = False
    assert asyncio.run(main()) == "done"


def test_cancelling_whoever_waits_for_a_workflow_lets_its_coroutines_end(workspace: Workspace) -> None:
    ended: list[str] = []

    async def main() -> None:
        reached, released = asyncio.Event(), asyncio.Event()

        @task(idempotent=True)
        async def first() -> str:
            reached.set()
            await released.wait()
            ended.append("first")
            return "first"

        @workflow
        def single() -> Any:
            return first()

        job = single.job(workspace, "key")
        waiting = asyncio.ensure_future(aio.run(job))
        await reached.wait()
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        released.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ended == ["first"] and job.workspace.status().lease is None
        assert await aio.run(job) == "first" and ended == ["first"]

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_kinds_of_coroutines_run_in_the_loop_of_the_caller(tmp_path: Path) -> None:
    seen: list[asyncio.AbstractEventLoop] = []

    class Kind(aio.ResourceKind[TankSpec, Tank]):
        schema = Tanks.schema
        spec = TankSpec
        state = Tank

        def __init__(self, provider: Provider[Any]) -> None:
            pass

        async def read(self, ids: Sequence[str]) -> Sequence[Tank | None]:
            seen.append(asyncio.get_running_loop())
            return [Tank(1, id=id) for id in ids]

        async def create(self, context: aio.Context, spec: TankSpec) -> Tank:
            seen.append(asyncio.get_running_loop())
            await asyncio.sleep(0)
            return Tank(spec.litres, id=f"tank-{context.token}")

        async def delete(self, context: aio.Context, prior: Tank) -> None:
            seen.append(asyncio.get_running_loop())

    class Plant(Provider[Any]):
        type = "plant"
        kinds = (Kind,)

    Workspace.init(tmp_path / "plant")

    async def main() -> None:
        shop = await aio.Workspace.open(tmp_path / "plant", providers=[Plant])
        assert (await shop.apply(await shop.plan(tank(1)))).ok
        assert not await shop.plan(tank(1))
        assert (await shop.apply(await shop.plan(tank(1), destroy=True))).ok
        assert set(seen) == {asyncio.get_running_loop()} and len(seen) >= 3

    asyncio.run(main())
