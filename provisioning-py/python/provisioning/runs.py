"""Runs: one that is under way, what it came to, and those that are over."""

from __future__ import annotations

import atexit
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from . import _provisioning
from .errors import ProvisioningError, RunError
from .events import Event, EventName, event

__all__ = ["Failure", "Outcome", "Report", "Run", "RunSummary"]

Outcome = Literal["completed", "failed", "cancelled", "superseded"]

_BATCH = 1_000
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
class Report:
    """What a run came to; ``print(report)`` shows what the command shows.

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
    seconds: float
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return self.outcome == "completed"

    def __str__(self) -> str:
        return self.text

    def raise_for_outcome(self) -> None:
        """Raise a `RunError` unless the run completed."""
        if not self.ok:
            raise RunError(self.text or f"the run was {self.outcome}", report=self)


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
        self._lock = threading.RLock()
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
        interrupted: BaseException | None = None
        while True:
            try:
                if not self._finish(timeout):
                    raise TimeoutError(f"the run has not ended within {timeout} seconds; it goes on")
                break
            except TimeoutError:
                raise
            except BaseException as exception:  # Ctrl-C, or what the callback raised: the run is brought to its end first.
                if self._native.has_ended() and not isinstance(exception, KeyboardInterrupt):
                    raise
                interrupted, self._on_event, timeout = exception, None, None
                self.cancel()
        report = self.report
        assert report is not None
        if interrupted is not None:
            raise interrupted
        if check:
            report.raise_for_outcome()
        return report

    def _finish(self, timeout: float | None) -> bool:
        """Wait for the end; whether it has come."""
        if self._on_event is None:
            return self._native.wait_for_end(timeout)
        for told in self._events(timeout):
            self._on_event(told)
        return self._native.has_ended()

    def _events(self, timeout: float | None = None) -> Iterator[Event]:
        ended = False
        while not ended:
            texts, missed, ended = self._native.take(_BATCH, timeout)
            if missed:
                yield Event(EventName.MISSED, data={"count": missed})
            yield from map(event, texts)
            if timeout is not None and not texts and not ended:
                return

    def __iter__(self) -> Iterator[Event]:
        """Give the events until the run has ended."""
        return self._events()

    @property
    def report(self) -> Report | None:
        """What it came to; ``None`` before its end. An error of the engine itself is raised here."""
        done = self._native.report()
        return None if done is None else _report(*done)

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


class _Live:
    """The runs of this process that have not ended: they must outlive whoever forgets them."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._lock = threading.Lock()

    def add(self, run: Run) -> None:
        with self._lock:
            self._runs = [other for other in self._runs if not other.is_done]
            self._runs.append(run)

    def end(self) -> None:
        """Wait for what is under way before the interpreter goes; stop it where the program died of an exception."""
        died = getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")
        for run in self._runs:
            if died:
                run.cancel()
        for run in self._runs:
            try:
                report = run.wait(check=False)
            except BaseException as error:
                print(f"provisioning: a run broke off as the program ended: {error!r}", file=sys.stderr)
                continue
            if died and report.outcome == "cancelled":
                print(f"provisioning: run {report.run} was stopped, since the program died; resume it", file=sys.stderr)


_live = _Live()
atexit.register(_live.end)


def moment(text: str) -> datetime:
    """A time as the engine writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def failure_of(document: dict[str, Any]) -> Failure:
    """A failure as the engine writes it."""
    return Failure(document.get("step", ""), document["kind"], document["message"], document.get("hint"))


def _report(text: str, shown: str = "") -> Report:
    return _report_of(json.loads(text), shown)


def _report_of(document: dict[str, Any], shown: str = "") -> Report:
    rollback: Report | Failure | None = None
    undone = document.get("rollback")
    if isinstance(undone, dict):
        rollback = _report_of(undone["run"]) if "run" in undone else failure_of(undone["refused"])
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
        seconds=document["seconds"],
        text=shown,
    )


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
