"""A dashboard for a workflow: every step on a line, redrawn as it goes on, in a program that has other things to do as well.

One coroutine takes what the run tells, one draws ten times a second, and one is an operator. The first stops the run; it goes
on where it stopped, and the second holds it for a moment. Run it: `python examples/python/dashboard.py`. Without a terminal,
as in `python examples/python/dashboard.py | cat`, it writes plain lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from provisioning import Event, EventName, Report, Workspace, aio, task, workflow

READINGS = {"Oslo": [2.5, 4.0, 3.1], "Turin": [11.0, 14.5, 12.3], "Tunis": [19.2, 22.8, 21.0]}


@task(idempotent=True)
async def fetch(city: str) -> list[float]:
    """Ask a station. A coroutine: many of them wait in one thread."""
    await asyncio.sleep(0.1 * len(city))
    return READINGS[city]


@task(idempotent=True)
def mean(readings: list[float]) -> float:
    """Do some work. A plain function runs on a thread of its own, and holds up nobody."""
    time.sleep(0.2)
    return round(sum(readings) / len(readings), 1)


@task(idempotent=True)
async def publish(means: dict[str, float]) -> str:
    """Give the report, when every mean is there."""
    await asyncio.sleep(0.3)
    return ", ".join(f"{city} {degrees}" for city, degrees in means.items())


@workflow
def weather(cities: list[str]) -> str:
    """Say what is done with what. Nothing runs here: a call of a task stands for its result."""
    readings = {city: fetch.options(name=f"fetch_{city}")(city) for city in cities}
    return publish({city: mean.options(name=f"mean_{city}")(some) for city, some in readings.items()})


WORDS = {
    EventName.STARTED: "runs",
    EventName.SUCCEEDED: "done",
    EventName.FAILED: "failed",
    EventName.BEGUN: "runs",
    EventName.PAUSED: "held",
    EventName.UNPAUSED: "runs",
    EventName.DRAINING: "stops",
}


class Dashboard:
    """How the run stands, how each of its steps does, and how long it has been."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = dict.fromkeys(steps, "")
        self.run = ""
        self.ticks = 0
        self.drawn = 0
        self.redraws = sys.stdout.isatty()

    def take(self, event: Event) -> None:
        """Take in what happened, to a step or to the run. Without a terminal, it is written down as it comes."""
        word = WORDS.get(event.name)
        if word is None:
            return
        if event.step is None:
            self.run = word
        else:
            self.steps[event.step] = word
        if not self.redraws:
            print(f"  {event.step or 'the run'}: {word}")

    def draw(self) -> None:
        """Draw over what was drawn before."""
        if self.redraws:
            up = f"\x1b[{self.drawn}F" if self.drawn else ""
            lines = [*(f"{step:20} {word}" for step, word in self.steps.items()), f"{self.run}, {self.ticks / 10:.1f} s"]
            print(up + "\n".join(f"\x1b[K  {line}" for line in lines))
            self.drawn = len(lines)

    async def tick(self) -> None:
        """Show that time goes by: nothing that the run does holds up this loop."""
        while True:
            self.draw()
            await asyncio.sleep(0.1)
            self.ticks += 1

    async def done(self, count: int) -> None:
        """Wait until so many steps are done."""
        while sum(word == "done" for word in self.steps.values()) < count:
            await asyncio.sleep(0.02)


async def stop(run: aio.Run, dashboard: Dashboard) -> None:
    """Stop the run when a step is done: what runs then is finished, and nothing new is begun."""
    await dashboard.done(1)
    run.cancel()


async def hold(run: aio.Run, dashboard: Dashboard) -> None:
    """Hold the run for a moment: what runs is finished, and what comes next waits."""
    await dashboard.done(5)
    run.pause()
    await asyncio.sleep(0.5)
    run.unpause()


async def watch(run: aio.Run, dashboard: Dashboard, operator: Coroutine[Any, Any, None]) -> Report:
    """Show a run until it ends or is stopped, with the operator beside it."""
    others = [asyncio.create_task(other) for other in (dashboard.tick(), operator)]
    try:
        async for event in run:
            dashboard.take(event)
    finally:
        # Ctrl-C ends the loop above, and not the run: it is stopped gently, which a run that has ended does not feel.
        run.cancel()
        report = await run.wait(check=False)
        for other in others:
            other.cancel()
        dashboard.draw()
    return report


async def main() -> None:
    """Run the workflow, be stopped, and go on."""
    with tempfile.TemporaryDirectory(prefix="dashboard-") as parent:
        job = weather.job(Workspace.init(Path(parent) / "weather"), "today", list(READINGS))
        dashboard = Dashboard([step.id for step in await asyncio.to_thread(lambda: job.plan().steps)])
        run = aio.Run(job.run(parallelism=2))
        report = await watch(run, dashboard, stop(run, dashboard))
        print(f"Stopped after {report.succeeded} of {report.steps} steps. The same job goes on:")
        dashboard.drawn = 0
        run = aio.Run(job.run(parallelism=2))
        report = await watch(run, dashboard, hold(run, dashboard))
        print(f"{job.result()} ({report.outcome})")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
