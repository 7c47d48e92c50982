"""Workspaces: what is declared in a folder, its state and its runs, and everything the engine does with them."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

from . import _provisioning
from ._bridge import Loop, ProviderOffer, ServiceAdapter
from ._helper import KEEPER
from ._wire import Document, Offer, Scope, pace
from .errors import InvalidError, NotFoundError
from .events import Event, event
from .infrastructure import Infrastructure, narrowed
from .plans import Plan
from .providers import Provider
from .runs import Run, RunSummary, summary
from .services import Host, TaskService
from .states import Lease, StateRow, Status, Verified, lease, status
from .values import UNKNOWN, WITHHELD, Secret

__all__ = ["OnFailure", "Wanted", "Workspace"]

OnFailure = Literal["stop", "continue", "rollback"]
"""What a failed step does to the rest of the run."""

Wanted = Infrastructure | Mapping[str, Any]
"""What a program declares: an `Infrastructure`, or a document of the same shape."""

_PAGE = 1_000
"""How many entries of the journal are read at once."""


class Workspace:
    """A workspace that is open.

    Methods that ask or change something wait for the engine without holding the interpreter, and can be called from any thread.
    `apply`, `resume` and `rollback` give a `Run` at once.

    >>> workspace = Workspace.open("shop", env="prod")           # doctest: +SKIP
    >>> plan = workspace.plan()                                  # doctest: +SKIP
    >>> print(plan)                                              # doctest: +SKIP
    >>> workspace.apply(plan).wait()                             # doctest: +SKIP
    """

    def __init__(self, native: _provisioning.Workspace, loop: Loop) -> None:
        self._native = native
        self._loop = loop
        weakref.finalize(self, loop.close).atexit = False

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ".",
        *,
        env: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        providers: Sequence[type[Provider[Any]]] = (),
        services: Sequence[TaskService[Any]] = (),
    ) -> Workspace:
        """Open the workspace in a folder.

        Parameters
        ----------
        path
            The folder that has the ``provisioning.toml``.
        env
            The environment.
        inputs
            Values of inputs that the workspace declares, for this time.
        settings
            Settings of the engine by key, such as ``{"limits.run": 4}``, for this time.
        providers, services
            Provider types and task services that are written in Python.

        Raises
        ------
        NotFoundError
            When the folder is no workspace.
        InvalidError
            When a part of its configuration is wrong.
        """
        flags = [("env", "environment", env)] if env is not None else []
        flags += [("inputs", f"inputs.{name}", _text(value)) for name, value in (inputs or {}).items()]
        flags += [("settings", f"settings.{key}", _text(value)) for key, value in (settings or {}).items()]
        loop = Loop()
        offer = Offer(
            [ProviderOffer(provider) for provider in providers], [ServiceAdapter(one) for one in services], loop.submit
        )
        return cls(_provisioning.Workspace.open(os.fspath(path), flags, KEEPER, offer), loop)

    @classmethod
    def init(cls, path: str | os.PathLike[str], *, example: bool = False, **options: Any) -> Workspace:
        """Make a workspace in a folder, and open it.

        Parameters
        ----------
        path
            The folder; it is made if missing.
        example
            Whether it gets a ``main.ncl`` that runs. Without one, what is wanted comes from a program.
        options
            What `open` takes.

        Raises
        ------
        ConflictError
            When one of its files exists; nothing is overwritten.
        """
        return cls.open(_provisioning.init(os.fspath(path), example), **options)

    @property
    def path(self) -> str:
        """Its folder, absolute."""
        return os.fspath(self._native.folder)

    @property
    def name(self) -> str:
        """Its name."""
        return self._native.name

    @property
    def env(self) -> str | None:
        """The environment that it was opened in."""
        return self._native.environment

    def validate(self, wanted: Wanted | None = None) -> dict[str, list[str]]:
        """Check what is declared without looking at the world; give every name with what it depends on.

        Raises
        ------
        InvalidError
            With a `Diagnostic` for everything that is wrong.
        """
        return dict(_declaring(wanted, self._native.validate))

    def plan(
        self,
        wanted: Wanted | None = None,
        *,
        targets: Sequence[str] = (),
        excludes: Sequence[str] = (),
        replace: Sequence[str] = (),
        refresh: bool = True,
        destroy: bool = False,
    ) -> Plan:
        """Read what exists and plan the difference to what is declared.

        Parameters
        ----------
        wanted
            What a program declares; what the workspace's files declare where it is left out.
        targets, excludes
            Only these and what they need; not these nor what needs them.
        replace
            Replace these, changed or not.
        refresh
            Whether objects are read; the state is believed otherwise.
        destroy
            Plan to remove everything.
        """
        return self._plan(wanted, "destroy" if destroy else "apply", targets, excludes, replace, refresh)

    def refresh(self, wanted: Wanted | None = None, *, targets: Sequence[str] = ()) -> Plan:
        """Plan to take into the state what changed outside, and to change nothing."""
        return self._plan(wanted, "refresh", targets)

    def forget(self, names: Sequence[str], wanted: Wanted | None = None) -> Plan:
        """Plan to drop resources from the state and leave the objects alone."""
        return self._plan(wanted, "forget", names)

    def _plan(
        self,
        wanted: Wanted | None,
        command: str,
        targets: Sequence[str] = (),
        excludes: Sequence[str] = (),
        replace: Sequence[str] = (),
        refresh: bool = True,
    ) -> Plan:
        scope = Scope(_names(targets, "targets"), _names(excludes, "excludes"), _names(replace, "replace"), refresh)
        return Plan(_declaring(wanted, lambda document: self._native.plan(document, command, scope)))

    def apply(
        self,
        plan: Plan | Wanted | None = None,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_failure: OnFailure | None = None,
        parallelism: int | None = None,
    ) -> Run:
        """Carry out a plan; where the last run carried it out in part, that run goes on.

        Parameters
        ----------
        plan
            The plan. Something that is declared, or nothing, is planned first.
        on_event
            Called with every event, in the thread that waits for the run. When it raises, the run is stopped gently, and the
            exception is raised when that is done.
        on_failure
            What a failed step does to the rest; as it is configured where it is left out.
        parallelism
            How many calls may run at once.
        """
        made = plan if isinstance(plan, Plan) else self.plan(plan)
        return Run(self._native.apply(made._native, pace(on_event, on_failure, parallelism)), on_event)

    def destroy(self, wanted: Wanted | None = None, **options: Any) -> Run:
        """Remove everything; ``options`` are those of `apply`."""
        return self.apply(self.plan(wanted, destroy=True), **options)

    def resume(
        self,
        run: str | None = None,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_failure: OnFailure | None = None,
        parallelism: int | None = None,
    ) -> Run:
        """Go on with a run that failed, was stopped or died; the last one where none is named."""
        return Run(self._native.resume(run, pace(on_event, on_failure, parallelism)), on_event)

    def plan_rollback(self, run: str | None = None, *, to: str | None = None) -> Plan:
        """Plan the way back from a run, the last one where none is named, or to one of its checkpoints."""
        return Plan(self._native.plan_rollback(run, to))

    @overload
    def rollback(
        self,
        run: str | None = ...,
        *,
        to: str | None = ...,
        preview: Literal[False] = ...,
        on_event: Callable[[Event], object] | None = ...,
        parallelism: int | None = ...,
    ) -> Run: ...
    @overload
    def rollback(self, run: str | None = ..., *, to: str | None = ..., preview: Literal[True]) -> Plan: ...
    def rollback(
        self,
        run: str | None = None,
        *,
        to: str | None = None,
        preview: bool = False,
        on_event: Callable[[Event], object] | None = None,
        parallelism: int | None = None,
    ) -> Run | Plan:
        """Take back what a run did: to the state as it was before it, or to one of its checkpoints.

        Parameters
        ----------
        run
            The run; the last one where none is named.
        to
            The checkpoint.
        preview
            Whether only the plan is wanted: nothing is done, and the plan is given.
        """
        plan = self.plan_rollback(run, to=to)
        return plan if preview else self.apply(plan, on_event=on_event, parallelism=parallelism)

    def continue_rollback(self, *, on_event: Callable[[Event], object] | None = None, parallelism: int | None = None) -> Run:
        """Go on with the rollback that failed, was stopped or died."""
        return Run(self._native.continue_rollback(pace(on_event, None, parallelism)), on_event)

    def skip_undo(self, step: str, reason: str) -> None:
        """Leave out a step of a rollback that failed; its resource is marked inconsistent until it is repaired."""
        self._native.skip_undo(step, reason)

    def abandon(self, step: str, reason: str) -> None:
        """Declare that a step which began and did not end left nothing behind."""
        self._native.abandon(step, reason)

    def adopt(self, step: str, object: str) -> None:
        """Declare that a create which began and did not end made this object."""
        self._native.adopt(step, object)

    def retry(self, step: str) -> None:
        """Declare that a step which began and did not end had no effect."""
        self._native.retry(step)

    def unlock(self) -> Lease:
        """Take the workspace from whoever holds it; that process can record nothing from now on."""
        return lease(json.loads(self._native.unlock()))

    def state(self) -> dict[str, StateRow]:
        """Give what the state keeps, by name."""
        return {name: StateRow(**row) for name, row in self._native.state().items()}

    def outputs(self) -> dict[str, Any]:
        """Give what the workspace gives back, by the last plan that was applied; what is sensitive is a `Secret`."""
        given = self._native.outputs().items()
        return {name: _hidden(value) if hidden else value for name, (value, hidden) in given}

    def status(self) -> Status:
        """Say who holds the workspace, how the last run ended, and what it left to do."""
        return status(json.loads(self._native.status()))

    def runs(self) -> list[RunSummary]:
        """List every run, oldest first."""
        return [summary(run) for run in json.loads(self._native.runs())]

    def events(self, run: str | None = None, *, after: int = 0) -> Iterator[Event]:
        """Give the facts of the journal, in order: of one run or of all, from a place on."""
        while page := self._entries(run, after):
            after = page[-1]["seq"]
            yield from (event(json.dumps(entry)) for entry in page)

    def _entries(self, run: str | None, after: int) -> list[dict[str, Any]]:
        """Give the next entries of the journal; none at its end."""
        entries: list[dict[str, Any]] = json.loads(self._native.entries(run, after, _PAGE))
        return entries

    def verify(self) -> Verified:
        """Check the journal's hash chain, and that replaying it gives the state."""
        return Verified(**json.loads(self._native.verify()))

    def host(self, name: str) -> Host:
        """Give the host that the ``connection`` of a resource leads to."""
        return Host(self._native.host(name))

    def units(self, name: str) -> dict[str, dict[str, Any]]:
        """Say how every program is that a host keeps running."""
        units: dict[str, dict[str, Any]] = json.loads(self._native.units(name))
        return units

    def logs(self, name: str, unit: str | None = None, *, max_bytes: int = 1 << 16) -> dict[str, str]:
        """Give the ends of what programs wrote: of the units on a host or one of them, of a service, or of a process."""
        return {name: log.decode(errors="replace") for name, log in self._native.logs(name, unit, max_bytes)}

    def __repr__(self) -> str:
        where = f" in {self.env}" if self.env else ""
        return f"<Workspace {self.name}{where} at {self.path}>"

    def __reduce__(self) -> Any:
        raise TypeError("a Workspace cannot be pickled: open it in the other process, by its path")


def _declaring(wanted: Wanted | None, call: Callable[[Document | None], Any]) -> Any:
    """Call with what a program declares; what is wrong with it is told at the line that wrote it."""
    if wanted is None:
        try:
            return call(None)
        except NotFoundError as error:
            hint = "pass what is wanted, an `Infrastructure` or a document; or write a `main.ncl`"
            raise NotFoundError(error.message, hint=hint) from None
    infrastructure = wanted if isinstance(wanted, Infrastructure) else Infrastructure.of(wanted)
    try:
        return call(infrastructure._given())
    except InvalidError as error:
        narrowed(error)


def _hidden(value: Any) -> Any:
    """A sensitive value; what stands for one that is not there hides nothing."""
    return value if isinstance(value, Secret) or value is UNKNOWN or value is WITHHELD else Secret(value)


def _names(names: Sequence[str], what: str) -> list[str]:
    if isinstance(names, str):
        raise InvalidError(f"`{what}` is one text", hint=f"write `{what}=[{names!r}]`")
    return [str(name) for name in names]


def _text(value: Any) -> str:
    """A value as a flag has it."""
    return value if isinstance(value, str) else json.dumps(value)
