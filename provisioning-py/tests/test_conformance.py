"""The conformance suite over kinds in Python: a good one breaks no rule, and a bad one is told which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from conftest import Tank, Tanks, TankSpec
from provisioning import Context, InvalidError, ProvisioningError, Wait
from provisioning.testing import Finding, assert_conforms, conformance


def first(number: int) -> dict[str, Any]:
    return {"litres": number + 1}


def second(number: int) -> dict[str, Any]:
    return {"litres": number + 100}


class Good(Tanks):
    pass


class Patient(Tanks):
    def create(self, context: Context, spec: TankSpec) -> Tank | Wait:
        made = self.make(context, spec)
        if context.phase is None:
            context.identified(made.id)
            return Wait(0, "filling")
        return made


class Forgetful(Tanks):
    """Makes another tank, however often it is asked with one token."""

    def create(self, context: Context, spec: TankSpec) -> Tank:
        id = context.object or f"tank-{len(self.made)}"
        return self.made.setdefault(id, Tank(spec.litres, id=id))


class Blind(Tanks):
    def find(self, context: Context, spec: TankSpec) -> None:
        return None


class Keeping(Tanks):
    def delete(self, context: Context, prior: Tank) -> None:
        return None


class Strict(Tanks):
    def delete(self, context: Context, prior: Tank) -> None:
        del self.made[prior.id]


class Sorting(Tanks):
    def read(self, ids: Sequence[str]) -> Sequence[Tank | None]:
        return [self.made.get(id) for id in sorted(ids)]


class Idle(Tanks):
    def update(self, context: Context, prior: Tank, spec: TankSpec) -> Tank:
        return self.made[prior.id]


class Secretive(Tanks):
    def create(self, context: Context, spec: TankSpec) -> Tank | Wait:
        return Wait(0, "filling") if context.phase is None else self.make(context, spec)


class Rounding(Tanks):
    def make(self, context: Context, spec: TankSpec) -> Tank:
        return super().make(context, TankSpec(spec.litres // 10 * 10))


@pytest.mark.parametrize("kind", [Good, Patient])
def test_a_good_kind_breaks_no_rule_and_leaves_nothing(kind: type[Tanks]) -> None:
    assert conformance(kind(None), first, second) == []  # type: ignore[arg-type]
    assert kind.world == {}
    assert_conforms(kind(None), first)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Forgetful, "a second create with the same token makes nothing new"),
        (Blind, "find with the token gives the object"),
        (Keeping, "delete removes the object"),
        (Strict, "delete after delete succeeds"),
        (Sorting, "answers line up with the ids that were asked for"),
        (Idle, "update changes what read gives"),
        (Secretive, "an identity is reported before a call waits"),
        (Rounding, "a created object shows no drift"),
    ],
)
def test_a_bad_kind_is_told_which_rule_it_breaks(kind: type[Tanks], rule: str) -> None:
    findings = conformance(kind(None), first, second)  # type: ignore[arg-type]
    assert rule in [finding.rule for finding in findings]
    with pytest.raises(AssertionError, match=rule):
        assert_conforms(kind(None), first, second)  # type: ignore[arg-type]


def test_a_finding_reads_as_the_rule_and_how_it_is_broken() -> None:
    [finding] = [finding for finding in conformance(Keeping(None), first) if "removes" in finding.rule]  # type: ignore[arg-type]
    assert isinstance(finding, Finding) and str(finding) == f"{finding.rule}: {finding.message}"
    assert "still reads after delete" in finding.message


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (lambda number: {"liters": number}, "`object 0.liters`: is not a field here"),
        (lambda number: {"litres": "many"}, "`object 0.litres`: expected integer"),
        (lambda number: [number], "dict"),
        (lambda number: {"litres": 1 // 0}, "ZeroDivisionError"),
    ],
)
def test_fields_that_are_wrong_are_told_and_not_tried(wanted: Callable[[int], dict[str, Any]], message: str) -> None:
    class Loose(Tanks):
        spec = None

    with pytest.raises(ProvisioningError, match=message):
        conformance(Loose(None), wanted)  # type: ignore[arg-type]
    assert Loose.told == []


def test_a_kind_without_a_schema_is_refused() -> None:
    with pytest.raises(InvalidError, match="`Shapeless` has no schema"):
        conformance(type("Shapeless", (), {})(), first)
