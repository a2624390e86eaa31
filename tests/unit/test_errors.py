"""Errors say where, what, what to do, and whether a retry can help; and keep secrets."""

from __future__ import annotations

import pickle

import pytest

import vstore
from vstore import Closed, InvalidInput, NotFound, PartialWrite, Timeout, Unavailable, VStoreError
from vstore.core.operation import CallContext
from vstore.errors import BackendError, brief


def gate() -> CallContext:
    return CallContext("mydb", lambda error: BackendError(f"it said: {error}"), ["geheim", "s3cr3t-Zx9"])


def test_the_text_has_all_parts_in_order() -> None:
    error = NotFound("records do not exist", ids=["a", "b"], hint="Use upsert.")
    error.add_context(backend="mydb", operation="update", collection="docs")
    assert str(error) == "mydb: update on 'docs': records do not exist. Ids: 'a', 'b'. Use upsert."
    assert str(Unavailable("no answer")) == "no answer. A retry may help."


def test_many_ids_are_counted() -> None:
    error = NotFound("gone", ids=[str(n) for n in range(25)])
    assert "'9' and 15 more." in str(error)
    assert len(error.ids) == 25


def test_context_never_overwrites() -> None:
    error = InvalidInput("x", operation="inner")
    error.add_context(backend="mydb", operation="outer", collection="")
    assert (error.backend, error.operation) == ("mydb", "inner")


def test_errors_survive_pickling() -> None:
    error = NotFound("records do not exist", ids=["a"], hint="h", operation="update")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.ids == ["a"]
    partial = pickle.loads(pickle.dumps(PartialWrite("half", written=["a"])))
    assert partial.written == ["a"]
    assert partial.retryable


@pytest.mark.parametrize(("error", "kind"), [(Timeout("late", hint="h"), TimeoutError), (NotFound("x"), LookupError)])
def test_what_python_has_a_kind_for_is_of_that_kind_too(error: VStoreError, kind: type[Exception]) -> None:
    assert isinstance(error, kind)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.hint, again.retryable) == (str(error), error.hint, error.retryable)
    assert error.args == (error.message,)
    error.message = "s3cr3t-Zx9"
    error.redact(["s3cr3t-Zx9"])
    assert "s3cr3t-Zx9" not in str(error) + repr(error)


def test_a_store_without_a_version_has_no_gap_in_its_repr() -> None:
    with vstore.connect("memory:") as store:
        assert repr(store) == "<Store memory (memory)>"


def test_a_foreign_error_is_translated_and_chained_without_secrets() -> None:
    cause = RuntimeError("password geheim is wrong")
    with pytest.raises(BackendError) as caught, gate().operation("query", "docs"):
        raise cause
    assert caught.value.__cause__ is cause
    assert str(caught.value) == "mydb: query on 'docs': it said: password *** is wrong."


def test_errors_of_the_library_pass_with_context() -> None:
    with pytest.raises(VStoreError) as caught, gate().operation("query", "docs"):
        raise InvalidInput("k is s3cr3t-Zx9")
    assert str(caught.value) == "mydb: query on 'docs': k is ***."


def test_an_interrupt_passes_untouched() -> None:
    with pytest.raises(KeyboardInterrupt), gate().operation("query"):
        raise KeyboardInterrupt


def test_a_closed_gate_lets_nothing_through() -> None:
    closed = gate()
    assert closed.shut()
    assert not closed.shut(), "one caller alone closes"
    with pytest.raises(Closed, match="Connect again"), closed.operation("query"):
        pytest.fail("it ran")


def cut_off(open_gate: CallContext, error: Exception) -> None:
    """A call during which the store is closed."""
    with open_gate.operation("upsert", "docs"):
        assert open_gate.running == 1
        open_gate.shut()
        raise error


@pytest.mark.parametrize("error", [OSError("bad file descriptor"), Unavailable("gone"), NotFound("no such table")])
def test_what_a_call_meets_when_its_store_is_closed_below_it_is_closed(error: Exception) -> None:
    closing = gate()
    with pytest.raises(Closed, match="during this call") as caught:
        cut_off(closing, error)
    assert (caught.value.__cause__, caught.value.operation, caught.value.retryable) == (error, "upsert", False)
    assert closing.running == 0


@pytest.mark.parametrize("error", [InvalidInput("k is 0"), PartialWrite("half", written=["a"])])
def test_what_says_more_than_closed_stays(error: VStoreError) -> None:
    with pytest.raises(type(error)):
        cut_off(gate(), error)


def test_any_value_has_a_brief_form() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError

    assert brief("x" * 500) == "'" + "x" * 79
    assert brief(10**5000) == "a value of type int"  # Python refuses to print it
    assert brief(Silent()) == "a value of type Silent"
