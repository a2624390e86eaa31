"""``connect``, and the checks and the final form of errors that it shares with its async twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vstore._sync.store import Store
from vstore.errors import BackendError, InvalidInput, Unsupported, VStoreError
from vstore.registry import plan_borrow, plan_connect
from vstore.urls import OptionValue

__all__ = ["DEFAULT_TIMEOUT", "check_target", "connect", "reporting"]

DEFAULT_TIMEOUT = 30.0


@contextmanager
def reporting(backend: str, secrets: Sequence[str] = ()) -> Iterator[None]:
    """Gives every error that connecting raises its final form, without ``secrets``."""
    try:
        yield
    except ImportError as error:
        raise Unsupported(
            f"its client library cannot be imported: {error}",
            hint=f"Install it with pip install 'vstore-db[{backend}]'.",
            backend=backend,
            operation="connect",
        ) from error
    except VStoreError as error:
        error.add_context(backend=backend, operation="connect", collection="")
        error.redact(secrets)
        raise
    except Exception as error:
        raise BackendError(
            f"{type(error).__name__} while connecting; the cause is chained", backend=backend, operation="connect"
        ) from error


def check_target(url: object, client: object) -> None:
    """Raises ``InvalidInput`` unless exactly one of the two is given."""
    if (url is None) == (client is None):
        raise InvalidInput("connect takes a URL or client=, one of them", operation="connect")


def connect(
    url: str | None = None, *, client: object | None = None, timeout: float = DEFAULT_TIMEOUT, **options: OptionValue
) -> Store:
    """Connects to a database.

    Args:
        url: ``memory:``, ``chroma:PATH``, ``chroma::memory:``, ``chroma://host:port``, ``pgvector:PATH``,
            ``pgvector://user:password@host/database`` (also ``postgresql://``); ``scheme+https://`` for TLS.
            Options may follow as query parameters.
        client: Instead of a URL, a client the application has; it is never closed here.
        timeout: Seconds after which any call ends with ``Timeout``; up to a day.
        **options: The adapter's options; an unknown one is refused with the list of those known.

    Returns:
        A ``Store``; close it, or use it in a ``with``.

    Raises:
        InvalidInput: A URL or option that cannot be read.
        Unsupported: The client library is not installed, or its version is too old.
        Unavailable: The server cannot be reached.
        AuthenticationFailed: The server refused the credentials.
        Timeout: It did not answer in time.
    """
    with reporting(""):
        check_target(url, client)
        if client is not None:
            factory, settings = plan_borrow(client, timeout, options)
        else:
            factory, parsed, settings = plan_connect(url, timeout, options)
    with reporting(factory.name, settings.secrets):
        if client is not None:
            return Store(factory.borrow(client, settings))
        return Store(factory.connect(parsed, settings))
