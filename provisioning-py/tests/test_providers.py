"""Providers in Python: what their calls are given, and what becomes of what they give."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from conftest import Plant, Tank, Tanks, TankSpec, attempt, tank
from provisioning import (
    Context,
    DeniedError,
    EventName,
    Infrastructure,
    InvalidError,
    Lookup,
    NotFoundError,
    Provider,
    ResourceKind,
    Schema,
    Secret,
    Wait,
    Workspace,
    aio,
    computed,
    field,
)

REPLACED = {
    "litres": {"type": "integer", "summary": "How much it holds.", "on_change": "replace"},
    "id": {"type": "string", "summary": "Its identity.", "presence": "computed"},
}


def test_a_kind_makes_changes_and_removes_its_object(plant: Plant) -> None:
    class Kind(Tanks):
        pass

    workspace = plant(Kind)
    assert attempt(workspace, tank(1)).ok and [tank.litres for tank in Kind.world.values()] == [1]
    [id] = Kind.world
    row = workspace.state()["tank"]
    assert (row.id, row.outputs) == (id, {"id": id, "litres": 1})
    assert attempt(workspace, tank(2)).ok and Kind.world == {id: Tank(2, id=id)}
    Kind.world[id] = Tank(9, id=id)
    assert workspace.plan(tank(2))["tank"].reason == "changed outside"
    assert workspace.destroy(tank(2)).wait().ok and Kind.world == {}


def test_methods_run_on_threads_of_their_own_at_once(plant: Plant) -> None:
    meeting = threading.Barrier(3, timeout=60)

    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank:
            meeting.wait()
            return self.make(context, spec)

    wanted = tank()
    wanted.resource("second", "tank", litres=2)
    wanted.resource("third", "tank", litres=3)
    assert attempt(plant(Kind), wanted).succeeded == 3


def test_methods_may_be_coroutines_that_run_in_one_loop_at_once(plant: Plant) -> None:
    loops: set[asyncio.AbstractEventLoop] = set()
    arrived: list[str] = []

    class Kind(aio.ResourceKind[TankSpec, Tank]):
        schema = Tanks.schema
        spec = TankSpec
        state = Tank
        made: ClassVar[dict[str, Tank]] = {}

        def __init__(self, provider: Provider[Any]) -> None:
            pass

        async def read(self, ids: Sequence[str]) -> Sequence[Tank | None]:
            return [self.made.get(id) for id in ids]

        async def create(self, context: aio.Context, spec: TankSpec) -> Tank:
            loops.add(asyncio.get_running_loop())
            arrived.append(context.resource)
            while len(arrived) < 2:
                await asyncio.sleep(0)
            await context.identified(f"tank-{context.token}")
            context.progress("filled")
            return self.made.setdefault(f"tank-{context.token}", Tank(spec.litres, id=f"tank-{context.token}"))

        async def delete(self, context: aio.Context, prior: Tank) -> None:
            await asyncio.sleep(0)
            del self.made[prior.id]

    workspace = plant(Kind)
    wanted = tank()
    wanted.resource("second", "tank", litres=2)
    assert attempt(workspace, wanted).succeeded == 2 and len(loops) == 1 and len(Kind.made) == 2
    assert {event.name for event in workspace.events()} >= {EventName.IDENTIFIED}
    assert not workspace.plan(wanted)
    assert workspace.destroy(wanted).wait().ok and Kind.made == {}


def test_a_call_that_waits_is_called_again_with_its_phase_and_what_it_identified(plant: Plant) -> None:
    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank | Wait:
            self.calls.append(("create", context.object, context.phase))
            made = self.make(context, spec)
            if context.phase is None:
                context.identified(made.id)
                return Wait(0, "filling")
            return Wait(0.001, "heating") if context.phase == "filling" else made

    workspace = plant(Kind)
    assert attempt(workspace, tank()).ok
    [id] = Kind.world
    assert Kind.told == [("create", None, None), ("create", id, "filling"), ("create", id, "heating")]
    told = [(event.name.value, event.message) for event in workspace.events() if event.step]
    assert told == [
        ("started", None),
        ("identified", None),
        ("waiting", "filling"),
        ("waiting", "heating"),
        ("succeeded", None),
    ]


def test_states_and_specs_are_dicts_where_no_dataclass_is_named(plant: Plant) -> None:
    class Kind(ResourceKind[dict[str, Any], dict[str, Any]]):
        schema = Tanks.schema
        seen: ClassVar[list[dict[str, Any]]] = []

        def __init__(self, provider: Provider[Any]) -> None:
            pass

        def read(self, ids: Sequence[str]) -> Sequence[Mapping[str, Any] | None]:  # type: ignore[override]
            return tuple({"id": id, "litres": 1} for id in ids)

        def create(self, context: Context, spec: dict[str, Any]) -> dict[str, Any]:
            self.seen.append(spec)
            return {"id": "only", **spec}

        def delete(self, context: Context, prior: dict[str, Any]) -> None:
            self.seen.append(prior)

    workspace = plant(Kind)
    assert attempt(workspace, tank()).ok and workspace.destroy(tank()).wait().ok
    assert Kind.seen == [{"litres": 1}, {"id": "only", "litres": 1}]


def test_a_kind_that_replaces_makes_the_new_object_after_the_old_is_gone(plant: Plant) -> None:
    class Kind(Tanks):
        schema = Schema("tank", fields=REPLACED)
        order: ClassVar[list[str]] = []

        def make(self, context: Context, spec: TankSpec) -> Tank:
            self.order.append(f"create {spec.litres}")
            return super().make(context, spec)

        def delete(self, context: Context, prior: Tank) -> Wait | None:
            self.order.append(f"delete {prior.litres}")
            return super().delete(context, prior)

    workspace = plant(Kind)
    attempt(workspace, tank(1))
    assert attempt(workspace, tank(2)).ok and Kind.order == ["create 1", "delete 1", "create 2"]
    assert [tank.litres for tank in Kind.world.values()] == [2]
    careful = tank(3, lifecycle={"create_before_destroy": True})
    assert attempt(workspace, careful).ok and Kind.order[3:] == ["create 3", "delete 2"]


def test_deleting_may_wait_and_a_method_that_is_missing_is_told(plant: Plant) -> None:
    class Kind(Tanks):
        update = ResourceKind.update  # type: ignore[assignment]

        def delete(self, context: Context, prior: Tank) -> Wait | None:
            self.calls.append(("delete", context.object, context.phase))
            return Wait(0, "draining") if context.phase is None else super().delete(context, prior)

    workspace = plant(Kind)
    attempt(workspace, tank(1))
    report = attempt(workspace, tank(2))
    assert "NotImplementedError: `Kind` has no `update`" in str(report)
    workspace.abandon("tank/update", "nothing was changed")
    assert workspace.destroy(tank(1)).wait().ok
    assert [phase for call, _, phase in Kind.told if call == "delete"] == [None, "draining"] and Kind.world == {}


@dataclass
class Settings:
    region: str = field("Where it is.", one_of=["eu", "us"])
    token: Secret | None = field("What opens it.", default=None)


@dataclass
class Query:
    name: str = field("Its name.")


@dataclass
class Answer:
    id: str = computed("Its identity.")
    bytes: int = computed("Its size.")


class Image(Lookup[Query, Answer]):
    """An image that is there already."""

    schema = Schema.of("image", Query, Answer)
    query = Query

    def __init__(self, provider: Cloud) -> None:
        self.region = provider.given.region

    def read(self, query: Query) -> Answer | None:
        return None if query.name == "none" else Answer(id=f"{self.region}/{query.name}", bytes=3)


class Cloud(Provider[Settings]):
    """A cloud with images."""

    type = "cloud"
    settings = Settings
    lookups = (Image,)


def image(name: str, **settings: Any) -> Infrastructure:
    wanted = Infrastructure()
    wanted.provider("cloud", "cloud", **settings)
    wanted.provider("here", "local")
    found = wanted.lookup("image", "image", name=name)
    wanted.resource("kept", "value", input=[found.id, found.bytes])
    return wanted


def test_lookups_answer_with_the_settings_of_their_provider(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "shop", providers=[Cloud])
    [field] = workspace.plan(image("debian", region="us"))["kept"].fields
    assert field.after == ["us/debian", 3]
    with pytest.raises(NotFoundError, match="there is no such `image`"):
        workspace.plan(image("none", region="us"))


def test_settings_are_checked_against_their_dataclass(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "shop", providers=[Cloud])
    for settings, message in [
        ({"region": "xx"}, "`xx` is not one of `eu`, `us`"),
        ({}, "`providers.cloud.region`: is required"),
    ]:
        with pytest.raises(InvalidError, match=message):
            workspace.plan(image("debian", **settings))


def test_a_provider_that_cannot_be_built_is_told(tmp_path: Path) -> None:
    class Broken(Cloud):
        def __init__(self, settings: Settings) -> None:
            raise DeniedError(f"nobody may enter `{settings.region}`")

    workspace = Workspace.init(tmp_path / "shop", providers=[Broken])
    with pytest.raises(DeniedError, match="`cloud` cannot be built: nobody may enter `eu`"):
        workspace.plan(image("debian", region="eu"))


class Nameless(Provider[Any]):
    pass


class Vague(Provider[Any]):
    type = "vague"
    kinds = (object,)


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (Nameless, "`Nameless` has no name"),
        (Vague, "`object` has no schema"),
        (Image, "is not a provider type"),
        ("cloud", "is not a provider type"),
    ],
)
def test_what_is_no_provider_is_refused_at_once(tmp_path: Path, provider: Any, message: str) -> None:
    Workspace.init(tmp_path / "shop")
    with pytest.raises(InvalidError, match=message):
        Workspace.open(tmp_path / "shop", providers=[provider])
