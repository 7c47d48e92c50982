"""A provider in Python: lamps of a made-up lamp controller, which is asked over HTTP.

The controller is started here, on 127.0.0.1. It refuses the first lamp, as if it were asked too much; a new lamp takes two
looks until it shines; and somebody else changes one. Run it: `python examples/python/appliance.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar, Literal

from provisioning import Context, Event, EventName, Infrastructure, Provider, ResourceKind, Wait, Workspace
from provisioning.errors import LimitedError, NotFoundError, Retry, UnavailableError
from provisioning.schemas import Schema, computed, field
from provisioning.testing import conformance


@dataclass
class Lamp:
    """A lamp."""

    room: str = field("Where it hangs.", replace=True)
    brightness: int = field("How bright it is, in percent.", default=100)
    colour: Literal["warm", "cold"] = field("The colour of its light.", default="warm")


@dataclass
class LampState(Lamp):
    """A lamp as the controller tells of it."""

    id: str = computed("Its number.")
    watts: float = computed("What it takes.", follows=["brightness"])


class Lamps(ResourceKind[Lamp, LampState]):
    """Lamps. The controller keeps a label with each: the token goes there, and so a lamp is found again after a crash."""

    schema = Schema.of("lamp", Lamp, LampState)
    spec = Lamp
    state = LampState

    def __init__(self, house: House) -> None:
        self.call = house.call

    def read(self, ids: Sequence[str]) -> list[LampState | None]:
        lamps = {lamp["id"]: lamp for lamp in self.call("GET", "/lamps")}
        return [state_of(lamps[id]) if id in lamps else None for id in ids]

    def find(self, context: Context, spec: Lamp) -> LampState | None:
        return next(map(state_of, self.call("GET", f"/lamps?label={context.token}")), None)

    def create(self, context: Context, spec: Lamp) -> LampState | Wait:
        id = context.object
        if id is None:
            found = self.find(context, spec)
            id = found.id if found else self.call("POST", "/lamps", {"label": context.token, **asdict(spec)})["id"]
            context.identified(id)
        lamp = self.call("GET", f"/lamps/{id}")
        return state_of(lamp) if lamp["shines"] else Wait(0.05, "it warms up")

    def update(self, context: Context, prior: LampState, spec: Lamp) -> LampState:
        return state_of(self.call("PUT", f"/lamps/{prior.id}", asdict(spec)))

    def delete(self, context: Context, prior: LampState) -> None:
        with contextlib.suppress(NotFoundError):
            self.call("DELETE", f"/lamps/{prior.id}")


def state_of(lamp: dict[str, Any]) -> LampState:
    """Take what the schema knows of what the controller says."""
    return LampState(**{name: lamp[name] for name in Lamps.schema.fields})


@dataclass
class Access:
    """How a controller is reached."""

    url: str = field("Where it answers, such as `http://10.0.0.5`.")
    timeout_seconds: float = field("How long an answer may take.", default=5.0)


class House(Provider[Access]):
    """One controller, with everything that hangs on it."""

    type = "lamps"
    settings = Access
    kinds = (Lamps,)

    def check(self) -> None:
        self.call("GET", "/lamps")

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask the controller. What it refuses is told in the engine's words, so that it knows whether to ask again."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.given.url + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.given.timeout_seconds) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 429:
                raise LimitedError("not so fast", after=float(error.headers["Retry-After"])) from None
            kind = NotFoundError if error.code == 404 else UnavailableError
            raise kind(f"the controller answered `{path}` with {error.code}") from None
        except urllib.error.URLError as error:
            # What never arrived had no effect. Of anything else nobody knows: the engine looks before it calls again.
            retry = Retry.LATER if isinstance(error.reason, ConnectionRefusedError) else Retry.UNSURE
            raise UnavailableError(f"the controller did not answer: {error.reason}", retry=retry) from None


class Controller(BaseHTTPRequestHandler):
    """The controller itself: `/lamps`, `/lamps?label=TEXT` and `/lamps/NUMBER`, in JSON."""

    lamps: ClassVar[dict[str, dict[str, Any]]] = {}
    numbers: ClassVar[Iterator[int]] = itertools.count(1)
    refusals: ClassVar[list[int]] = [429]

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        path, _, label = self.path.partition("?label=")
        status, said = self.done(path.removeprefix("/lamps").strip("/"), label, body)
        self.send_response(status)
        self.send_header("Retry-After", "0.2")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def done(self, id: str, label: str, body: dict[str, Any]) -> tuple[int, Any]:
        if self.command == "POST":
            if self.refusals:
                return self.refusals.pop(), {}
            id = str(next(self.numbers))
            self.lamps[id] = {"id": id, "polls": 0}
        elif not id:
            return 200, [lamp for lamp in self.lamps.values() if label in ("", lamp["label"])]
        if id not in self.lamps:
            return 404, {}
        lamp = self.lamps.pop(id) if self.command == "DELETE" else self.lamps[id]
        lamp.update(body)
        lamp.update(watts=lamp["brightness"] * 0.08, polls=lamp["polls"] + 1, shines=lamp["polls"] >= 2)
        return 200, lamp

    def log_message(self, format: str, *args: Any) -> None:
        pass


def tell(event: Event) -> None:
    """Print an event, where it is of interest here."""
    if event.name in (EventName.FAILED, EventName.WAITING, EventName.SUCCEEDED):
        print(f"  {event}")


def main() -> None:
    """Make two lamps, repair one that somebody changed, try the provider out, and take the lamps away."""
    server = HTTPServer(("127.0.0.1", 0), Controller)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    house = House(Access(f"http://127.0.0.1:{server.server_port}"))

    wanted = Infrastructure()
    wanted.provider("house", "lamps", url=house.given.url)
    kitchen = wanted.resource("kitchen", "lamp", room="kitchen", brightness=80)
    wanted.resource("hall", "lamp", room="hall", colour=kitchen.colour)
    wanted.output("watts", kitchen.watts)

    with tempfile.TemporaryDirectory(prefix="appliance-") as parent:
        workspace = Workspace.init(Path(parent) / "home", providers=[House])
        plan = workspace.plan(wanted)
        print(f"{plan!r}: {', '.join(change.resource for change in plan)}")
        workspace.apply(plan, on_event=tell).wait()
        print(f"The kitchen takes {workspace.outputs()['watts']} W.\n")

        house.call("PUT", "/lamps/1", {"brightness": 5})
        drift = workspace.plan(wanted)
        print(f"Somebody turned the kitchen down. {drift!r}, {drift['kitchen'].reason}:\n{drift['kitchen'].diff}")
        workspace.apply(drift).wait()
        print(f"Repaired: {house.call('GET', '/lamps/1')['brightness']} percent again.\n")

        broken = conformance(Lamps(house), lambda n: {"room": f"room {n}"}, lambda n: {"room": f"room {n}", "brightness": 30})
        print("Conformance: " + ("; ".join(map(str, broken)) or "every rule of the contract is kept."))

        workspace.destroy(wanted).wait()
        print(f"Destroyed: the controller has {len(Controller.lamps)} lamps.")
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
