"""What the tests share: a home of their own, empty workspaces, and two small worlds with providers in Python over them.

A board of notes keeps the rules of a real world, and does what a test puts into its calls. Of the tanks in a plant a test
changes whatever it likes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from provisioning import (
    Context,
    Infrastructure,
    Many,
    Provider,
    Report,
    ResourceKind,
    Schema,
    Wait,
    Workspace,
    computed,
    field,
)

QUICK = {"retry.initial_seconds": 0.001, "retry.max_seconds": 0.002}
"""Settings under which a repeated attempt comes at once."""

PATIENCE = 120.0
"""How many seconds a test waits for what must come; nothing is measured by it."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the configuration of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("PROVISIONING_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.init(tmp_path / "shop", settings=QUICK)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def noted(tmp_path: Path, board: Board) -> Workspace:
    """A workspace that can declare notes on the board."""
    return Workspace.init(tmp_path / "noted", providers=[board.provider()], settings=QUICK)


def site(text: str = "hello", path: str = "site") -> Infrastructure:
    """A directory and a page in it."""
    wanted = Infrastructure()
    wanted.provider("here", "local")
    folder = wanted.resource("folder", "directory", path=path)
    page = wanted.resource("page", "file", path=f"{folder.path}/index.html", content=text)
    wanted.output("page", page.path)
    return wanted


def notes(*titles: str, text: str = "hello") -> Infrastructure:
    """Notes on the board, named as their titles, each made after the one before."""
    wanted = Infrastructure()
    wanted.provider("wall", "board")
    before: list[str] = []
    for title in titles:
        wanted.resource(title, "note", title=title, text=text, depends_on=before)
        before = [title]
    return wanted


def values(**inputs: Any) -> Infrastructure:
    """A stored value for every name."""
    wanted = Infrastructure()
    wanted.provider("here", "local")
    for name, value in inputs.items():
        wanted.resource(name, "value", input=value)
    return wanted


@dataclass
class NoteSpec:
    """A note on the board."""

    title: str = field("What stands above it.", replace=True)
    text: str = field("What it says.", default="")


@dataclass
class NoteState(NoteSpec):
    """A note that hangs there."""

    id: str = computed("Its identity.")
    length: int = computed("How many characters its text has.", follows=["text"])


class Board:
    """Notes by identity, each with the token that made it.

    Attributes
    ----------
    notes
        What hangs there.
    calls
        The calls that changed something or wanted to, as ``create ada``; ``go on with ada`` where its note was found.
    before, after, look
        What a test puts into a call, before its effect and after it, and into looking at a note.
    """

    def __init__(self) -> None:
        self.notes: dict[str, tuple[str, NoteSpec]] = {}
        self.calls: list[str] = []
        self.before: Callable[[str, Context], object] = lambda call, context: None
        self.after: Callable[[str, Context], object] = lambda call, context: None
        self.look: Callable[[str], object] = lambda id: None
        self._lock = threading.Lock()

    def titles(self) -> list[str]:
        return sorted(note.title for _, note in self.notes.values())

    def texts(self) -> list[str]:
        return sorted(note.text for _, note in self.notes.values())

    def state(self, id: str) -> NoteState | None:
        """What a provider reports of a note."""
        self.look(id)
        if id not in self.notes:
            return None
        note = self.notes[id][1]
        return NoteState(note.title, note.text, id=id, length=len(note.text))

    def change(self, call: str, context: Context, effect: Callable[[], None]) -> None:
        """Do something, between what a test wants to happen before and after it."""
        with self._lock:
            self.calls.append(f"{call} {context.resource}")
        self.before(call, context)
        effect()
        self.after(call, context)

    def provider(self) -> type[Provider[Any]]:
        """A provider type whose notes hang on this board."""
        board = self

        class Note(ResourceKind[NoteSpec, NoteState]):
            schema = Schema.of("note", NoteSpec, NoteState)
            spec = NoteSpec
            state = NoteState

            def __init__(self, _: Provider[Any]) -> None:
                pass

            def read(self, ids: Sequence[str]) -> Sequence[NoteState | None]:
                return [board.state(id) for id in ids]

            def find(self, context: Context, spec: NoteSpec) -> NoteState | None:
                return next((board.state(id) for id, (token, _) in board.notes.items() if token == context.token), None)

            def create(self, context: Context, spec: NoteSpec) -> NoteState:
                id = context.object or f"note-{len(board.notes) + 1}-{context.token}"
                call = "create" if context.object is None else "go on with"
                board.change(call, context, lambda: board.notes.update({id: (context.token, spec)}))
                return board.state(id) or NoteState("lost")

            def update(self, context: Context, prior: NoteState, spec: NoteSpec) -> NoteState:
                token = board.notes[prior.id][0]
                board.change("update", context, lambda: board.notes.update({prior.id: (token, spec)}))
                return board.state(prior.id) or NoteState("lost")

            def delete(self, context: Context, prior: NoteState) -> None:
                board.change("delete", context, lambda: board.notes.pop(prior.id, None) and None)

        class BoardProvider(Provider[Any]):
            """A board of notes."""

            type = "board"
            kinds = (Note,)

        return BoardProvider


@dataclass
class TankSpec:
    """A tank in a plant."""

    litres: int = field("How much it holds.")


@dataclass
class Tank(TankSpec):
    id: str = computed("Its identity.")


class Tanks(ResourceKind[TankSpec, Tank]):
    """Tanks by identity; what a test changes of them, it does in a class below this one."""

    world: dict[str, Tank]
    told: list[tuple[str, str | None, str | None]]
    schema = Schema.of("tank", TankSpec, Tank)
    spec: ClassVar[type | None] = TankSpec
    state: ClassVar[type | None] = Tank

    def __init__(self, provider: Provider[Any]) -> None:
        self.made: dict[str, Tank] = type(self).world
        self.calls = type(self).told

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.world, cls.told = {}, []

    def read(self, ids: Sequence[str]) -> Sequence[Tank | None]:
        return [self.made.get(id) for id in ids]

    def find(self, context: Context, spec: TankSpec) -> Tank | Many | None:
        self.calls.append(("find", context.object, context.phase))
        return self.made.get(f"tank-{context.token}")

    def create(self, context: Context, spec: TankSpec) -> Tank | Wait:
        self.calls.append(("create", context.object, context.phase))
        return self.make(context, spec)

    def make(self, context: Context, spec: TankSpec) -> Tank:
        id = f"tank-{context.token}"
        return self.made.setdefault(id, Tank(spec.litres, id=id))

    def update(self, context: Context, prior: Tank, spec: TankSpec) -> Tank | Wait:
        self.made[prior.id] = Tank(spec.litres, id=prior.id)
        return self.made[prior.id]

    def delete(self, context: Context, prior: Tank) -> Wait | None:
        self.made.pop(prior.id, None)
        return None


Plant = Callable[..., Workspace]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Make a workspace whose provider has a kind."""

    def plant(*given: Any) -> Workspace:
        class PlantProvider(Provider[Any]):
            type = "plant"
            kinds = given

        return Workspace.init(tmp_path / "plant", providers=[PlantProvider], settings=QUICK)

    return plant


def tank(litres: int = 1, **fields: Any) -> Infrastructure:
    wanted = Infrastructure()
    wanted.provider("works", "plant")
    wanted.resource("tank", "tank", litres=litres, **fields)
    return wanted


def attempt(workspace: Workspace, wanted: Infrastructure) -> Report:
    return workspace.apply(wanted).wait(check=False)


class Gate:
    """Where a call waits until the test lets it through."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def enter(self, *_: object) -> None:
        """Wait for the test, in a call."""
        self._reached.set()
        assert self._open.wait(PATIENCE), "nobody opened the gate"

    def reached(self) -> None:
        """Wait for the call, in the test."""
        assert self._reached.wait(PATIENCE), "nobody came to the gate"

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate, which is open when the test is over."""
    gate = Gate()
    yield gate
    gate.open()
