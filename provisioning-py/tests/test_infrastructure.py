"""What a program declares: references, dataclasses, documents; and mistakes, each told at the line that made it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import values
from provisioning import Declared, Diagnostic, Infrastructure, InvalidError, Reference, Resource, Workspace


@dataclass
class Directory(Resource, kind="directory"):
    path: str
    mode: str | None = None


@dataclass(frozen=True)
class Page(Resource, kind="file", provider="here"):
    path: str
    content: str


@dataclass
class Point:
    x: int


def here() -> Infrastructure:
    wanted = Infrastructure()
    wanted.provider("here", "local")
    return wanted


def line_of(mark: str) -> int:
    """The one line of this file that ends with a mark."""
    lines = Path(__file__).read_text().splitlines()
    [number] = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    return number


def problems(call: Callable[[], object]) -> dict[str, Diagnostic]:
    """What is wrong, by field; all of it in this file."""
    with pytest.raises(InvalidError) as caught:
        call()
    found = {problem.field: problem for problem in caught.value.diagnostics}
    assert {Path(problem.file or "").name for problem in found.values()} == {"test_infrastructure.py"}
    return found


def test_outputs_are_references_that_can_stand_in_texts(workspace: Workspace) -> None:
    wanted = here()
    folder = wanted.resource("folder", "directory", path="site")
    assert folder.path == "${folder.path}" and f"{folder.path}/a" == "${folder.path}/a"
    wanted.resource("page", "file", path=f"{folder.path}/a", content=f"in {folder.id}")
    assert workspace.validate(wanted) == {"folder": [], "page": ["folder"]}


def test_parts_of_an_output_are_reached_by_key_and_place() -> None:
    web = Declared("web")
    assert web.networks[0]["address"] == web["networks"][0]["address"] == "${web.networks[0].address}"
    assert isinstance(web.networks[0], Reference)
    assert (repr(web), str(web), repr(web.id)) == ("<Declared web>", "web", "<Reference ${web.id}>")
    assert not hasattr(web, "__length_hint__")


def test_a_reference_to_a_stored_value_brings_its_parts(workspace: Workspace) -> None:
    wanted = here()
    kept = wanted.resource("kept", "value", input={"hosts": [{"port": 80}, {"port": 81}]})
    wanted.output("port", kept.output["hosts"][1]["port"])
    workspace.apply(wanted).wait()
    assert workspace.outputs() == {"port": 81}


def test_inputs_are_declared_and_set_from_outside(workspace: Workspace) -> None:
    wanted = here()
    text = wanted.input("text", "string", default="hello", summary="What is kept.")
    wanted.resource("kept", "value", input=f"{text}!")
    assert text == "${input.text}"
    assert workspace.plan(wanted)["kept"].fields[0].after == "hello!"
    given = Workspace.open(workspace.path, inputs={"text": "bye"})
    assert given.plan(wanted)["kept"].fields[0].after == "bye!"
    wanted.input("count", "integer")
    with pytest.raises(InvalidError, match=r"inputs.count"):
        workspace.plan(wanted)


def test_order_without_a_reference_is_said_by_name_or_by_what_was_declared(workspace: Workspace) -> None:
    wanted = here()
    first = wanted.resource("first", "value", input=1)
    wanted.resource("second", "value", input=2, depends_on=[first])
    wanted.resource("third", "value", input=3, depends_on=["second"], provider="here")
    assert workspace.validate(wanted) == {"first": [], "second": ["first"], "third": ["second"]}


def test_one_name_in_place_of_a_list_is_told_and_not_taken_apart() -> None:
    first = here().resource("first", "value")
    with pytest.raises(TypeError):
        iter(first)
    for one in ("first", first):
        with pytest.raises(InvalidError, match="depends_on"):
            here().resource("second", "value", depends_on=one)  # type: ignore[arg-type]


def test_dataclasses_are_resources(workspace: Workspace) -> None:
    wanted = here()
    folder = wanted.add("folder", Directory(path="site"))
    wanted.add("page", Page(path=f"{folder.path}/a.html", content="hello"), after=[folder])
    assert wanted.to_dict()["resources"] == {
        "folder": {"kind": "directory", "path": "site"},
        "page": {"kind": "file", "provider": "here", "path": "${folder.path}/a.html", "content": "hello", "after": ["folder"]},
    }
    workspace.apply(wanted).wait()
    assert Path(workspace.path, "site", "a.html").read_text() == "hello"


def test_documents_are_taken_as_they_stand(workspace: Workspace) -> None:
    document = {"providers": {"here": {"type": "local"}}, "resources": {"a": {"kind": "value", "input": (1, 2)}}}
    assert workspace.plan(document) == workspace.plan(Infrastructure.of(document)) == workspace.plan(values(a=[1, 2]))
    assert Infrastructure.of(document).to_dict() == document


def test_a_typo_is_told_at_its_line(workspace: Workspace) -> None:
    wanted = here()
    wanted.resource(
        "page",
        "file",
        path="a",
        contnt="hello",  # typo
    )
    found = problems(lambda: workspace.plan(wanted))
    assert found["resources.page.contnt"].line == line_of("typo")
    assert "is required" in found["resources.page.content"].message


def test_a_wrong_type_is_told_at_its_line_and_column(workspace: Workspace) -> None:
    wanted = here()
    wanted.resource(
        "page",
        "file",
        path="a",
        content="hello",
        mode=7,  # wrong type
    )
    problem = problems(lambda: workspace.plan(wanted))["resources.page.mode"]
    assert (problem.line, problem.column) == (line_of("wrong type"), 14)
    assert problem.message == "expected string, found the integer `7`"


def test_a_mistake_in_a_nested_value_is_told_at_its_line(workspace: Workspace) -> None:
    wanted = here()
    wanted.resource(
        "kept",
        "value",
        lifecycle={
            "prevent_destroy": True,
            "ignore_chnges": ["input"],  # nested
        },
    )
    wanted.service(
        "job",
        "command",
        on=["nobody"],
        config={
            "apply": 1,  # in a service
        },
    )
    found = problems(lambda: workspace.plan(wanted))
    assert found["resources.kept.lifecycle.ignore_chnges"].line == line_of("nested")
    assert found["services.job.config.apply"].line == line_of("in a service")


def test_a_mistake_in_a_dataclass_is_told_where_the_object_was_made(workspace: Workspace) -> None:
    folder = Directory(
        path="site",
        mode=7,  # type: ignore[arg-type]  # in an object
    )
    wanted = here()
    wanted.add("folder", folder)
    assert problems(lambda: workspace.plan(wanted))["resources.folder.mode"].line == line_of("in an object")


def test_a_mistake_in_a_changed_copy_is_told_where_it_was_copied(workspace: Workspace) -> None:
    wanted = here()
    folder = Directory(path="site")
    wanted.add("folder", dataclasses.replace(folder, mode=7))  # type: ignore[arg-type]  # in a copy
    assert problems(lambda: workspace.plan(wanted))["resources.folder.mode"].line == line_of("in a copy")


def test_a_mistake_in_a_document_is_told_at_its_line(workspace: Workspace) -> None:
    wanted = Infrastructure.of(
        {
            "providers": {"here": {"type": "local"}},
            "resources": {
                "page": {"kind": "fil", "path": "a"},  # in a document
            },
        }
    )
    problem = problems(lambda: workspace.plan(wanted))["resources.page.kind"]
    assert (problem.line, problem.hint) == (line_of("in a document"), "did you mean `file`?")


def test_a_mistake_in_a_document_from_elsewhere_is_told_where_it_was_given(workspace: Workspace) -> None:
    document: dict[str, Any] = {"resource": {}}
    assert problems(lambda: workspace.plan(document))["resource"].line == line_of("given")  # given


def test_a_mistake_in_a_reference_is_told_where_the_reference_stands(workspace: Workspace) -> None:
    wanted = here()
    kept = wanted.resource("kept", "value")
    wanted.resource("other", "value", input=[kept.id, kept.otput])  # reference
    problem = problems(lambda: workspace.plan(wanted))["resources.other.input"]
    assert (problem.line, problem.hint) == (line_of("reference"), "did you mean `output`?")


def test_unknown_kinds_come_with_a_suggestion(workspace: Workspace) -> None:
    wanted = here()
    wanted.resource("a", "directry", path="a")  # unknown kind
    problem = problems(lambda: workspace.plan(wanted))["resources.a.kind"]
    assert (problem.line, problem.hint) == (line_of("unknown kind"), "did you mean `directory`?")


def test_unknown_types_of_providers_come_with_a_suggestion(workspace: Workspace) -> None:
    wanted = here()
    wanted.provider("there", "lokal")  # unknown type
    problem = problems(lambda: workspace.plan(wanted))["providers.there.type"]
    assert (problem.line, problem.hint) == (line_of("unknown type"), "did you mean `local`?")


def test_a_circle_is_told(workspace: Workspace) -> None:
    wanted = here()
    wanted.resource("a", "value", input="${b.output}")
    wanted.resource("b", "value", input="${a.output}")
    with pytest.raises(InvalidError, match="in a circle"):
        workspace.validate(wanted)


def test_a_name_that_is_declared_twice_is_told_at_once_with_both_places() -> None:
    wanted = here()
    wanted.resource("a", "value")  # first
    found = problems(lambda: wanted.resource("a", "value"))  # second
    assert found["resources.a"].line == line_of("second")
    assert found["resources.a"].message.endswith(f"test_infrastructure.py:{line_of('first')}")


def test_a_class_without_a_kind_and_what_is_no_resource_are_told() -> None:
    @dataclass
    class Nothing(Resource):
        size: int = 1

    with pytest.raises(InvalidError, match="Nothing"):
        here().add("a", Nothing())
    with pytest.raises(InvalidError, match="`Point` is not a resource"):
        here().add("a", Point(1))  # type: ignore[arg-type]


@pytest.mark.parametrize("document", [[1], "resources", None])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(InvalidError, match="a document is a mapping of sections"):
        Infrastructure.of(document)


def test_a_program_without_a_file_is_told_by_its_line(workspace: Workspace) -> None:
    wanted = here()
    exec('\n\nwanted.resource("a", "valu")', {"wanted": wanted})
    with pytest.raises(InvalidError) as caught:
        workspace.plan(wanted)
    [problem] = caught.value.diagnostics
    assert (problem.file, problem.line) == ("<string>", 3)
