"""Chroma's errors to the contract's, as a table."""

from __future__ import annotations

import chromadb.errors as chroma
import httpx
import pytest

from vstore import errors
from vstore_chroma.errors import guarded, translate


def _answered(status: int, text: str = "no JSON") -> Exception:
    """An error as chromadb raises it for an answer that is no JSON of its own."""
    request = httpx.Request("POST", "http://127.0.0.1/")
    try:
        try:
            httpx.Response(status, request=request, text=text).raise_for_status()
        except httpx.HTTPStatusError:
            raise Exception(text)  # noqa: B904 - as chromadb does
    except Exception as error:  # noqa: BLE001
        return error


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (chroma.NotFoundError("Collection [x] does not exist"), errors.NotFound, False),
        (chroma.ChromaError("Missing field: [Missing metadata segment]"), errors.NotFound, False),
        (chroma.InternalError("Collection [x] already exists"), errors.AlreadyExists, False),
        (chroma.ChromaError("Collection [x] already exists"), errors.AlreadyExists, False),
        (chroma.InternalError("error: UNIQUE constraint failed: collections.name"), errors.AlreadyExists, False),
        (chroma.UniqueConstraintError("x"), errors.AlreadyExists, False),
        (chroma.AuthorizationError("x"), errors.AuthenticationFailed, False),
        (chroma.ChromaAuthError("x"), errors.AuthenticationFailed, False),
        (chroma.BatchSizeExceededError("x"), errors.LimitExceeded, False),
        (chroma.InternalError("too many SQL variables"), errors.LimitExceeded, False),
        (chroma.RateLimitError("x"), errors.Unavailable, True),
        (chroma.InternalError("Nothing found on disk"), errors.Unavailable, True),
        (chroma.InternalError("Error executing plan: Internal error: Error finding id"), errors.Unavailable, True),
        (chroma.InternalError("disk is full"), errors.BackendError, False),
        (httpx.ConnectError("refused"), errors.Unavailable, True),
        (httpx.ReadError("reset"), errors.Unavailable, True),
        (httpx.ConnectTimeout("slow"), errors.Timeout, True),
        (httpx.ReadTimeout("slow"), errors.Timeout, True),
        (_answered(401), errors.AuthenticationFailed, False),
        (_answered(403), errors.AuthenticationFailed, False),
        (_answered(413), errors.LimitExceeded, False),
        (_answered(503), errors.Unavailable, True),
        (_answered(504), errors.Timeout, True),
        (_answered(500), errors.BackendError, False),
        (ValueError("odd"), errors.BackendError, False),
    ],
)
def test_table(error: Exception, kind: type[errors.VStoreError], retryable: bool) -> None:
    found = translate(error)
    assert type(found) is kind
    assert found.retryable is retryable
    with pytest.raises(kind) as raised, guarded():
        raise error
    assert raised.value.__cause__ is error


def test_a_panic_of_the_engine_is_an_error_and_an_interrupt_is_not() -> None:
    panic = type("PanicException", (BaseException,), {})  # as pyo3 names it; its class cannot be imported
    with pytest.raises(errors.BackendError, match="panicked"), guarded():
        raise panic("index out of bounds")
    with pytest.raises(KeyboardInterrupt), guarded():
        raise KeyboardInterrupt
