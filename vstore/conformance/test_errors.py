"""Errors: ERR-1 to ERR-4."""

from __future__ import annotations

import io
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import vstore
from vstore import AlreadyExists, Closed, InvalidInput, LimitExceeded, NotFound, Store, Unsupported, VStoreError
from vstore.conformance.checks import names, raises, rows
from vstore.conformance.corpus import unique_name
from vstore.conformance.fixtures import New, clause
from vstore.conformance.session import Session
from vstore.core.registry import factory_for_scheme
from vstore.spi.urls import StoreURL

KINDS = [kind for kind in vars(vstore).values() if isinstance(kind, type) and issubclass(kind, VStoreError)]


@clause("ERR-1")
def test_the_kinds_are_those_of_the_contract() -> None:
    assert {kind.__name__ for kind in KINDS} == {
        "VStoreError", "InvalidInput", "Unsupported", "NotFound", "AlreadyExists", "Mismatch", "PartialWrite",
        "LimitExceeded", "AuthenticationFailed", "Unavailable", "Timeout", "Closed", "BackendError",
    }  # fmt: skip


@clause("ERR-1", "ERR-2")
def test_errors_say_where_what_and_what_to_do(store: Store, new: New) -> None:
    c = new()
    c.add(["a"], rows(1))
    limit = store.capabilities.limits.max_k
    cases: list[tuple[type[VStoreError], str, str, Callable[[], Any]]] = [
        (AlreadyExists, "add", c.name, lambda: c.add(["a"], rows(1))),
        (NotFound, "update", c.name, lambda: c.update(["b"], documents=["x"])),
        (NotFound, "get_collection", "vsNoSuchThing", lambda: store.get_collection("vsNoSuchThing")),
        (NotFound, "delete_collection", "vsNoSuchThing", lambda: store.delete_collection("vsNoSuchThing")),
        (AlreadyExists, "create_collection", c.name, lambda: store.create_collection(c.name, dimension=4)),
        (InvalidInput, "upsert", c.name, lambda: c.upsert(["b"])),
        (InvalidInput, "delete", c.name, lambda: c.delete()),
        (InvalidInput, "query", c.name, lambda: c.query(text="no embedder")),
        (LimitExceeded, "query", c.name, lambda: c.query(vector=rows(1)[0], k=limit + 1)),
    ]
    for kind, operation, collection, call in cases:
        with raises(kind) as caught:
            call()
        error = caught.error
        assert error.backend == store.capabilities.backend
        assert (error.operation, error.collection) == (operation, collection)
        assert error.hint, f"{kind.__name__} of {operation} must say what to do"
        assert error.hint in str(error)
        assert error.retryable is False


@clause("ERR-1")
def test_bad_arguments_of_any_type_are_vstore_errors(new: New) -> None:
    c = new()
    c.add(["a"], rows(1))
    odd: list[Any] = [
        7,
        1.5,
        "text",
        b"bytes",
        object(),
        {"a": object()},
        {1, 2},
        [[]],
        True,
        [object()],
        (x for x in [1]),
    ]
    for value in odd:
        for call in (
            lambda v: c.add(v, rows(1)),
            lambda v: c.add(["b"], v),
            lambda v: c.add(["b"], rows(1), v),
            lambda v: c.add(["b"], rows(1), None, v),
            lambda v: c.update(["a"], metadatas=v),
            lambda v: c.query(vector=v),
            lambda v: c.query(vector=rows(1)[0], search=v),
            lambda v: c.query(vector=rows(1)[0], where=v),
            lambda v: c.query_many(vectors=v),
            lambda v: c.delete(where=v),
        ):
            assert _error_of(lambda call=call, value=value: call(value)), f"{value!r} was taken"  # type: ignore[misc]
    assert c.count() == 1


@clause("ERR-1", "ERR-2")
def test_connecting_says_what_was_wrong(session: Session) -> None:
    for url in (
        "",
        "nosuchscheme:x",
        "http://localhost",
        7,
        "memory",
        ":memory:",
        f"{session.target.url.split('?')[0]}?no_such_option=1",
    ):
        with pytest.raises(InvalidInput) as caught:
            session.connect(url)  # type: ignore[arg-type]
        assert caught.value.operation == "connect"
        assert caught.value.hint
    with pytest.raises(InvalidInput):
        session.connect()
    with pytest.raises(InvalidInput):
        session.connect(client=object())
    with pytest.raises(InvalidInput):
        session.connect("memory:", client=object())


@clause("ERR-3")
def test_every_call_ends_within_its_timeout(session: Session) -> None:
    for wrong in (0, -1, float("nan"), float("inf"), "5", None, True):
        with pytest.raises(InvalidInput):
            session.connect(session.target.url, timeout=wrong)  # type: ignore[arg-type]
    name = unique_name()
    session.store.create_collection(name, dimension=64)  # what is made when its time is up stays for later tests
    session.release()

    def impatient() -> None:
        store = session.connect(session.target.url, timeout=0.05)
        try:
            c = store.create_collection(name, dimension=64, exist_ok=True)
            for turn in range(2):
                c.upsert(names(1000), rows(1000, 64, seed=turn))
        finally:
            store.close()

    begun = time.monotonic()
    error = _error_of(impatient)
    assert time.monotonic() - begun < 60
    if error is not None:
        assert type(error) in (vstore.Timeout, vstore.Unavailable, vstore.PartialWrite), error
        assert error.retryable
    session.store.delete_collection(name, missing_ok=True)


def _error_of(call: Callable[[], Any]) -> VStoreError | None:
    try:
        call()
    except VStoreError as error:
        return error
    return None


@clause("ERR-4")
def test_no_secret_is_shown(session: Session) -> None:
    secret = "s3cr3t-Zx9"  # noqa: S105  # it is one only here
    scheme = StoreURL.parse(session.target.url).scheme
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises(VStoreError) as caught:
            session.connect(f"{scheme}://someone:{secret}@127.0.0.1:1/nowhere", timeout=3)
    finally:
        logging.getLogger().removeHandler(handler)
    shown = [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value)), log.getvalue()]
    assert all(secret not in text for text in shown)
    for option in (name for name, one in factory_for_scheme(scheme).options.items() if one.secret):
        with pytest.raises(VStoreError) as caught:
            session.connect(f"{scheme}://127.0.0.1:1?{option}={secret}", timeout=3)
        assert secret not in "".join(traceback.format_exception(caught.value)), option
    parsed = StoreURL.parse(session.target.url)
    c = session.corpus
    for text in (
        repr(session.store),
        repr(c),
        repr(parsed),
        str(parsed),
        repr(session.target),
        repr(session.store.capabilities),
    ):
        assert not parsed.password or parsed.password not in text
    with raises(InvalidInput) as refused:
        c.get(["\x00"])
    assert not parsed.password or parsed.password not in str(refused.error)


@clause("ERR-2")
def test_an_error_of_many_ids_stays_short(new: New) -> None:
    c = new()
    c.add(names(500), rows(500))
    with raises(AlreadyExists) as caught:
        c.add(names(500), rows(500))
    assert sorted(caught.error.ids) == names(500)
    assert len(str(caught.error)) < 1000


@clause("ERR-1")
def test_the_kinds_cannot_be_mistaken() -> None:
    own = [kind for kind in KINDS if kind is not VStoreError]
    assert not [(kind, other) for kind in own for other in own if kind is not other and issubclass(kind, other)]
    assert {kind.__name__ for kind in KINDS if kind.default_retryable} == {"PartialWrite", "Unavailable", "Timeout"}
    assert not Closed.default_retryable
    assert not Unsupported.default_retryable
