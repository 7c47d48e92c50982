"""Processes that are interrupted, or end, or die while a run is under way: what was begun is recorded, and resumed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import PATIENCE
from provisioning import Job, Workspace, task, workflow

STEPS = 30

PROGRAM = """
import os, signal, sys
from pathlib import Path
from provisioning import Workspace, task, workflow

folder = Path(sys.argv[1])

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())  # In one piece, whatever other threads say.

@task(idempotent=True)
def step(number: int) -> int:
    if number == 0:
        say("begun")
        sys.stdin.read()
    with open(folder / "log", "a") as log:
        log.write(f"{number}\\n")
    return number

@workflow
def steps():
    last = None
    for number in range(30):
        last = step.options(after=[] if last is None else [last])(number)
    return last

def begin():
    run = steps.run(Workspace.open(folder), "key")
    cancel = run.cancel
    def told():
        cancel()
        say("stopping")
    run.cancel = told
    return run

"""
"""Thirty steps, the first of which waits for the end of its input; it says when it has begun, and when the run is stopped."""


@task(idempotent=True)
def step(number: int) -> int:
    raise AssertionError("only the program carries this out")


@workflow
def steps() -> int:
    last = step(0)
    for number in range(1, STEPS):
        last = step.options(after=[last])(number)
    return last


Start = Callable[..., "subprocess.Popen[str]"]
"""Starts an interpreter with a program and its arguments."""


@pytest.fixture
def start() -> Iterator[Start]:
    """Start interpreters, whose input and output the test holds; whoever is left is killed with all its children."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", program, *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, text=True, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(Workspace.init(tmp_path / "shop").path)


def job(folder: Path) -> Job[int]:
    return steps.job(Workspace.open(folder), "key")


def said(process: subprocess.Popen[str]) -> str:
    """The next line that a process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def done(folder: Path) -> list[str]:
    """What the steps did."""
    return (folder / "log").read_text().split()


def resumed(folder: Path, start: Start) -> None:
    """Go on in another process; every step that was done is not done again."""
    process = start(PROGRAM + "say(str(begin().result()))", str(folder))
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "") and output.split()[-1] == str(STEPS - 1)
    assert done(folder) == [str(number) for number in range(STEPS)]
    assert job(folder).workspace.verify().problem is None


def test_an_interrupt_drains_the_run_and_is_raised_then(folder: Path, start: Start) -> None:
    program = """
run = begin()
try:
    run.wait()
except KeyboardInterrupt:
    say("interrupted", run.report.outcome)
"""
    process = start(PROGRAM + program, str(folder))
    assert said(process) == "begun"
    process.send_signal(signal.SIGINT)
    assert said(process) == "stopping"
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, "interrupted cancelled\n", "")
    assert 0 < len(done(folder)) < STEPS
    status = job(folder).workspace.status()
    assert status.lease is None and status.last_run is not None and status.last_run.outcome == "cancelled"
    resumed(folder, start)


def test_a_second_interrupt_stops_the_run_at_once(folder: Path, start: Start) -> None:
    program = """
run = begin()
try:
    run.wait()
except KeyboardInterrupt:
    say("interrupted", run.report.outcome)
    os._exit(0)  # The function that nobody waits for any more still reads.
"""
    process = start(PROGRAM + program, str(folder))
    assert said(process) == "begun"
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        assert said(process) == "stopping"
    # An interrupt in the middle of that asks once more.
    assert next(line for line in iter(lambda: said(process), "") if line != "stopping") == "interrupted cancelled"
    assert process.wait(PATIENCE) == 0 and not (folder / "log").exists()
    step = job(folder).workspace.status().unfinished[0]
    assert (step.id, step.status) == ("step/create", "started")
    resumed(folder, start)


def test_an_interrupt_while_events_are_read_drains_the_run_at_the_end_of_the_block(folder: Path, start: Start) -> None:
    program = """
with begin() as run:
    for event in run:
        pass
"""
    process = start(PROGRAM + program, str(folder))
    assert said(process) == "begun"
    process.send_signal(signal.SIGINT)
    assert said(process) == "stopping"
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in (130, -signal.SIGINT) and "KeyboardInterrupt" in errors
    assert 0 < len(done(folder)) < STEPS
    resumed(folder, start)


def test_an_interrupt_of_a_program_with_an_event_loop_drains_the_run(folder: Path, start: Start) -> None:
    program = """
import asyncio
import provisioning
from provisioning import aio

cancel = provisioning.Run.cancel

def told(run):
    cancel(run)
    say("stopping")

provisioning.Run.cancel = told
asyncio.run(aio.run(steps.job(Workspace.open(folder), "key")))
"""
    process = start(PROGRAM + program, str(folder))
    assert said(process) == "begun"
    process.send_signal(signal.SIGINT)
    assert said(process) == "stopping"
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in (130, -signal.SIGINT) and "KeyboardInterrupt" in errors
    assert 0 < len(done(folder)) < STEPS
    resumed(folder, start)


def test_a_program_that_ends_waits_for_its_run(folder: Path, start: Start) -> None:
    process = start(PROGRAM + "begin()", str(folder))
    assert said(process) == "begun"
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, "", "")
    assert len(done(folder)) == STEPS and job(folder).result() == STEPS - 1


def test_a_program_that_exits_waits_for_its_run(folder: Path, start: Start) -> None:
    process = start(PROGRAM + "begin(); sys.exit(3)", str(folder))
    assert said(process) == "begun"
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (3, "") and len(done(folder)) == STEPS


def test_a_program_that_dies_of_an_exception_stops_its_run_and_says_so(folder: Path, start: Start) -> None:
    program = """
run = begin()
next(event for event in run if event.name == "started")
1 / 0
"""
    process = start(PROGRAM + program, str(folder))
    assert sorted([said(process), said(process)]) == ["begun", "stopping"]
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "ZeroDivisionError" in errors
    [run] = job(folder).workspace.runs()
    assert run.outcome == "cancelled" and f"run {run.id} was stopped, since the program died; resume it" in errors
    assert 0 < len(done(folder)) < STEPS
    resumed(folder, start)


def test_a_program_ends_although_a_function_never_comes_back(folder: Path, start: Start) -> None:
    program = """
import threading

@task(timeout=0.02)
def stuck():
    threading.Event().wait()

@workflow
def waiting():
    return stuck()

report = waiting.run(Workspace.open(folder), "key").wait(check=False)
say(report.outcome, *report.in_doubt)
"""
    process = start(PROGRAM + program, str(folder))
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, "failed stuck/create\n", "")


def test_a_program_whose_run_had_failed_before_says_nothing_more_at_its_end(folder: Path, start: Start) -> None:
    program = """
import provisioning
workspace = Workspace.open(folder)
wanted = provisioning.Infrastructure()
wanted.provider("here", "local")
wanted.resource("page", "file", path="missing/page", content="hello")
try:
    workspace.apply(wanted).wait()
except provisioning.RunError as error:
    say(error.code)
try:
    workspace.continue_rollback().wait()
except provisioning.NotFoundError as error:
    say(error.code)
"""
    process = start(PROGRAM + program, str(folder))
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "") and output.split()[-1] == "not_found"


def test_a_fork_that_ends_leaves_the_run_of_its_parent_alone(folder: Path, start: Start) -> None:
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # That threads and forks do not go together.
run = begin()
if os.fork() == 0:
    sys.exit(0)
os.wait()
say("alone")
"""
    process = start(PROGRAM + program, str(folder))
    assert sorted([said(process), said(process)]) == ["alone", "begun"]
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "") and len(done(folder)) == STEPS


def test_a_call_that_comes_back_while_the_interpreter_ends_breaks_nothing(folder: Path, start: Start) -> None:
    program = """
import time

@task(timeout=0.02)
def slow(number):
    time.sleep(0.03 + number * 0.003)

@workflow
def late():
    return [slow(number) for number in range(8)]

late.run(Workspace.open(folder), None).wait(check=False)
"""
    for _ in range(4):
        process = start(PROGRAM + program, str(folder))
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
