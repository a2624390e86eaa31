"""What the errors of the ``openai`` package become."""

from __future__ import annotations

from typing import Any, Final

from vstore.errors import (
    AuthenticationFailed,
    BackendError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Timeout,
    Unavailable,
    VStoreError,
)

__all__ = ["BACKEND", "mask", "translate"]

BACKEND: Final = "openai"
_SHOWN: Final = 300
_TOO_LONG: Final = {"context_length_exceeded", "string_above_max_length", "array_above_max_length"}
_SPENT: Final = {"insufficient_quota", "billing_hard_limit_reached"}


def translate(openai: Any, error: Exception, *, model: str, key_name: str, timeout: float, retries: int) -> VStoreError:
    """The contract's error for one that the package raised, behind all of its retries.

    Args:
        openai: The package.
        error: What it raised.
        model: The model asked.
        key_name: The environment variable that holds the key.
        timeout: Seconds one request may take.
        retries: How often a request was repeated.
    """
    found = _translate(openai, error, model, key_name, timeout, retries)
    found.backend = BACKEND
    return found


def mask(error: Exception, secret: str) -> None:
    """Puts ``***`` where a server has repeated a secret: the error is chained, and a traceback shows its texts."""
    error.args = tuple(one.replace(secret, "***") if isinstance(one, str) else one for one in error.args)
    for name in ("message", "body"):
        if (said := getattr(error, name, None)) is not None:
            setattr(error, name, _masked(said, secret))


def _masked(said: Any, secret: str) -> Any:
    if isinstance(said, dict):
        return {key: _masked(value, secret) for key, value in said.items()}
    return said.replace(secret, "***") if isinstance(said, str) else said


def _translate(openai: Any, error: Exception, model: str, key_name: str, timeout: float, retries: int) -> VStoreError:
    tried = f"after {retries} retries" if retries else "and retries are off"
    if isinstance(error, openai.APITimeoutError):
        return Timeout(f"no answer within {timeout:g} s, {tried}", hint="Raise timeout=, or send smaller batches.")
    if isinstance(error, openai.APIConnectionError):
        return Unavailable(f"the endpoint cannot be reached, {tried}", hint="Check base_url.")
    if not isinstance(error, openai.APIStatusError):
        return BackendError(f"{type(error).__name__} in the answer of the endpoint; the cause is chained")
    status, said = error.status_code, _said(error)
    code = str(error.code or "")
    match status:
        case 401 | 403:
            return AuthenticationFailed(f"the endpoint refused the key: {said}", hint=f"Check {key_name}.")
        case 404:
            return NotFound(f"the endpoint knows no model {model!r}: {said}", hint="Check base_url and the model.")
        case 413:
            return LimitExceeded(f"a batch is too large: {said}", hint="Lower batch_size= or max_batch_bytes=.")
        case 429 if code in _SPENT:
            return Unavailable(f"the quota is spent: {said}", hint="Raise it, or wait.", retryable=False)
        case 429:
            return Unavailable(f"the rate limit is reached, {tried}: {said}", hint="Lower concurrency= or batch_size=.")
        case 400 | 422 if code in _TOO_LONG:
            return LimitExceeded(f"a text is too long for {model!r}: {said}", hint="Split it.")
        case 400 | 422:
            return InvalidInput(f"the endpoint refused the texts or the settings: {said}")
        case 408 | 409:
            return Unavailable(f"the endpoint answered {status}, {tried}: {said}")
        case _ if status >= 500:
            return Unavailable(f"the endpoint answered {status}, {tried}: {said}")
    return BackendError(f"the endpoint answered {status}: {said}")


def _said(error: Any) -> str:
    """The server's own words, shortened: it may repeat a whole text."""
    body = error.body
    text = str(body.get("message") or body) if isinstance(body, dict) else str(error.message)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
