"""Exceptions: one class for every kind of error, and what each carries."""

from __future__ import annotations

import inspect
import pickle

import pytest

import provisioning
from conftest import Board, notes
from provisioning import Diagnostic, ProvisioningError, Retry, RunError, Workspace, errors
from provisioning._provisioning import ERROR_CODES


def classes() -> list[type[ProvisioningError]]:
    """Every class for a kind of error: all but the base, and the one for runs, whose kind is that of what failed."""
    found = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, ProvisioningError)]
    return [one for one in found if one not in (ProvisioningError, RunError)]


def test_every_code_has_exactly_one_class() -> None:
    assert sorted(one.code for one in classes()) == sorted(ERROR_CODES)


def test_every_class_is_named_in_the_package() -> None:
    assert {one.__name__ for one in classes()} <= set(provisioning.__all__)
    assert {one.__name__ for one in classes()} <= set(errors.__all__)


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_an_error_comes_out_of_the_engine_as_it_was_raised_in_a_provider(
    noted: Workspace, board: Board, kind: type[ProvisioningError]
) -> None:
    noted.apply(notes("ada")).wait()

    def fail(id: str) -> None:
        raise kind("it broke", hint="mend it")

    board.look = fail
    with pytest.raises(ProvisioningError) as caught:
        noted.plan(notes("ada"))
    assert type(caught.value) is kind and caught.value.code == kind.code
    assert "it broke" in caught.value.message and caught.value.hint == "mend it"
    assert caught.value.retry is kind("it broke").retry


def test_errors_are_also_the_builtin_ones_that_they_resemble() -> None:
    assert issubclass(errors.InvalidError, ValueError)
    assert issubclass(errors.NotFoundError, LookupError)
    assert not issubclass(errors.ConflictError, (ValueError, LookupError))


def test_a_missing_workspace_is_caught_as_a_lookup_error(tmp_path: object) -> None:
    with pytest.raises(LookupError) as caught:
        Workspace.open(f"{tmp_path}/nowhere")
    assert isinstance(caught.value, errors.NotFoundError)


def test_a_class_says_by_itself_whether_the_call_had_an_effect() -> None:
    assert errors.InvalidError("no").retry is Retry.NEVER
    assert errors.LimitedError("slow down").retry is Retry.LATER
    assert errors.UnavailableError("no answer").retry is Retry.UNSURE
    assert errors.UnavailableError("refused", retry=Retry.LATER).retry is Retry.LATER


def test_the_text_is_the_message_and_then_the_hint() -> None:
    assert str(errors.DeniedError("`eu-1` refused the key")) == "`eu-1` refused the key"
    assert str(errors.DeniedError("`eu-1` refused the key", hint="renew it")) == "`eu-1` refused the key\n  hint: renew it"


def test_the_text_of_several_problems_has_a_line_for_each() -> None:
    first = Diagnostic("is not a field here", "resources.web.siz", "main.ncl", 3, 5, "did you mean `size`?")
    second = Diagnostic("is required", "resources.web.size")
    error = errors.InvalidError("2 problems in the input", diagnostics=[first, second])
    assert str(error).splitlines() == [
        "main.ncl:3:5: `resources.web.siz`: is not a field here",
        "  hint: did you mean `size`?",
        "`resources.web.size`: is required",
    ]
    assert error.message == "main.ncl:3:5: `resources.web.siz`: is not a field here"


def test_a_diagnostic_shows_as_much_of_its_place_as_it_knows() -> None:
    assert str(Diagnostic("declares nothing", file="main.toml")) == "main.toml: declares nothing"
    assert str(Diagnostic("declares nothing")) == "declares nothing"


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_pickling_keeps_the_class_and_everything_it_carries(kind: type[ProvisioningError]) -> None:
    problem = Diagnostic("is required", "resources.web", "main.ncl", 1, 2, "write it")
    error = kind("it broke", hint="mend it", retry=Retry.LATER, after=2.0, context={"path": "/"}, diagnostics=[problem])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and again is not error
    assert (again.args, again.hint, again.retry, again.after) == (error.args, "mend it", Retry.LATER, 2.0)
    assert (again.context, again.diagnostics, str(again)) == ({"path": "/"}, (problem,), str(error))


def test_a_run_error_carries_the_report_and_the_code_of_the_first_failure(noted: Workspace, board: Board) -> None:
    def refuse(call: str, _: object) -> None:
        raise errors.DeniedError("the wall is not yours", hint="ask for it")

    board.before = refuse
    with pytest.raises(RunError) as caught:
        noted.apply(notes("ada")).wait()
    error = caught.value
    assert error.code == "denied" and RunError.code == "conflict"
    assert [(failure.step, failure.code) for failure in error.report.failures] == [("ada/create", "denied")]
    assert error.report.failures[0].hint == "ask for it"
    assert "the wall is not yours" in str(error)


def test_a_run_error_survives_pickling_with_its_report(noted: Workspace, board: Board) -> None:
    def refuse(call: str, _: object) -> None:
        raise errors.DeniedError("the wall is not yours")

    board.before = refuse
    with pytest.raises(RunError) as caught:
        noted.apply(notes("ada")).wait()
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, RunError)
    assert again.report == caught.value.report and again.code == "denied" and str(again) == str(caught.value)


def test_an_exception_of_another_class_is_told_with_the_place_where_it_was_raised(noted: Workspace, board: Board) -> None:
    def stumble(call: str, _: object) -> None:
        raise RuntimeError("tripped")

    line = stumble.__code__.co_firstlineno + 1
    board.before = stumble
    report = noted.apply(notes("ada")).wait(check=False)
    assert report.in_doubt == {"ada/create": f"RuntimeError: tripped (test_errors.py:{line})"}
