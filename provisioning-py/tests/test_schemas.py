"""Schemas out of dataclasses and files: nested values, secrets, and what is wrong with a schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from conftest import QUICK
from provisioning import (
    WITHHELD,
    Context,
    Infrastructure,
    InvalidError,
    Provider,
    ResourceKind,
    Schema,
    Secret,
    Workspace,
    computed,
    field,
)

PASSWORD = "open sesame"
KEY = "a key that the provider made"


@dataclass
class Disk:
    gigabytes: int
    label: str = "data"


@dataclass
class MachineSpec:
    """A machine in a cloud.

    Nothing of this line is in its summary.
    """

    size: Literal["small", "large"] = field("How big it is.", replace=True)
    disks: list[Disk] = field("Its disks.", default_factory=list)
    boot: Disk | None = field("What it starts from.", default=None)
    mounts: dict[str, Disk] = field("Disks by path.", default_factory=dict)
    password: Secret | None = field("What opens it.", default=None)


@dataclass
class Machine(MachineSpec):
    id: str = computed("Its identity.")
    key: Secret | None = computed("What else opens it.", sensitive=True)


class Machines(ResourceKind[MachineSpec, Machine]):
    schema = Schema.of("machine", MachineSpec, Machine)
    spec = MachineSpec
    state = Machine
    made: ClassVar[dict[str, Machine]] = {}
    specs: ClassVar[list[MachineSpec]] = []
    priors: ClassVar[list[Machine]] = []

    def __init__(self, provider: Provider[Any]) -> None:
        pass

    def read(self, ids: Sequence[str]) -> Sequence[Machine | None]:
        return [self.made.get(id) for id in ids]

    def create(self, context: Context, spec: MachineSpec) -> Machine:
        return self.set(f"machine-{context.token}", spec)

    def update(self, context: Context, prior: Machine, spec: MachineSpec) -> Machine:
        self.priors.append(prior)
        return self.set(prior.id, spec)

    def set(self, id: str, spec: MachineSpec) -> Machine:
        self.specs.append(spec)
        self.made[id] = Machine(**vars(spec), id=id, key=Secret(KEY))
        return self.made[id]

    def delete(self, context: Context, prior: Machine) -> None:
        self.made.pop(prior.id, None)


class Cloud(Provider[Any]):
    type = "cloud"
    kinds = (Machines,)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with machines, and a secret that comes from a variable."""
    Machines.made.clear()
    Machines.specs.clear()
    Machines.priors.clear()
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    Workspace.init(tmp_path / "shop")
    with (tmp_path / "shop" / "provisioning.toml").open("a") as file:
        file.write('\n[secrets]\npassword = { env = "SHOP_PASSWORD" }\n')
    return Workspace.open(tmp_path / "shop", providers=[Cloud], settings=QUICK)


def machine(**fields: Any) -> Infrastructure:
    wanted = Infrastructure()
    wanted.provider("cloud", "cloud")
    made = wanted.resource("machine", "machine", size="small", password="${secret.password}", **fields)
    wanted.output("key", made.key, sensitive=True)
    return wanted


NESTED = {"disks": [{"gigabytes": 1}, {"gigabytes": 2, "label": "logs"}], "mounts": {"/srv": {"gigabytes": 3}}}


def test_nested_values_arrive_as_dataclasses_with_their_defaults(workspace: Workspace) -> None:
    assert workspace.apply(machine(**NESTED)).wait().ok
    [spec] = Machines.specs
    assert (spec.disks, spec.mounts, spec.boot) == ([Disk(1), Disk(2, "logs")], {"/srv": Disk(3)}, None)
    assert not workspace.plan(machine(**NESTED))
    assert workspace.apply(machine(**NESTED, boot={"gigabytes": 9})).wait().ok
    assert Machines.specs[-1].boot == Disk(9) and Machines.priors[0].disks == [Disk(1), Disk(2, "logs")]


def test_a_secret_arrives_as_one_and_shows_nowhere(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    plan = workspace.plan(machine())
    run = workspace.apply(plan)
    events = [repr(event) for event in run]
    report = run.wait()
    [spec] = Machines.specs
    assert isinstance(spec.password, Secret) and spec.password.reveal() == PASSWORD
    row = workspace.state()["machine"]
    assert (row.inputs["password"], row.outputs["password"], row.outputs["key"]) == (WITHHELD, WITHHELD, WITHHELD)
    shown = [
        plan,
        plan.to_json(),
        list(plan),
        events,
        report,
        row,
        list(workspace.events()),
        workspace.status(),
        spec,
        capfd.readouterr(),
    ]
    stored = [path.read_bytes() for path in Path(workspace.path, ".provisioning").rglob("*") if path.is_file()]
    assert stored
    for hidden in (PASSWORD, KEY):
        assert not [text for text in shown if hidden in f"{text} {text!r}"]
        assert not [content for content in stored if hidden.encode() in content]


def test_a_secret_that_the_state_does_not_keep_is_none_for_a_later_call(workspace: Workspace) -> None:
    workspace.apply(machine()).wait()
    workspace.apply(machine(boot={"gigabytes": 1})).wait()
    [prior] = Machines.priors
    assert (prior.password, prior.key) == (None, None)
    assert isinstance(Machines.specs[-1].password, Secret)


def test_an_output_that_is_not_kept_is_withheld(workspace: Workspace) -> None:
    workspace.apply(machine()).wait()
    assert workspace.outputs() == {"key": WITHHELD}


def test_an_error_that_names_a_secret_says_nothing_of_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Machines, context: Context, spec: MachineSpec) -> Machine:
        raise InvalidError(f"the password {spec.password} is too short")

    monkeypatch.setattr(Machines, "create", fail)
    report = workspace.apply(machine()).wait(check=False)
    assert "the password Secret(***) is too short" in str(report) and PASSWORD not in str(report)


def test_mistakes_in_nested_values_are_told_by_their_paths(workspace: Workspace) -> None:
    with pytest.raises(InvalidError) as caught:
        workspace.plan(machine(disks=[{"gigabytes": 1}, {"gigabyte": 1}], boot={"gigabytes": "one"}))
    assert {problem.field for problem in caught.value.diagnostics} >= {
        "resources.machine.disks[1].gigabyte",
        "resources.machine.boot.gigabytes",
    }


def test_a_schema_says_what_its_dataclasses_say() -> None:
    schema = Machines.schema
    assert (schema.kind, list(schema.fields)) == ("machine", ["size", "disks", "boot", "mounts", "password", "id", "key"])
    size = schema.fields["size"]
    assert size == {
        "summary": "How big it is.",
        "type": "string",
        "one_of": ["small", "large"],
        "on_change": "replace",
        "presence": "required",
    }
    assert schema.fields["disks"]["fields"]["label"] == {"summary": "", "type": "string", "default": "data"}
    assert (schema.fields["password"]["sensitive"], schema.fields["id"]["presence"]) == (True, "computed")
    assert json.loads(schema.to_json())["summary"] == "A machine in a cloud."
    assert repr(schema) == "<Schema of machine: size, disks, boot, mounts, password, id, key>"


TOML = """
kind = "note"
summary = "A note."
[fields.text]
type = "string"
summary = "What it says."
presence = "required"
"""


def test_a_schema_is_read_from_a_file_of_the_same_shape(tmp_path: Path) -> None:
    (tmp_path / "note.toml").write_text(TOML)
    loaded = Schema.load(tmp_path / "note.toml")
    assert loaded == Schema.parse(TOML) and loaded.kind == "note" and loaded.fields["text"]["presence"] == "required"
    (tmp_path / "note.toml").write_text(TOML.replace("string", "strang"))
    with pytest.raises(InvalidError, match=r"note.toml`"):
        Schema.load(tmp_path / "note.toml")


def test_a_schema_that_is_wrong_is_told_where_it_is_written() -> None:
    with pytest.raises(InvalidError, match=r"the schema of `note`: .*`strang`"):
        Schema("note", fields={"text": {"type": "strang"}})
    with pytest.raises(InvalidError, match="the schema of `note`"):
        Schema("note", fields={"text": {"type": "string", "default": object()}})
    with pytest.raises(InvalidError, match="the schema of `note`"):
        Schema("note", tokens="sometimes")  # type: ignore[arg-type]


class Plain:
    text: str


@dataclass
class Callback:
    call: type[int]


def test_what_no_schema_can_be_derived_from_is_told() -> None:
    with pytest.raises(InvalidError, match="`Plain` is not a dataclass"):
        Schema.of("note", Plain)
    with pytest.raises(InvalidError, match=r"`Callback.call`: no schema can be derived from the type"):
        Schema.of("note", Callback)
