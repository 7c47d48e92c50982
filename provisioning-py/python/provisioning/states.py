"""What a workspace says of itself: its state, who holds it, how its last run stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .runs import Failure, RunSummary, failure_of, moment, summary

__all__ = ["Lease", "StateRow", "Status", "StepStatus", "Verified"]


@dataclass(frozen=True)
class StateRow:
    """What the state keeps of one resource.

    Attributes
    ----------
    name, kind, provider
        Its name, its kind, and the alias of its provider where it has one.
    id
        The external identity of its object; ``None`` where there is none.
    inputs, outputs
        Its fields as they were resolved, and what the provider reports; ``WITHHELD`` for what is not kept.
    deposed
        The identities of objects that were replaced and are not deleted yet.
    tainted
        Whether its object was never finished.
    inconsistent
        Why the object may not be what the row says.
    depends_on
        What it was made to depend on.
    run
        The run that wrote the row.
    """

    name: str
    kind: str
    provider: str | None
    id: str | None
    inputs: Any
    outputs: Any
    deposed: list[str]
    tainted: bool
    inconsistent: str | None
    depends_on: list[str]
    run: str


@dataclass(frozen=True)
class Lease:
    """Who holds a workspace, since when, and until when unless it is renewed."""

    holder: dict[str, Any]
    epoch: int
    acquired_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class StepStatus:
    """How one step of the last run stands: ``pending``, ``started``, ``failed``, ``in_doubt``, and so on, and why."""

    id: str
    status: str
    data: dict[str, Any]
    failure: Failure | None


@dataclass(frozen=True)
class Status:
    """How a workspace stands.

    Attributes
    ----------
    resources
        How many resources the state has.
    lease
        Who works on it now.
    holder_is_dead
        Whether that process is known to be dead.
    last_run
        The last run.
    unfinished
        The steps of the last run that have not succeeded.
    """

    resources: int
    lease: Lease | None
    holder_is_dead: bool
    last_run: RunSummary | None
    unfinished: tuple[StepStatus, ...]


@dataclass(frozen=True)
class Verified:
    """What checking a workspace found: how many entries its journal has, the hash of the last, and the first problem."""

    entries: int
    head: str | None
    problem: str | None


def status(document: dict[str, Any]) -> Status:
    """The status as the engine writes it."""
    held, last = document["lease"], document["last_run"]
    return Status(
        resources=document["resources"],
        lease=lease(held) if held else None,
        holder_is_dead=document["holder_is_dead"],
        last_run=summary(last) if last else None,
        unfinished=tuple(_step_status(step) for step in document["unfinished"]),
    )


def lease(document: dict[str, Any]) -> Lease:
    """A lease as the engine writes it."""
    moments = {key: moment(document.pop(key)) for key in ("acquired_at", "expires_at")}
    return Lease(document["holder"], document["epoch"], **moments)


def _step_status(document: dict[str, Any]) -> StepStatus:
    step, failure = document.pop("id"), document.pop("failure", None)
    status = document.pop("status", None)
    if status is None:
        [(status, document)] = document.items() if document else [("pending", {})]
    return StepStatus(step, status, document or {}, failure_of({"step": step, **failure}) if failure else None)
