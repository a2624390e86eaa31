"""``connect``: the door of the library."""

from __future__ import annotations

from typing import Final, Unpack, overload

from vstore.core._sync.opening import open_store
from vstore.core._sync.store import Store
from vstore.core.registry import plan
from vstore.core.settings import chosen, store_url
from vstore.options import ChromaOptions, MilvusOptions, PgvectorOptions, QdrantOptions
from vstore.spi.urls import OptionValue

__all__ = ["DEFAULT_RETRIES", "DEFAULT_TIMEOUT", "connect"]

DEFAULT_TIMEOUT: Final = 30.0
DEFAULT_RETRIES: Final = 0


@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[MilvusOptions],
) -> Store: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[ChromaOptions],
) -> Store: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[PgvectorOptions],
) -> Store: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[QdrantOptions],
) -> Store: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: OptionValue,
) -> Store: ...
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    retries: int = DEFAULT_RETRIES,
    **options: OptionValue,
) -> Store:
    """Connect to a database.

    Args:
        url: ``memory:``, ``chroma:PATH``, ``chroma::memory:``, ``chroma://host:port``, ``qdrant:PATH``,
            ``qdrant::memory:``, ``qdrant://host:port``, ``milvus:PATH.db``, ``milvus://host:port``,
            ``pgvector:PATH``, ``pgvector://user:password@host/database`` (also ``postgresql://``);
            ``scheme+https://`` for TLS. Options, timeout and retries may follow as query parameters. Or the name of a
            store in ``vstore.toml``, with its options from there. By default what the environment variable
            ``VSTORE_URL`` holds.
        client: Instead of a URL, a client the application has; it is never closed here.
        timeout: Seconds after which any call ends with ``Timeout``; up to a day.
        retries: How often a call that failed with a retryable error is made again, after growing pauses, if it is
            safe to repeat: connecting, reads, upsert, update, delete and clear. No attempt begins later than
            ``timeout`` after the first. 0 to 100.
        **options: Options of the database, as ``vstore.options`` lists them; an unknown one is refused.

    Returns:
        A ``Store``; close it, or use it in a ``with``.

    Raises:
        InvalidInput: A URL or option that cannot be read, or a name that no ``vstore.toml`` has.
        Unsupported: The client library is not installed, or its version is too old.
        Unavailable: The server cannot be reached.
        AuthenticationFailed: The server refused the credentials.
        Timeout: It did not answer in time.

    Example:
        >>> with vstore.connect("chroma://localhost:8000", token="...", retries=3) as store:
        ...     print(list(store))
    """
    return open_store(plan(store_url(chosen(url, client)), client, timeout, retries, options))
