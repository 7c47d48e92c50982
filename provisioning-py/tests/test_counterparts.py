"""Whatever the engine has, Python has: what is added in Rust without a counterpart fails here.

The sources of the engine are read as text. What reads them is tried on texts to which something was added.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from provisioning import EventName, ProvisioningError, Retry, Run, RunError, Workspace, aio, errors
from provisioning._provisioning import ERROR_CODES

CORE = Path(__file__).resolve().parents[2] / "provisioning-core" / "src"

ENGINE = {
    "builder": "open",
    "validate": "validate",
    "plan": "plan",
    "plan_rollback": "plan_rollback",
    "plan_rollback_to": "plan_rollback",
    "continue_rollback": "continue_rollback",
    "skip_undo": "skip_undo",
    "apply": "apply",
    "resume": "resume",
    "abandon": "abandon",
    "adopt": "adopt",
    "retry": "retry",
    "unlock": "unlock",
    "state": "state",
    "outputs": "outputs",
    "status": "status",
    "runs": "runs",
    "entries": "events",
    "host": "host",
    "units": "units",
    "logs": "logs",
    "verify": "verify",
}
"""Every public method of the engine, and the method of a workspace that reaches it."""

CONTROL = {"cancel": "cancel", "pause": "pause", "unpause": "unpause"}
"""Every public method of a run's control, and the method of a run that reaches it."""


def public_methods(source: str, type: str) -> list[str]:
    """The names of the public methods in every plain ``impl`` block of a type."""
    blocks: list[str] = re.findall(rf"^impl {type} \{{\n(.*?)^\}}", source, re.DOTALL | re.MULTILINE)
    return [name for block in blocks for name in re.findall(r"^    pub (?:async )?fn (\w+)", block, re.MULTILINE)]


def variants(source: str, type: str) -> list[str]:
    """The names of the variants of an enum, as its documents write them."""
    found = re.search(rf"^pub enum {type} \{{\n(.*?)^\}}", source, re.DOTALL | re.MULTILINE)
    assert found is not None, f"there is no enum `{type}`"
    names = re.findall(r"^    ([A-Z]\w*)", found[1], re.MULTILINE)
    return [re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names]


def text(*names: str) -> str:
    """The sources of core under these paths, one after the other."""
    files = [file for name in names for file in sorted(CORE.glob(name))]
    assert files, f"no source of the engine at {CORE}"
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_method_of_the_engine_has_a_counterpart() -> None:
    assert sorted(public_methods(text("engine/*.rs"), "Engine")) == sorted(ENGINE)


@pytest.mark.parametrize("name", sorted(set(ENGINE.values())))
def test_the_counterpart_of_an_engine_method_exists(name: str) -> None:
    assert callable(getattr(Workspace, name)) and inspect.getdoc(getattr(Workspace, name))


def test_every_way_to_control_a_run_has_a_counterpart() -> None:
    methods = public_methods(text("engine/control.rs"), "Control")
    assert sorted(set(methods) - {"new"}) == sorted(CONTROL)
    assert all(callable(getattr(Run, name)) for name in CONTROL.values())


def test_every_event_has_a_name() -> None:
    facts = variants(text("record.rs"), "Fact")
    steps = variants(text("record.rs"), "StepFact")
    others = variants(text("event.rs"), "Transient")
    # A step's fact is told by its own name, and how many events were missed is counted on this side.
    expected = {*facts, *steps, *others} - {"step"}
    assert {name.value for name in EventName} - {"missed"} == expected


def test_the_engine_tells_events_of_two_forms_only() -> None:
    assert variants(text("event.rs"), "Event") == ["recorded", "transient"]


def test_every_kind_of_error_has_a_class() -> None:
    kinds = variants(text("error.rs"), "ErrorKind")
    assert kinds == ERROR_CODES
    classes = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, ProvisioningError)]
    assert sorted(kinds) == sorted(kind.code for kind in classes if kind not in (ProvisioningError, RunError))


def test_every_kind_of_retry_has_a_name() -> None:
    assert variants(text("error.rs"), "Retry") == [retry.value for retry in Retry]


def test_a_method_that_is_added_to_the_engine_is_seen() -> None:
    source = text("engine/mod.rs")
    added = source.replace("    pub async fn verify(", "    pub async fn explode(&self) {}\n\n    pub async fn verify(")
    assert set(public_methods(added, "Engine")) - set(ENGINE) == {"explode"}


def test_a_method_in_another_block_of_the_engine_is_seen() -> None:
    added = text("engine/mod.rs") + "\nimpl Engine {\n    /// Explodes.\n    pub fn explode(&self) {\n    }\n}\n"
    assert set(public_methods(added, "Engine")) - set(ENGINE) == {"explode"}


def test_methods_that_are_not_public_and_those_of_other_types_are_not_counted() -> None:
    added = (
        text("engine/mod.rs")
        + "\nimpl Engine {\n    pub(super) fn inner(&self) {}\n}\nimpl Other {\n    pub fn other() {}\n}\n"
    )
    assert sorted(public_methods(added, "Engine")) == sorted(ENGINE)


@pytest.mark.parametrize(
    ("file", "enum", "variant"),
    [
        ("event.rs", "Transient", "BlownUp { run: RunId }"),
        ("record.rs", "Fact", "BlownUp"),
        ("record.rs", "StepFact", "BlownUp(Digest)"),
        ("error.rs", "ErrorKind", "BlownUp"),
    ],
)
def test_a_variant_that_is_added_is_seen(file: str, enum: str, variant: str) -> None:
    source = text(file)
    head = f"pub enum {enum} {{\n"
    assert head in source
    added = source.replace(head, f"{head}    /// Everything is gone.\n    {variant},\n")
    assert set(variants(added, enum)) - set(variants(source, enum)) == {"blown_up"}


def test_a_source_that_is_not_there_fails_and_is_not_passed_over() -> None:
    with pytest.raises(AssertionError, match="no source of the engine"):
        text("engine/nowhere.rs")


def test_every_method_of_a_workspace_has_one_that_is_awaited() -> None:
    blocking = {name for name in vars(Workspace) if not name.startswith("_")}
    # What does not wait is asked of the workspace inside.
    missing = blocking - {name for name in vars(aio.Workspace) if not name.startswith("_")} - {"init", "path", "name", "env"}
    assert not missing
