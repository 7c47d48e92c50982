"""How fast workflows of Python functions are: durable ones, Prefect's, and plain asyncio, which keeps nothing.

    python benches/python/workflows.py [COUNT]

needs the package installed; Prefect is measured where it is installed too, or by the interpreter in ``PREFECT_PYTHON``. Everything is
measured in one run, each the best of three, since machines are noisy: read the ratios.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import provisioning
from provisioning import task, workflow

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
ROUNDS = 3

PREFECT = """
import sys, time
from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

@task(cache_policy=None)
def one(number):
    return number + 1

@flow(task_runner=ThreadPoolTaskRunner(max_workers=16))
def fan(count):
    return [future.result() for future in [one.submit(number) for number in range(count)]]

@flow
def chain(count):
    number = 0
    for _ in range(count):
        number = one(number)
    return number

begun = time.perf_counter()
{"fan": fan, "chain": chain}[sys.argv[1]](int(sys.argv[2]))
print("SECONDS", time.perf_counter() - begun)
"""


@task(idempotent=True)
def one(number: int) -> int:
    """Do next to nothing."""
    return number + 1


@task(idempotent=True)
async def one_async(number: int) -> int:
    """Do next to nothing, in an event loop."""
    return number + 1


@workflow
def fan(count: int) -> list[int]:
    """Tasks that need nothing of each other."""
    return [one(number) for number in range(count)]


@workflow
def fan_async(count: int) -> list[int]:
    """The same with coroutines."""
    return [one_async(number) for number in range(count)]


@workflow
def chain(count: int) -> int:
    """Tasks that each need the one before."""
    number = 0
    for _ in range(count):
        number = one(number)
    return number


async def plain(number: int) -> int:
    """The same as `one`, kept nowhere."""
    return number + 1


async def plain_fan(count: int) -> list[int]:
    """Many at once, with asyncio alone."""
    return await asyncio.gather(*(plain(number) for number in range(count)))


async def plain_chain(count: int) -> int:
    """One after the other, with asyncio alone; each is a task, as each of ours is."""
    number = 0
    for _ in range(count):
        number = await asyncio.create_task(plain(number))
    return number


def best(measure: Callable[[], float]) -> float:
    """The shortest of some rounds, in seconds."""
    return min(measure() for _ in range(ROUNDS))


def timed(act: Callable[[], object]) -> float:
    """How long it takes, in seconds."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def prefect(shape: str) -> float | None:
    """Prefect's time, by its own clock; None where it is not installed."""
    python = os.environ.get("PREFECT_PYTHON", sys.executable)
    environment = {**os.environ, "PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    done = subprocess.run([python, "-c", PREFECT, shape, str(COUNT)], capture_output=True, text=True, env=environment)
    seconds = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("SECONDS")]
    return float(seconds[0]) if seconds else None


def syncs_a_second(folder: Path, count: int = 300) -> float:
    """How often a second this disk makes a small append durable."""
    with open(folder / "syncs", "wb") as file:
        begun = time.perf_counter()
        for _ in range(count):
            file.write(b"x" * 512)
            file.flush()
            os.fdatasync(file.fileno())
        return count / (time.perf_counter() - begun)


def events_a_second(workspace: provisioning.Workspace) -> tuple[int, float]:
    """How many events were told to a callback, and how many that is a second."""
    seen: list[provisioning.Event] = []
    count = 5_000
    begun = time.perf_counter()
    run = fan.job(workspace, None, count).run(on_event=seen.append)
    run.wait()
    return len(seen), len(seen) / (time.perf_counter() - begun)


def row(name: str, seconds: float | None, ours: float) -> str:
    """One line of the table."""
    if seconds is None:
        return f"{name:34} not installed"
    return f"{name:34} {seconds * 1000:10.1f} ms {COUNT / seconds:10.0f} tasks/s   {seconds / ours:8.2f} x ours"


def main() -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = provisioning.Workspace.init(folder)
        wide = best(lambda: timed(lambda: fan.run(workspace, None, COUNT).result()))
        wide_async = best(lambda: timed(lambda: fan_async.run(workspace, None, COUNT).result()))
        long = best(lambda: timed(lambda: chain.run(workspace, None, COUNT).result()))
        plain_wide = best(lambda: timed(lambda: asyncio.run(plain_fan(COUNT))))
        plain_long = best(lambda: timed(lambda: asyncio.run(plain_chain(COUNT))))
        syncs = max(syncs_a_second(Path(folder)) for _ in range(ROUNDS))
        told, rate = events_a_second(workspace)
        print(f"{COUNT} trivial tasks, all at once")
        print(row("  ours, durable", wide, wide))
        print(row("  ours, durable, coroutines", wide_async, wide))
        print(row("  asyncio.gather, keeps nothing", plain_wide, wide), f" (ours takes {wide / plain_wide:.1f} x)")
        print(row("  Prefect", prefect("fan"), wide))
        print(f"{COUNT} trivial tasks, one after the other")
        print(row("  ours, durable", long, long))
        print(row("  asyncio, keeps nothing", plain_long, long))
        print(row("  Prefect", prefect("chain"), long))
        print(f"  fdatasync of this disk             {syncs:10.0f} /s; the chain does {COUNT / long / syncs:.2f} of it")
        print(f"events told to a callback            {told} at {rate:.0f}/s, the run's own time included")


if __name__ == "__main__":
    main()
