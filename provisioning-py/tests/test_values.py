"""Values of Python as values of a declaration: what stands for one, what is none, and the few that only this package has."""

from __future__ import annotations

import enum
import inspect
import pickle
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import values
from provisioning import UNKNOWN, WITHHELD, Declared, Infrastructure, InvalidError, Reference, Secret, Workspace


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    label: str | None = None


def test_what_stands_for_a_value_is_taken_for_it(workspace: Workspace) -> None:
    given = {"enum": Colour.RED, "path": Path("/srv"), "point": Point(1), "points": [Point(2, "b")], "true": True, "none": None}
    [field] = workspace.plan(values(a=given))["a"].fields
    point, points = {"x": 1, "label": None}, [{"x": 2, "label": "b"}]
    assert field.after == {"enum": "red", "path": "/srv", "point": point, "points": points, "true": True, "none": None}
    assert workspace.plan(values(a=2**63 - 1))["a"].fields[0].after == 2**63 - 1


endless: list[Any] = []
endless.append(endless)


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        (datetime(2026, 1, 1), "", "a `datetime` is not a value"),
        (b"bytes", "", "a `bytes` is not a value"),
        ({1, 2}, "", "a `set` is not a value"),
        (object, "", "a `type` is not a value"),
        (float("nan"), "", "NaN is no number"),
        (float("-inf"), "", "is no number"),
        (2**63, "", "does not fit into 64 bits"),
        ({1: "a"}, "", "the key `1` is a `int`"),
        ("\ud800", "", "not valid Unicode"),
        ({"a": [0, {"b": print}]}, ".a.1.b", "is not a value"),
    ],
    ids=["datetime", "bytes", "set", "type", "nan", "infinity", "integer", "key", "surrogate", "nested"],
)
def test_what_is_no_value_is_told_with_its_path_and_line(workspace: Workspace, value: Any, field: str, message: str) -> None:
    wanted = Infrastructure()
    wanted.provider("here", "local")
    wanted.resource("a", "value", input=value)
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    with pytest.raises(InvalidError, match=message) as caught:
        workspace.plan(wanted)
    assert f"`resources.a.input{field}`" in str(caught.value)
    assert f"test_values.py:{line}" in str(caught.value)


def test_a_list_that_holds_itself_is_refused_with_the_field_it_stands_in(workspace: Workspace) -> None:
    with pytest.raises(InvalidError, match="or holds itself") as caught:
        workspace.plan(values(a=endless))
    assert "resources.a.input" in str(caught.value)


def test_a_secret_shows_itself_only_to_who_asks() -> None:
    secret = Secret({"user": "ada", "words": ["open", "sesame"]})
    assert secret.reveal() == {"user": "ada", "words": ["open", "sesame"]}
    assert f"{secret} {secret!r} {[secret]}" == "Secret(***) Secret(***) [Secret(***)]"
    assert secret == Secret(secret.reveal()) and secret != Secret("other") and secret != secret.reveal()
    for tell in (lambda: pickle.dumps(secret), lambda: hash(secret), lambda: len(secret), lambda: secret["user"]):  # type: ignore
        with pytest.raises(TypeError) as caught:
            tell()
        assert "sesame" not in str(caught.value)
    with pytest.raises(InvalidError, match="a `set` is not a value"):
        Secret({1})


def test_a_secret_that_stands_in_a_declaration_needs_a_keeper(workspace: Workspace) -> None:
    with pytest.raises(InvalidError, match="is sensitive and stands here itself") as caught:
        workspace.plan(values(a={"password": Secret("open sesame")}))
    assert "open sesame" not in str(caught.value)


def test_marks_are_false_keep_their_identity_and_say_what_they_are() -> None:
    for mark, text in ((UNKNOWN, "(known after apply)"), (WITHHELD, "(not kept)")):
        assert not mark and repr(mark) == text and pickle.loads(pickle.dumps(mark)) is mark


def test_a_reference_is_a_text_that_survives_pickling() -> None:
    reference = Declared("web").networks[0]
    again = pickle.loads(pickle.dumps(reference))
    assert (reference, again, type(again), again["address"]) == (
        "${web.networks[0]}",
        reference,
        Reference,
        "${web.networks[0].address}",
    )
