"""Coroutines of tasks and kinds: they run in the loop of whoever called, and in one of their own where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import PATIENCE, Tank, Tanks, TankSpec, tank
from provisioning import Provider, RunError, Token, Workspace, aio, task, workflow

GIVEN: Any = None  # What the engine hands over.

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
