"""The same engine for programs with an event loop: every call that waits is awaited.

The names are those of the package. Coroutines of providers, services and tasks run in the loop that called last.

>>> async with aio.Workspace.open("shop") as workspace:          # doctest: +SKIP
...     plan = await workspace.plan()
...     async for event in workspace.apply(plan):
...         print(event)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from . import providers, runs, services, workflows, workspace
from .errors import InvalidError
from .events import Event, event
from .plans import Plan
from .providers import Found, Reply, Wait
from .runs import BATCH, Report, RunSummary
from .schemas import Schema
from .services import Condition, Facts, Output
from .states import Lease, StateRow, Status, Verified
from .workspace import OnFailure, Wanted

__all__ = ["Context", "Host", "ResourceKind", "Run", "TaskService", "Workspace", "run", "start"]

T = TypeVar("T")
R = TypeVar("R")
Spec = TypeVar("Spec")
State = TypeVar("State")
Inputs = TypeVar("Inputs")


class Run:
    """A run that is under way; awaiting it waits for its end, iterating over it gives its events until then.

    When the task that waits or iterates is cancelled, the run is stopped gently; the cancellation is passed on when that is
    done.
    """

    def __init__(self, inner: runs.Run) -> None:
        self._inner = inner
        self._waiters: set[asyncio.Event] = set()
        self._followed = False
        loop = asyncio.get_running_loop()
        inner._native.on_change(lambda: loop.call_soon_threadsafe(self._wake))

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[asyncio.Event]:
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            self._waiters.discard(waiter)

    async def _changed(self, since: asyncio.Event) -> None:
        """Wait for something new; a cancellation stops the run first, gently, and a second one at once."""
        try:
            await since.wait()
        except asyncio.CancelledError:
            self.cancel()
            while not self.is_done:
                since.clear()
                self._inner._native.let_go()
                if self.is_done:
                    break
                try:
                    await since.wait()
                except asyncio.CancelledError:
                    self.cancel()
            raise
        since.clear()

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._inner.is_done

    @property
    def report(self) -> Report | None:
        """What it came to; ``None`` before its end."""
        return self._inner.report

    async def wait(self, *, check: bool = True) -> Report:
        """Wait until the run has ended; see `provisioning.Run.wait`."""
        if self._inner._on_event is not None:
            call, self._inner._on_event = self._inner._on_event, None
            async for told in self:
                try:
                    call(told)
                except BaseException:
                    self.cancel()
                    await self.wait(check=False)
                    raise
        with self._waiting() as waiter:
            while not self.is_done:
                if not self._followed:
                    self._inner._native.let_go()
                if not self.is_done:
                    await self._changed(waiter)
        report = self.report
        assert report is not None
        if check:
            report.raise_for_outcome()
        return report

    def __await__(self) -> Generator[Any, None, Report]:
        return self.wait().__await__()

    async def __aiter__(self) -> AsyncIterator[Event]:
        self._followed = True
        ended = False
        with self._waiting() as waiter:
            while not ended:
                texts, ended = self._inner._native.take(BATCH, 0)
                for text in texts:
                    yield event(text)
                if not texts and not ended:
                    await self._changed(waiter)

    def cancel(self) -> None:
        """Stop gently; called again, at once."""
        self._inner.cancel()

    def pause(self) -> None:
        """Begin nothing new for now."""
        self._inner.pause()

    def unpause(self) -> None:
        """Go on after a pause."""
        self._inner.unpause()


def start(
    job: workflows.Job[Any],
    *,
    on_event: Callable[[Event], object] | None = None,
    on_failure: OnFailure | None = None,
    parallelism: int | None = None,
) -> Run:
    """Begin a workflow's job, its coroutines in this loop; see `provisioning.Job.run`."""
    job.workspace._loop.callers = asyncio.get_running_loop()
    return Run(job.run(on_event=on_event, on_failure=on_failure, parallelism=parallelism))


async def run(
    job: workflows.Job[R],
    *,
    on_event: Callable[[Event], object] | None = None,
    on_failure: OnFailure | None = None,
    parallelism: int | None = None,
) -> R:
    """Run a workflow's job in this loop, and give what it gave."""
    await start(job, on_event=on_event, on_failure=on_failure, parallelism=parallelism)
    return await _in_thread(job.result)


async def _in_thread(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call something that waits, on a thread of its own: those of the loop may be what it waits for."""
    loop = asyncio.get_running_loop()
    given: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, exception: BaseException | None) -> None:
        if given.done():
            return
        if exception is None:
            given.set_result(result)  # type: ignore[arg-type]
        else:
            given.set_exception(exception)

    def call() -> None:
        result, raised = None, None
        try:
            result = function(*args, **options)
        except BaseException as exception:
            raised = exception
        with contextlib.suppress(RuntimeError):  # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(settle, result, raised)

    threading.Thread(target=call, name="provisioning-wait", daemon=True).start()
    return await given


class _Opening:
    """A workspace that is being opened: to be awaited, or entered with ``async with``."""

    def __init__(self, path: str | os.PathLike[str], options: dict[str, Any]) -> None:
        self._path, self._options = path, options

    async def _open(self) -> Workspace:
        return Workspace(await _in_thread(workspace.Workspace.open, self._path, **self._options))

    def __await__(self) -> Generator[Any, None, Workspace]:
        return self._open().__await__()

    async def __aenter__(self) -> Workspace:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        return None


class Workspace:
    """A workspace that is open; see `provisioning.Workspace`, whose `sync` one it is."""

    def __init__(self, inner: workspace.Workspace) -> None:
        self.sync = inner

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ".",
        *,
        env: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        providers: Sequence[type[providers.Provider[Any]]] = (),
        services: Sequence[services.TaskService[Any]] = (),
    ) -> _Opening:
        """Open the workspace in a folder: ``await`` it, or enter it with ``async with``."""
        options = {"env": env, "inputs": inputs, "settings": settings, "providers": providers, "services": services}
        return _Opening(path, options)

    async def _call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        self.sync._loop.callers = asyncio.get_running_loop()
        return await _in_thread(function, *args, **options)

    def _run(self, begin: Callable[[], runs.Run]) -> Run:
        self.sync._loop.callers = asyncio.get_running_loop()
        return Run(begin())

    async def validate(self, wanted: Wanted | None = None) -> dict[str, list[str]]:
        """Check what is declared; see `provisioning.Workspace.validate`."""
        return await self._call(self.sync.validate, wanted)

    async def plan(
        self,
        wanted: Wanted | None = None,
        *,
        targets: Sequence[str] = (),
        excludes: Sequence[str] = (),
        replace: Sequence[str] = (),
        refresh: bool = True,
        destroy: bool = False,
    ) -> Plan:
        """Plan the difference; see `provisioning.Workspace.plan`."""
        scope = {"targets": targets, "excludes": excludes, "replace": replace, "refresh": refresh, "destroy": destroy}
        return await self._call(self.sync.plan, wanted, **scope)

    async def refresh(self, wanted: Wanted | None = None, *, targets: Sequence[str] = ()) -> Plan:
        """Plan to take into the state what changed outside."""
        return await self._call(self.sync.refresh, wanted, targets=targets)

    async def forget(self, names: Sequence[str], wanted: Wanted | None = None) -> Plan:
        """Plan to drop resources from the state and leave the objects alone."""
        return await self._call(self.sync.forget, names, wanted)

    def apply(self, plan: Plan, *, on_failure: OnFailure | None = None, parallelism: int | None = None) -> Run:
        """Carry out a plan, of whatever sort; await the run, or iterate over it."""
        if not isinstance(plan, Plan):
            raise InvalidError("`apply` takes a plan", hint="write `apply(await workspace.plan(...))`")
        return self._run(lambda: self.sync.apply(plan, on_failure=on_failure, parallelism=parallelism))

    def resume(self, run: str | None = None, *, on_failure: OnFailure | None = None, parallelism: int | None = None) -> Run:
        """Go on with a run."""
        return self._run(lambda: self.sync.resume(run, on_failure=on_failure, parallelism=parallelism))

    async def destroy(self, wanted: Wanted | None = None, **options: Any) -> Run:
        """Plan to remove everything, and begin; ``options`` are those of `apply`."""
        return self.apply(await self.plan(wanted, destroy=True), **options)

    async def plan_rollback(self, run: str | None = None, *, to: str | None = None) -> Plan:
        """Plan the way back from a run; `apply` takes it."""
        return await self._call(self.sync.plan_rollback, run, to=to)

    async def rollback(self, run: str | None = None, *, to: str | None = None, parallelism: int | None = None) -> Run:
        """Plan the way back from a run, or to one of its checkpoints, and begin it."""
        return self.apply(await self.plan_rollback(run, to=to), parallelism=parallelism)

    def continue_rollback(self, *, parallelism: int | None = None) -> Run:
        """Go on with the rollback that failed, was stopped or died."""
        return self._run(lambda: self.sync.continue_rollback(parallelism=parallelism))

    async def state(self) -> dict[str, StateRow]:
        """Give what the state keeps, by name."""
        return await self._call(self.sync.state)

    async def outputs(self) -> dict[str, Any]:
        """Give what the workspace gives back."""
        return await self._call(self.sync.outputs)

    async def status(self) -> Status:
        """Say who holds the workspace, how the last run ended, and what it left to do."""
        return await self._call(self.sync.status)

    async def runs(self) -> list[RunSummary]:
        """List every run, oldest first."""
        return await self._call(self.sync.runs)

    async def events(self, run: str | None = None, *, after: int = 0) -> AsyncIterator[Event]:
        """Give the facts of the journal, in order: of one run or of all, from a place on."""
        while page := await self._call(self.sync._entries, run, after):
            after = page[-1]["seq"]
            for entry in page:
                yield event(json.dumps(entry))

    async def skip_undo(self, step: str, reason: str) -> None:
        """Leave out a step of a rollback that failed."""
        await self._call(self.sync.skip_undo, step, reason)

    async def abandon(self, step: str, reason: str) -> None:
        """Declare that a step which began and did not end left nothing behind."""
        await self._call(self.sync.abandon, step, reason)

    async def adopt(self, step: str, object: str) -> None:
        """Declare that a create which began and did not end made this object."""
        await self._call(self.sync.adopt, step, object)

    async def retry(self, step: str) -> None:
        """Declare that a step which began and did not end had no effect."""
        await self._call(self.sync.retry, step)

    async def host(self, name: str) -> Host:
        """Give the host that the ``connection`` of a resource leads to."""
        return Host(await self._call(self.sync.host, name))

    async def units(self, name: str) -> dict[str, dict[str, Any]]:
        """Say how every program is that a host keeps running."""
        return await self._call(self.sync.units, name)

    async def logs(self, name: str, unit: str | None = None, *, max_bytes: int = 1 << 16) -> dict[str, str]:
        """Give the ends of what programs wrote; see `provisioning.Workspace.logs`."""
        return await self._call(self.sync.logs, name, unit, max_bytes=max_bytes)

    async def verify(self) -> Verified:
        """Check the journal and that replaying it gives the state."""
        return await self._call(self.sync.verify)

    async def unlock(self) -> Lease:
        """Take the workspace from whoever holds it."""
        return await self._call(self.sync.unlock)

    def __repr__(self) -> str:
        return f"<aio {self.sync!r}>"


class Context:
    """What a call knows besides its inputs; see `provisioning.Context`."""

    def __init__(self, inner: providers.Context) -> None:
        self.sync = inner
        self.workspace, self.resource, self.token = inner.workspace, inner.resource, inner.token
        self.object, self.phase = inner.object, inner.phase

    async def identified(self, object: str) -> None:
        """Make the external identity durable."""
        await _in_thread(self.sync.identified, object)

    def progress(self, message: str) -> None:
        """Show a line about what the call is doing."""
        self.sync.progress(message)


class Host:
    """Somewhere a command can run and a file can be put; see `provisioning.Host`."""

    def __init__(self, inner: services.Host) -> None:
        self.sync = inner

    async def run(self, command: str | Sequence[str], **options: Any) -> Output:
        """Run a command to its end."""
        return await _in_thread(self.sync.run, command, **options)

    async def put(self, path: str | os.PathLike[str], content: str | bytes, mode: int = 0o644) -> None:
        """Put a file, whole or not at all, with its permission bits."""
        await _in_thread(self.sync.put, path, content, mode)

    async def get(self, path: str | os.PathLike[str]) -> bytes | None:
        """Read a file; ``None`` where it does not exist."""
        return await _in_thread(self.sync.get, path)

    async def facts(self) -> Facts:
        """Say what the host is."""
        return await _in_thread(self.sync.facts)


class ResourceKind(ABC, Generic[Spec, State]):
    """One kind of resource whose methods are coroutines; see `provisioning.ResourceKind` for the contract."""

    schema: ClassVar[Schema]
    spec: ClassVar[type | None] = None
    state: ClassVar[type | None] = None

    @abstractmethod
    async def read(self, ids: Sequence[str]) -> Sequence[State | None]:
        """Read objects: one answer for every identity."""

    async def find(self, context: Context, spec: Spec) -> Found[State]:
        """Search for the object that a `create` with this token made."""
        raise NotImplementedError(f"`{type(self).__name__}` has no `find`")

    @abstractmethod
    async def create(self, context: Context, spec: Spec) -> Reply[State]:
        """Make the object."""

    async def update(self, context: Context, prior: State, spec: Spec) -> Reply[State]:
        """Change the object to what the spec says."""
        raise NotImplementedError(f"`{type(self).__name__}` has no `update`")

    @abstractmethod
    async def delete(self, context: Context, prior: State) -> Wait | None:
        """Remove the object; one that is gone is a success."""


class TaskService(services.TaskService[Inputs], ABC):
    """A task service whose methods are coroutines; see `provisioning.TaskService` for the contract."""

    @abstractmethod
    async def check(self, name: str, host: Host, inputs: Inputs) -> Condition:  # type: ignore[override]
        """Look whether the host is as wanted, and change nothing."""

    @abstractmethod
    async def apply(self, context: Context, host: Host, inputs: Inputs) -> Any:  # type: ignore[override]
        """Make the host as wanted; give the outputs."""

    @abstractmethod
    async def remove(self, context: Context, host: Host, inputs: Inputs) -> None:  # type: ignore[override]
        """Take away what `apply` made."""

    async def health(self, name: str, host: Host, inputs: Inputs) -> Condition:  # type: ignore[override]
        """Look whether what runs there works, beyond being in place."""
        return await self.check(name, host, inputs)
