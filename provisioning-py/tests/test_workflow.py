"""Workflows put together: what tasks are handed, and what they give."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from provisioning import Context, Token, Workspace, task, workflow

GIVEN: Any = None
"""Stands for what the engine hands over."""


@task(idempotent=True)
def give(value: Any) -> Any:
    """Give back what it was handed."""
    return value


@task(idempotent=True)
def show(value: Any) -> str:
    return repr(value)


@dataclass
class Page:
    url: str
    links: list[str]


@dataclass
class Book:
    title: str
    pages: list[Page]


@task(idempotent=True)
def fetch(url: str) -> Page:
    return Page(url, [f"{url}/a", f"{url}/b"])


@task(idempotent=True)
async def bind(title: str, pages: list[Page]) -> Book:
    await asyncio.sleep(0)
    assert all(isinstance(page, Page) for page in pages)
    return Book(title, pages)


@task(idempotent=True)
def index(book: Book, first: Page, link: str) -> list[str]:
    assert isinstance(book, Book) and isinstance(book.pages[0], Page) and isinstance(first, Page)
    return [book.title, first.url, link, *(page.url for page in book.pages)]


def test_results_are_handed_over_whole_by_part_and_in_lists(workspace: Workspace) -> None:
    @workflow
    def library() -> Any:
        pages = [fetch("x"), fetch("y")]
        book = bind("xy", pages)
        return {"index": index(book, pages[0], pages[1].links[1]), "last": book.pages[1].links[0], "book": book}

    page = [{"url": url, "links": [f"{url}/a", f"{url}/b"]} for url in ("x", "y")]
    assert library.run(workspace, "key").result() == {
        "index": ["xy", "x", "y/b", "x", "y"],
        "last": "y/a",
        "book": {"title": "xy", "pages": page},
    }
    names = list(library.job(workspace, "key").workspace.state())
    assert names == ["bind", "fetch", "fetch_2", "index"]


@pytest.mark.parametrize("value", [0, 1.5, "", "text", True, [], [1, [2, {"a": []}]], {}, {"a": {"b": None}}, [None, 1], None])
def test_a_value_comes_out_of_a_task_as_it_went_in(workspace: Workspace, value: Any) -> None:
    @workflow
    def through() -> Any:
        given = give(value)
        return [given, show(given), show(value)]

    assert through.run(workspace, "key").result() == [value, repr(value), repr(value)]


@task(idempotent=True)
def nothing() -> None:
    return None


def test_a_task_that_gives_nothing_gives_none(workspace: Workspace) -> None:
    @workflow
    def idle() -> Any:
        return nothing()

    assert idle.run(workspace, "key").result() is None


def test_a_workflow_that_gives_nothing_gives_none(workspace: Workspace) -> None:
    @workflow
    def idle() -> None:
        nothing()

    run = idle.run(workspace, "key")
    assert run.result() is None and list(run.job.workspace.state()) == ["nothing"]


@pytest.mark.parametrize("text", ["${give.result}", "${", "$${x}", "$", "}", "${secret.token}", "a ${b} c ${d}"])
def test_texts_stay_as_they_are(workspace: Workspace, text: str) -> None:
    @workflow
    def quote() -> Any:
        given = give({"text": text})
        return [given["text"], show(text), text, give([given, text])]

    assert quote.run(workspace, "key").result() == [text, repr(text), text, [{"text": text}, text]]


@task(idempotent=True)
def defaults(first: int | None = None, second: str = "${two}", *, third: Any = None) -> list[Any]:
    return [first, second, third]


def test_parameters_have_their_defaults_and_may_be_named(workspace: Workspace) -> None:
    @workflow
    def all_ways() -> Any:
        one = give(1)
        return [defaults(), defaults(one, "b"), defaults(third=one, first=3), defaults(None, second="c")]

    assert all_ways.run(workspace, "key").result() == [
        [None, "${two}", None],
        [1, "b", None],
        [3, "${two}", 1],
        [None, "c", None],
    ]


@task(idempotent=True)
def told(value: int, token: Token = GIVEN, context: Context = GIVEN) -> dict[str, Any]:
    context.progress(f"told {value}")
    return {"token": token, "same": token == context.token, "step": context.resource}


def test_the_engine_hands_over_the_token_and_the_context(workspace: Workspace) -> None:
    @workflow
    def asked() -> Any:
        return [told(1), told.options(name="named")(2)]

    messages: list[str | None] = []
    run = asked.job(workspace, "key").run(on_event=lambda event: messages.append(event.message))
    first, second = run.result()
    assert (first["step"], second["step"], first["same"], second["same"]) == ("told", "named", True, True)
    assert first["token"] != second["token"] and {"told 1", "told 2"} <= set(messages)


@task(idempotent=True)
def maybe(token: Token | None = None, context: Context | None = None) -> bool:
    return token is not None and context is not None and token == context.token


def test_what_the_engine_hands_over_may_be_left_out_of_the_call(workspace: Workspace) -> None:
    @workflow
    def asked() -> bool:
        return maybe()

    assert asked.run(workspace, "key").result() is True and maybe() is False


def test_a_type_that_is_known_only_inside_a_function_does_not_hide_the_token(workspace: Workspace) -> None:
    @dataclass
    class Inner:
        size: int

    @task
    def local(inner: Inner, token: Token = GIVEN) -> bool:
        return isinstance(token, str) and bool(token)

    @workflow
    def asked() -> Any:
        return local({"size": 1})  # type: ignore[arg-type]

    assert asked.run(workspace, "key").result() is True


def test_order_without_a_result_is_said_with_after(workspace: Workspace) -> None:
    done: list[str] = []

    @task
    def mark(name: str) -> None:
        done.append(name)

    @workflow
    def ordered() -> None:
        last = mark.options(name="third", after=[])
        first = mark.options(name="first")("first")
        second = mark.options(after=[first])("second")
        last.options(after=[first, second])("third")

    job = ordered.job(workspace, "key")
    assert [step.id for step in job.plan().steps] == ["first/create", "mark/create", "mark_2/create"]
    job.run().wait()
    assert done == ["first", "second", "third"]


def test_workflows_are_parts_of_others(workspace: Workspace) -> None:
    @workflow
    def inner(value: int) -> Any:
        return give([give(value)])

    @workflow(name="outside")
    def outer() -> Any:
        return [inner(1), inner(2)]

    assert (outer.name, repr(outer)) == ("outside", "<Workflow outside>")
    assert outer.run(workspace, "key").result() == [[1], [2]]


def test_a_job_that_is_made_inside_a_workflow_leaves_that_one_alone(workspace: Workspace) -> None:
    @workflow
    def inner() -> Any:
        return give("inner")

    @workflow
    def outer() -> Any:
        before = give("before")
        inner.job(workspace, "inner")
        return [before, give("after")]

    assert {change.resource for change in outer.job(workspace, "key").plan()} == {"give", "give_2"}


def test_a_task_is_its_function_outside_of_a_workflow_and_inside_of_a_task(workspace: Workspace) -> None:
    @task
    def outer(value: int) -> list[Any]:
        return [give(value), threading.current_thread() is threading.main_thread()]

    @workflow
    def nested() -> Any:
        return outer(1)

    assert give(7) == 7 and give.__doc__ == "Give back what it was handed." and repr(give) == "<Task give>"
    assert asyncio.run(bind("t", [])) == Book("t", [])  # type: ignore[arg-type]
    run = nested.run(workspace, "key")
    assert run.result() == [1, False] and list(run.job.workspace.state()) == ["outer"]
