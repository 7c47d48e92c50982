"""What happens in a run: one class for everything, told to callbacks and given by iterating over a run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

__all__ = ["Event", "EventName"]


class EventName(str, Enum):
    """What happened.

    Facts are on disk before they are told. The others are worth showing and kept nowhere.
    """

    RUN_STARTED = "run_started"
    """Fact: the run began to carry out a plan."""
    RUN_RESUMED = "run_resumed"
    """Fact: another process took the run up again."""
    RUN_FINISHED = "run_finished"
    """Fact: the run ended, or stopped where it can be resumed."""
    CHECKPOINT = "checkpoint"
    """Fact: everything that a checkpoint names has been done."""
    STARTED = "started"
    """Fact: the provider is about to be called for a step."""
    IDENTIFIED = "identified"
    """Fact: the object of a step exists under an external identity."""
    WAITING = "waiting"
    """Fact: a step waits for its object."""
    SUCCEEDED = "succeeded"
    """Fact: the effect of a step stands."""
    FAILED = "failed"
    """Fact: an attempt of a step failed."""
    SKIPPED = "skipped"
    """Fact: a step was not begun, because one that it needs did not succeed."""
    IN_DOUBT = "in_doubt"
    """Fact: whether a step had its effect cannot be told."""
    WAIVED = "waived"
    """Fact: somebody decided to go on without a step."""
    SURFACED = "surfaced"
    """Fact: an object that an attempt made came to light after another process had taken over."""
    REFRESHED = "refreshed"
    """A resource was read before planning."""
    SETTLING = "settling"
    """Before planning, it is found out how the steps ended that a run began and did not end."""
    BEGUN = "begun"
    """A run begins to carry out its plan, or goes on with it."""
    PROGRESS = "progress"
    """A provider, a task service or a task says what it is doing."""
    TIME_LEFT = "time_left"
    """How long the rest of the run will take, by what earlier ones took; ``data["left"]`` has the seconds."""
    BACKOFF = "backoff"
    """A step will be tried again."""
    PAUSED = "paused"
    """The run takes up no new steps for now."""
    UNPAUSED = "unpaused"
    """The run goes on after a pause."""
    DRAINING = "draining"
    """The run takes up no new steps and finishes those it began."""
    MISSED = "missed"
    """So many events were not taken in time and let go; the facts among them are in the journal."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes
    ----------
    name
        What happened.
    run
        The run that it happened in.
    step
        The step that it happened to, such as ``web/create``.
    seq
        Its place in the journal, for a fact.
    at
        When it was recorded, for a fact.
    data
        The rest, by the names of the journal's format.
    """

    name: EventName
    run: str | None = None
    step: str | None = None
    seq: int | None = None
    at: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_fact(self) -> bool:
        """Whether it is on disk."""
        return self.seq is not None

    @property
    def message(self) -> str | None:
        """One line for people, where there is one: of a failure, a doubt, a wait, or what a call says of itself."""
        data = self.data
        failure = data.get("failure") or {}
        text = data.get("message") or failure.get("message") or data.get("reason") or data.get("phase")
        return None if text is None else str(text)

    def __str__(self) -> str:
        parts = [self.name.value, self.step or self.run or "", self.message or ""]
        return " ".join(part for part in parts if part)


def event(text: str) -> Event:
    """An event as the engine writes it."""
    data: dict[str, Any] = json.loads(text)
    return _transient(data) if data.pop("event", "recorded") == "transient" else _recorded(data)


def _timed(data: dict[str, Any]) -> dict[str, Any]:
    """The same with its durations as seconds."""
    for key in ("after", "retry_after", "left"):
        if isinstance(data.get(key), dict):
            data[key] = data[key]["secs"] + data[key]["nanos"] / 1e9
    return data


def _transient(data: dict[str, Any]) -> Event:
    return Event(EventName(data.pop("what")), data.pop("run", None), data.pop("step", None), data=_timed(data))


def _recorded(data: dict[str, Any]) -> Event:
    """A fact of the journal: its name is the key that holds what is particular to it."""
    data.pop("hash", None)
    run, seq, at = data.pop("run"), data.pop("seq"), datetime.fromisoformat(data.pop("at").replace("Z", "+00:00"))
    [(fact, said)] = data.items()
    if fact != "step":
        return Event(EventName(fact), run, None, seq, at, said)
    step = said.pop("id")
    [(fact, said)] = said.items()
    return Event(EventName(fact), run, step, seq, at, _timed(said or {}))
