"""Programs with an event loop: what waits is awaited, and who is cancelled stops what they wait for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from conftest import PATIENCE, Board, Gate, notes, site
from provisioning import (
    Context,
    Event,
    EventName,
    InvalidError,
    NotFoundError,
    RunError,
    Workspace,
    aio,
)

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
            assert [told async for told in shop.events()] == list(workspace.events())
            back = await (await shop.rollback())
            assert back.ok and back.undoes is not None
            assert (await shop.apply(await shop.plan(site()))).ok and (await (await shop.destroy(site()))).ok

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


def test_cancelling_again_drops_what_runs(noted: Workspace, board: Board, gate: Gate) -> None:
    board.after = gate.enter

    async def main() -> None:
        shop = aio.Workspace(noted)
        run = shop.apply(await shop.plan(notes("ada")))
        waiting = asyncio.ensure_future(run.wait())
        await asyncio.to_thread(gate.reached)
        for _ in range(2):
            waiting.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert run.is_done and run.report is not None and run.report.outcome == "cancelled"
        gate.open()
        assert (await shop.resume()).ok and board.titles() == ["ada"]

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


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
