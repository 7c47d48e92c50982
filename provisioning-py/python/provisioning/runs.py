"""Runs: one that is under way, what it came to, and those that are over."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from . import _provisioning
from .errors import ProvisioningError, RunError
from .events import Event, event

__all__ = ["CriticalPath", "Failure", "Outcome", "Report", "Run", "RunSummary"]

Outcome = Literal["completed", "failed", "cancelled", "superseded"]

BATCH = 1_000
"""How many events are taken at once."""


@dataclass(frozen=True)
class Failure:
    """Why a step failed.

    Attributes
    ----------
    step
        The step.
    code
        The kind of the error, such as ``"denied"``.
    message, hint
        What went wrong and what to do about it.
    """

    step: str
    code: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.step}: {self.message}"


@dataclass(frozen=True)
class CriticalPath:
    """The steps that a run waited for, one after the other, from its begin to its end.

    Attributes
    ----------
    steps
        The steps, each with how many seconds it took.
    waited_seconds
        How long none of them ran: they waited for room among the calls that may run at once.
    unlimited_seconds
        How long the run would have taken had every step begun when it could.
    """

    steps: tuple[tuple[str, float], ...]
    waited_seconds: float
    unlimited_seconds: float


@dataclass(frozen=True)
class Report:
    """What a run came to; ``print(report)`` tells it.

    Attributes
    ----------
    run
        The run; ``None`` when there was nothing to do.
    outcome
        ``completed``, ``failed``, ``cancelled`` or ``superseded``.
    steps, succeeded, not_begun, waived
        How many steps there are, succeeded, were not begun, and were left out by somebody's decision.
    failures
        The steps that failed, first failure first.
    in_doubt
        Steps of which nobody knows whether they had their effect, with what is known.
    undoes
        The run that it takes back, for a rollback.
    rollback
        What came of taking it back, where it failed and was to be taken back then.
    critical_path
        The steps that it waited for, where it did several.
    seconds
        How long it took.
    """

    run: str | None
    outcome: Outcome
    steps: int
    succeeded: int
    not_begun: int
    waived: int
    failures: tuple[Failure, ...]
    in_doubt: dict[str, str]
    undoes: str | None
    rollback: Report | Failure | None
    critical_path: CriticalPath | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return self.outcome == "completed"

    def __str__(self) -> str:
        lines = [f"run {self.run} {self.outcome}: {self.succeeded} of {self.steps} steps in {self.seconds:.1f}s"]
        if self.run is None:
            lines = ["nothing to do"]
        for failure in self.failures:
            lines += [f"  {failure}", *([f"    hint: {failure.hint}"] if failure.hint else [])]
        lines += [f"  {step}: in doubt: {reason}" for step, reason in self.in_doubt.items()]
        if isinstance(self.rollback, Report):
            lines.append("it was taken back: " + str(self.rollback))
        elif self.rollback is not None:
            lines.append(f"it was not taken back: {self.rollback.message}")
        return "\n".join(lines)

    def raise_for_outcome(self) -> None:
        """Raise a `RunError` unless the run completed."""
        if self.ok:
            return
        hint = "remove the cause, then `resume()` goes on with the same run"
        if self.in_doubt:
            hint = "look whether it was done, then say so: `adopt(step, id)`, `retry(step)` or `abandon(step, reason)`"
        raise RunError(str(self), report=self, hint=None if self.rollback else hint)


@dataclass(frozen=True)
class RunSummary:
    """One run in a line.

    Attributes
    ----------
    id, command
        The run, and what it was asked to do.
    undoes
        The run that it takes back, for a rollback.
    started_at, updated_at
        When it began, and when its last record was made.
    outcome
        How it ended; ``None`` while it runs, and after a crash.
    succeeded, failed
        How many steps succeeded, and how many attempts failed.
    """

    id: str
    command: str
    undoes: str | None
    started_at: datetime
    updated_at: datetime
    outcome: Outcome | None
    succeeded: int
    failed: int


class Run:
    """A run that is under way.

    The engine works on its own thread: a run goes on whether or not somebody waits for it. Iterating over it gives its events
    until it ends; each event is given once. As a context manager it is stopped gently when the block is left by an exception,
    and waited for in any case. A program that ends waits for its runs; one that dies of an exception stops them gently.

    >>> with workspace.apply(plan) as run:                      # doctest: +SKIP
    ...     for event in run:
    ...         print(event)
    """

    def __init__(self, native: _provisioning.Run, on_event: Callable[[Event], object] | None = None) -> None:
        self._native = native
        self._on_event = on_event
        _live.add(self)

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._native.has_ended()

    def wait(self, timeout: float | None = None, *, check: bool = True) -> Report:
        """Wait until the run has ended.

        Ctrl-C stops the run gently: what runs is finished and recorded, and ``KeyboardInterrupt`` is raised then. A second
        one stops it at once. Either way it can be resumed.

        Parameters
        ----------
        timeout
            How many seconds to wait at most.
        check
            Whether a run that did not complete is an error.

        Raises
        ------
        RunError
            When the run failed or was stopped, unless ``check`` is false.
        TimeoutError
            When the time is over; the run goes on.
        """
        self._native.has_ended()  # Raises in a fork, where there is nothing to wait for.
        broken: BaseException | None = None
        deadline = None if timeout is None else time.monotonic() + timeout
        with _interrupts(self) as interrupts:
            while True:
                try:
                    ended = self._finish(deadline)
                except BaseException as exception:  # What the callback raised: the run is brought to its end first.
                    if self._native.has_ended():
                        raise
                    broken, self._on_event, deadline = exception, None, None
                    self.cancel()
                    continue
                if ended:
                    break
                if not interrupts:
                    raise TimeoutError(f"the run has not ended within {timeout} seconds; it goes on")
                deadline = None
        report = self.report
        assert report is not None
        if broken is not None:
            raise broken
        if interrupts:
            raise KeyboardInterrupt
        if check:
            report.raise_for_outcome()
        return report

    def _finish(self, deadline: float | None) -> bool:
        """Wait for the end; whether it has come."""
        if self._on_event is None:
            return self._native.wait_for_end(_left(deadline))
        for told in self._events(deadline):
            self._on_event(told)
        return self._native.has_ended()

    def _events(self, deadline: float | None = None) -> Iterator[Event]:
        ended = False
        while not ended:
            texts, ended = self._native.take(BATCH, _left(deadline))
            yield from map(event, texts)
            if deadline is not None and time.monotonic() >= deadline:
                return

    def __iter__(self) -> Iterator[Event]:
        """Give the events until the run has ended."""
        return self._events()

    @property
    def report(self) -> Report | None:
        """What it came to; ``None`` before its end. An error of the engine itself is raised here."""
        done = self._native.report()
        return None if done is None else _report(json.loads(done))

    def cancel(self) -> None:
        """Stop gently: begin nothing new, finish and record what runs. Called again, drop what runs. Both can be resumed."""
        self._native.cancel()

    def pause(self) -> None:
        """Begin nothing new for now; the run keeps the workspace."""
        self._native.pause()

    def unpause(self) -> None:
        """Go on after a pause."""
        self._native.unpause()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.cancel()
        self.wait(check=kind is None)

    def __repr__(self) -> str:
        if not self._native.has_ended():
            return "<Run under way>"
        try:
            report = self.report
        except ProvisioningError as error:
            return f"<Run that broke off: {error.message}>"
        return f"<Run {report.run}: {report.outcome}>" if report else "<Run>"

    def __reduce__(self) -> Any:
        raise TypeError("a Run cannot be pickled: it belongs to this process; `Workspace.runs()` tells of it elsewhere")


@contextlib.contextmanager
def _interrupts(run: Run) -> Iterator[list[int]]:
    """While a run is waited for, Ctrl-C stops it instead of raising anywhere; give the list of those that came.

    Where the program has a handler of its own, or waits in another thread than the main one, its own way is kept.
    """
    came: list[int] = []
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield came
        return

    def stop(number: int, _frame: object) -> None:
        came.append(number)
        run.cancel()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _left(deadline: float | None) -> float | None:
    """How many seconds are left."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


class _Live:
    """The runs of this process that have not ended: they must outlive whoever forgets them."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._lock = threading.Lock()

    def add(self, run: Run) -> None:
        with self._lock:
            over = [other for other in self._runs if other.is_done]
            self._runs = [other for other in self._runs if other not in over] + [run]
        for other in over:
            other._native.flush()

    def forget(self) -> None:
        """Leave the runs to the parent, in a process that was forked."""
        self._runs, self._lock = [], threading.Lock()

    def end(self) -> None:
        """Wait for what is under way before the interpreter goes; stop it where the program died of an exception."""
        died = getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")
        for run in self._runs:
            if not run.is_done:
                self._end(run, died)
            # The engine's thread must be out of the interpreter before that goes.
            with contextlib.suppress(ProvisioningError):
                run._native.flush()
        _provisioning.ending()

    def _end(self, run: Run, died: bool) -> None:
        if died:
            run.cancel()
        run.unpause()
        try:
            report = run.wait(check=False)
        except BaseException as error:
            print(f"provisioning: a run broke off as the program ended: {error!r}", file=sys.stderr)
            return
        if not died and not report.ok:
            print(f"provisioning: {report}", file=sys.stderr)
        if died and report.outcome == "cancelled":
            print(f"provisioning: run {report.run} was stopped, since the program died; resume it", file=sys.stderr)


_live = _Live()
atexit.register(_live.end)
os.register_at_fork(after_in_child=_live.forget)


def moment(text: str) -> datetime:
    """A time as the engine writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def failure_of(document: dict[str, Any]) -> Failure:
    """A failure as the engine writes it."""
    return Failure(document.get("step", ""), document["kind"], document["message"], document.get("hint"))


def _report(document: dict[str, Any]) -> Report:
    rollback: Report | Failure | None = None
    undone = document.get("rollback")
    if isinstance(undone, dict):
        rollback = _report(undone["run"]) if "run" in undone else failure_of(undone["refused"])
    return Report(
        run=document["run"],
        outcome=document["outcome"],
        steps=document["steps"],
        succeeded=document["succeeded"],
        not_begun=document["not_begun"],
        waived=document["waived"],
        failures=tuple(failure_of(failure) for failure in document["failures"]),
        in_doubt={doubt["step"]: doubt["reason"] for doubt in document["in_doubt"]},
        undoes=document.get("undoes"),
        rollback=rollback,
        critical_path=_path(document.get("critical_path")),
        seconds=document["seconds"],
    )


def _path(document: dict[str, Any] | None) -> CriticalPath | None:
    if document is None:
        return None
    steps = tuple((step["step"], step["seconds"]) for step in document["steps"])
    return CriticalPath(steps, document["waited_seconds"], document["unlimited_seconds"])


def summary(document: dict[str, Any]) -> RunSummary:
    """A run in a line as the engine writes it."""
    return RunSummary(
        id=document["id"],
        command=document["command"],
        undoes=document.get("undoes"),
        started_at=moment(document["started_at"]),
        updated_at=moment(document["updated_at"]),
        outcome=document["outcome"],
        succeeded=document["succeeded"],
        failed=document["failed"],
    )
