"""What goes wrong in calls to a provider: errors, lost answers, and answers of the wrong shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from conftest import Plant, Tank, Tanks, TankSpec, attempt, tank
from provisioning import (
    Context,
    EventName,
    InvalidError,
    LimitedError,
    Many,
    NotFoundError,
    ProvisioningError,
    Retry,
    UnavailableError,
    Wait,
)


def test_an_exception_of_another_kind_after_the_object_was_made_leads_to_exactly_one(plant: Plant) -> None:
    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank:
            self.calls.append(("create", context.object, context.phase))
            made = self.make(context, spec)
            if context.object is None:
                raise OSError("the line is dead")
            return made

    workspace = plant(Kind)
    assert attempt(workspace, tank()).ok
    [id] = Kind.world
    assert Kind.told == [("create", None, None), ("find", None, None), ("create", id, None)]
    assert workspace.state()["tank"].id == id


def test_an_answer_that_was_lost_is_looked_for_by_the_next_run(plant: Plant) -> None:
    class Kind(Tanks):
        broken = True

        def create(self, context: Context, spec: TankSpec) -> Tank:
            made = self.make(context, spec)
            if Kind.broken:
                raise UnavailableError("no answer")
            return made

        def find(self, context: Context, spec: TankSpec) -> Tank | None:
            if Kind.broken:
                raise UnavailableError("no answer either")
            return self.made.get(f"tank-{context.token}")

    workspace = plant(Kind)
    report = attempt(workspace, tank())
    assert report.outcome == "failed" and list(report.in_doubt) == ["tank/create"]
    Kind.broken = False
    assert workspace.resume().wait().ok and len(Kind.world) == 1
    assert workspace.state()["tank"].id in Kind.world


def test_several_bearers_of_a_token_are_left_to_a_person(plant: Plant) -> None:
    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank:
            if context.object is None:
                raise OSError("the line is dead")
            return self.made.setdefault(context.object, Tank(spec.litres, id=context.object))

        def find(self, context: Context, spec: TankSpec) -> Many:
            self.made["a"], self.made["b"] = Tank(1, id="a"), Tank(1, id="b")
            return Many("tanks `a` and `b`")

    workspace = plant(Kind)
    report = attempt(workspace, tank())
    assert "tanks `a` and `b`" in report.in_doubt["tank/create"]
    [step] = workspace.status().unfinished
    assert (step.id, step.status) == ("tank/create", "in_doubt")
    workspace.adopt("tank/create", "b")
    assert workspace.resume().wait().ok and workspace.state()["tank"].id == "b"


@pytest.mark.parametrize("verdict", ["retry", "abandon"])
def test_a_person_says_what_became_of_a_step_in_doubt(plant: Plant, verdict: str) -> None:
    class Kind(Tanks):
        broken = True

        def create(self, context: Context, spec: TankSpec) -> Tank:
            if Kind.broken:
                raise UnavailableError("no answer")
            return self.make(context, spec)

    workspace = plant(Kind)
    assert list(attempt(workspace, tank()).in_doubt) == ["tank/create"]
    Kind.broken = False
    if verdict == "retry":
        workspace.retry("tank/create")
        assert workspace.resume().wait().ok
    else:
        workspace.abandon("tank/create", "the plant was sold")
        assert attempt(workspace, tank()).ok
    assert len(Kind.world) == 1 and workspace.verify().problem is None


def test_a_call_that_had_no_effect_is_tried_again_not_before_it_may(plant: Plant) -> None:
    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank:
            self.calls.append((context.token, None, None))
            if len(self.calls) == 1:
                raise LimitedError("too many tanks", after=0.025)
            return self.make(context, spec)

    workspace = plant(Kind)
    events = list(workspace.apply(tank()))
    assert len(set(Kind.told)) == 2 and len(Kind.world) == 1
    [failed] = [event for event in events if event.name is EventName.FAILED]
    assert (failed.message, failed.data["failure"]["kind"]) == ("too many tanks", "limited")
    [backoff] = [event for event in events if event.name is EventName.BACKOFF]
    assert backoff.data["after"] >= 0.025


@pytest.mark.parametrize("kind", [NotFoundError, InvalidError], ids=lambda kind: kind.__name__)
def test_an_error_keeps_its_code_its_message_and_its_hint(plant: Plant, kind: type[ProvisioningError]) -> None:
    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank:
            self.calls.append(("create", None, None))
            raise kind("there is no plant `a`", hint="build it")

    report = attempt(plant(Kind), tank())
    [failure] = report.failures
    assert (failure.step, failure.code, failure.message) == ("tank/create", kind.code, "there is no plant `a`")
    assert failure.hint == "build it" and len(Kind.told) == 1
    assert "tank/create: there is no plant `a`" in str(report)


def test_an_error_that_is_told_to_come_again_is_tried_as_often_as_is_declared(plant: Plant) -> None:
    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank:
            self.calls.append(("create", None, None))
            raise NotFoundError("not yet", retry=Retry.LATER)

    report = attempt(plant(Kind), tank(retry={"attempts": 4}))
    assert [failure.code for failure in report.failures] == ["not_found"] and len(Kind.told) == 4


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"litres": 1}, "the state of a `tank` has no text `id`"),
        ({"id": 7, "litres": 1}, "the state of a `tank` has no text `id`"),
        (["id"], "a `tank` gave a `list` for its state"),
        (None, "a `tank` gave a `NoneType` for its state"),
        ({"id": "a", "litres": object()}, "cannot be kept: `litres`: a `object` is not a value"),
        ({"id": "a", "litres": float("nan")}, "cannot be kept: `litres`: NaN is no number"),
        (Wait(-1, "filling"), "`-1` is no time to wait"),
    ],
)
def test_a_state_of_the_wrong_shape_is_told(plant: Plant, state: Any, message: str) -> None:
    class Kind(Tanks):
        def create(self, context: Context, spec: TankSpec) -> Tank | Wait:
            given: Tank = state
            return given

    report = attempt(plant(Kind), tank())
    assert [failure.code for failure in report.failures] == ["bug"] and message in report.failures[0].message


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "read 1 objects and answered for 0"),
        ({"a": 1}, "`read` of a `tank` gave a `dict`"),
        (None, "`read` of a `tank` gave a `NoneType`"),
        ([{"litres": 1}], "has no text `id`"),
    ],
)
def test_an_answer_of_the_wrong_shape_is_told(plant: Plant, answers: Any, message: str) -> None:
    class Kind(Tanks):
        def read(self, ids: Sequence[str]) -> Sequence[Tank | None]:
            given: Sequence[Tank | None] = answers
            return given

    workspace = plant(Kind)
    assert attempt(workspace, tank()).ok
    with pytest.raises(ProvisioningError, match=message):
        workspace.plan(tank())
