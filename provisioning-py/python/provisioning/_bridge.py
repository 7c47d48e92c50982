"""Between the engine, which deals in plain values, and the classes that a user writes."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import threading
import types
import typing
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from .errors import InvalidError
from .providers import Context, Many, Provider, ResourceKind, Wait
from .schemas import Schema
from .services import Absent, Condition, Differs, Host, InSync, TaskService
from .values import WITHHELD

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures


class Loop:
    """The event loop that coroutines run in: the caller's own where the engine is called from one, or one of its own."""

    def __init__(self) -> None:
        self._own: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._thread = threading.current_thread()
        self.callers: asyncio.AbstractEventLoop | None = None

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Run a coroutine; give the future of what it gives."""
        import asyncio  # Not before it is needed: it is most of what importing the package would take.

        coroutine = _kept_in(coroutine)
        loop = self.callers
        if loop is None or not loop.is_running():
            loop = self._started()
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._own is None or not self._thread.is_alive():
                import asyncio

                self._own = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._own.run_forever, name="provisioning-coroutines", daemon=True)
                self._thread.start()
            return self._own

    def close(self) -> None:
        """End the loop that was started here."""
        with self._lock:
            own, self._own = self._own, None
            if own is not None and self._thread.is_alive():
                own.call_soon_threadsafe(own.stop)
                self._thread.join()
                own.close()


async def _kept_in(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """A coroutine that ends nothing but itself: what would end a program ends a loop, and everybody in it."""
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as exception:
        raise RuntimeError(f"{type(exception).__name__} in a coroutine: {exception}") from exception


def start(calls: Any) -> None:
    """Start a thread that calls methods."""
    threading.Thread(target=serve, args=(calls,), name="provisioning-call", daemon=True).start()


def serve(calls: Any) -> None:
    """Call methods for as long as there are any."""
    calls.come()
    while (work := calls.next()) is not None:
        called = work.begin()
        if called is None:
            continue
        method, arguments = called
        try:
            given = method(*arguments)
        except BaseException as exception:
            work.failed(exception)
        else:
            work.done(given)
            del given
        del work, called, method, arguments


def then(given: Any, convert: Callable[[Any], Any]) -> Any:
    """What a method gave, converted: at once, or when it is there."""
    if not inspect.isawaitable(given):
        return convert(given)

    async def awaited() -> Any:
        return convert(await given)

    return awaited()


def handed(cls: type | None, value: dict[str, Any]) -> Any:
    """A map as the dataclass that a user wants it as. What the state does not have, or did not keep, is ``None``."""
    if cls is None:
        return value
    return cls(**{name: convert(value.get(name)) for name, convert in _converters(cls).items()})


@functools.cache
def _converters(cls: type) -> dict[str, Callable[[Any], Any]]:
    hints = typing.get_type_hints(cls)
    return {field.name: converter(hints[field.name]) for field in dataclasses.fields(cls)}


def converter(hint: Any) -> Callable[[Any], Any]:
    """What makes a field's value what its type hint says: dataclasses out of maps, at any depth."""
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    origin = typing.get_origin(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return lambda value: handed(hint, value) if isinstance(value, dict) else _kept(value)
    if origin in (typing.Union, types.UnionType) and len(arguments) == 1:
        return converter(arguments[0])
    if origin in (list, Sequence) and arguments:
        inner = converter(arguments[0])
        return lambda value: [inner(item) for item in value] if isinstance(value, list) else _kept(value)
    if origin is dict and len(arguments) == 2:
        inner = converter(arguments[1])
        return lambda value: {key: inner(item) for key, item in value.items()} if isinstance(value, dict) else _kept(value)
    return _kept


def _kept(value: Any) -> Any:
    return None if value is WITHHELD else value


def is_async(method: Any) -> bool:
    """Whether a method is a coroutine function, and so wants what it is given to be awaited."""
    return inspect.iscoroutinefunction(inspect.unwrap(getattr(method, "__func__", method)))


def contextual(method: Any, context: Context) -> Any:
    """The context in the form that a method wants: one whose methods wait, or are waited for."""
    if not is_async(method):
        return context
    from . import aio

    return aio.Context(context)


def hosted(method: Any, native: Any) -> Any:
    """The host in the form that a method wants."""
    host = Host(native)
    if not is_async(method):
        return host
    from . import aio

    return aio.Host(host)


class KindAdapter:
    """A kind as the engine calls it."""

    def __init__(self, kind: ResourceKind[Any, Any]) -> None:
        self._kind = kind

    def read(self, ids: list[str]) -> Any:
        return then(self._kind.read(ids), _listed)

    def find(self, context: Context, spec: dict[str, Any]) -> Any:
        kind = self._kind
        return then(kind.find(contextual(kind.find, context), handed(kind.spec, spec)), _found)

    def create(self, context: Context, spec: dict[str, Any]) -> Any:
        kind = self._kind
        return then(kind.create(contextual(kind.create, context), handed(kind.spec, spec)), _reply)

    def update(self, context: Context, prior: dict[str, Any], spec: dict[str, Any]) -> Any:
        kind = self._kind
        given = kind.update(contextual(kind.update, context), handed(kind.state, prior), handed(kind.spec, spec))
        return then(given, _reply)

    def delete(self, context: Context, prior: dict[str, Any]) -> Any:
        kind = self._kind
        return then(kind.delete(contextual(kind.delete, context), handed(kind.state, prior)), _reply)


def _listed(states: Any) -> Any:
    return list(states) if isinstance(states, Sequence) and not isinstance(states, (str, bytes)) else states


def _found(found: Any) -> Any:
    return found.what if isinstance(found, Many) else found


def _reply(reply: Any) -> Any:
    return (float(reply.after), reply.phase) if isinstance(reply, Wait) else reply


class LookupAdapter:
    """A lookup as the engine calls it."""

    def __init__(self, lookup: Any) -> None:
        self._lookup = lookup

    def read(self, query: dict[str, Any]) -> Any:
        return self._lookup.read(handed(self._lookup.query, query))


class ProviderAdapter:
    """A provider that was built, as the engine calls it."""

    def __init__(self, provider: Provider[Any]) -> None:
        self._provider = provider
        self.kinds = [KindAdapter(kind(provider)) for kind in type(provider).kinds]
        self.lookups = [LookupAdapter(lookup(provider)) for lookup in type(provider).lookups]

    def check(self) -> Any:
        return self._provider.check()


class ProviderOffer:
    """A provider type, as the engine asks about it."""

    def __init__(self, cls: type[Provider[Any]]) -> None:
        if not (isinstance(cls, type) and issubclass(cls, Provider)):
            raise InvalidError(f"`{cls!r}` is not a provider type", hint="pass the class, a subclass of `Provider`")
        if not isinstance(getattr(cls, "type", None), str):
            raise InvalidError(f"`{cls.__name__}` has no name", hint='write `type = "name"` into it')
        self._cls = cls
        self.settings = _settings(cls).to_json()
        self.kinds = [_schema(kind).to_json() for kind in cls.kinds]
        self.lookups = [_schema(lookup).to_json() for lookup in cls.lookups]

    def build(self, settings: dict[str, Any]) -> ProviderAdapter:
        return ProviderAdapter(self._cls(handed(self._cls.settings, settings)))


def _settings(cls: type[Provider[Any]]) -> Schema:
    if cls.schema is not None:
        return cls.schema
    summary = (cls.__doc__ or "").strip().partition("\n")[0]
    if cls.settings is None:
        return Schema(cls.type, summary)
    return Schema.of(cls.type, cls.settings, summary=summary)


def _schema(cls: Any) -> Schema:
    schema = getattr(cls, "schema", None)
    if not isinstance(schema, Schema):
        name = getattr(cls, "__name__", repr(cls))
        raise InvalidError(f"`{name}` has no schema", hint="write `schema = Schema.of(...)` or `Schema.load(...)` into it")
    return schema


class ServiceAdapter:
    """A task service, as the engine asks about it and calls it."""

    def __init__(self, service: TaskService[Any]) -> None:
        if not isinstance(service, TaskService):
            raise InvalidError(f"`{service!r}` is not a task service", hint="pass an object of a subclass of `TaskService`")
        self._service = service
        self.schema = _schema(type(service)).to_json()

    def check(self, name: str, host: Any, inputs: dict[str, Any]) -> Any:
        return self._look(self._service.check, name, host, inputs)

    def health(self, name: str, host: Any, inputs: dict[str, Any]) -> Any:
        return self._look(self._service.health, name, host, inputs)

    def _look(self, method: Callable[..., Any], name: str, host: Any, inputs: dict[str, Any]) -> Any:
        return then(method(name, hosted(method, host), handed(self._service.inputs, inputs)), _condition)

    def apply(self, context: Context, host: Any, inputs: dict[str, Any]) -> Any:
        return self._change(self._service.apply, context, host, inputs)

    def remove(self, context: Context, host: Any, inputs: dict[str, Any]) -> Any:
        return self._change(self._service.remove, context, host, inputs)

    def _change(self, method: Callable[..., Any], context: Context, host: Any, inputs: dict[str, Any]) -> Any:
        return method(contextual(method, context), hosted(method, host), handed(self._service.inputs, inputs))


def _condition(condition: Condition) -> Any:
    if isinstance(condition, InSync):
        return ("in_sync", condition.outputs)
    if isinstance(condition, Differs):
        return ("differs", condition.what)
    return ("absent", None) if isinstance(condition, Absent) else condition
