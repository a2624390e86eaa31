"""From a store URL and options to how PostgreSQL is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput, brief
from vstore.keys import encodable
from vstore.spi.durable import located
from vstore.spi.protocol import Settings
from vstore.spi.urls import Option, StoreURL
from vstore_pgvector.libpq import PARAMETERS, parameters

__all__ = ["OPTIONS", "Target", "read_target"]

OPTIONS: Final[dict[str, Option]] = {
    "schema": Option("vstore", "PostgreSQL schema that holds the collections", with_client=True),
    "pool_size": Option(8, "most connections open at once", with_client=True),
    "prepare": Option(
        True, "whether sessions keep prepared statements and settings; never behind a pooler", with_client=True
    ),
    "metadata_index": Option(True, "whether new collections index their metadata (GIN)", with_client=True),
    "build_memory": Option(
        "", "memory for building an index, such as 2GB (maintenance_work_mem); empty: the server's", with_client=True
    ),
    "build_workers": Option(
        -1,
        "processes beside its own that build an index (max_parallel_maintenance_workers); -1: the server's",
        with_client=True,
    ),
    **PARAMETERS,
}
_MEMORY: Final = re.compile(r"[1-9][0-9]{0,8}(kB|MB|GB|TB)")
_MAX_IDENTIFIER: Final = 63  # PostgreSQL cuts longer names silently
_MAX_WORKERS: Final = 1_024  # PostgreSQL's


@dataclass(frozen=True, slots=True)
class Target:
    """How PostgreSQL is reached.

    Attributes:
        conninfo: Connection parameters of libpq; empty for an embedded server and for a borrowed client.
        folder: Data directory of the embedded server, or None.
        schema: Schema that holds the collections and their catalogue.
        pool_size: Most connections open at once.
        prepare: Whether a connection to the server itself keeps prepared statements and settings.
        metadata_index: Whether new collections get a GIN index on their metadata.
        build: PostgreSQL's settings while an index is built.
        timeout: Seconds one statement may take.
    """

    conninfo: dict[str, str | int] = field(repr=False)
    folder: Path | None
    schema: str
    pool_size: int
    prepare: bool
    metadata_index: bool
    build: Mapping[str, str]
    timeout: float

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords that there are."""
        return tuple(str(self.conninfo[name]) for name in ("password", "sslpassword") if self.conninfo.get(name))


def read_target(url: StoreURL | None, settings: Settings) -> Target:
    """Return the configuration that a URL, or None for a borrowed client, and its options mean.

    Raises:
        InvalidInput: Options that contradict each other or are out of range.
    """
    options = settings.options
    schema, pool_size = str(options["schema"]), int(options["pool_size"])
    if not encodable(schema):
        raise InvalidInput("the option 'schema' is no valid Unicode")
    if not schema or len(schema.encode()) > _MAX_IDENTIFIER or "\x00" in schema:
        raise InvalidInput(f"the option 'schema' must have 1 to {_MAX_IDENTIFIER} bytes")
    if schema.startswith("pg_"):
        raise InvalidInput("schema names that begin with pg_ belong to PostgreSQL itself")
    if not 1 <= pool_size <= 1000:
        raise InvalidInput(f"the option 'pool_size' must be from 1 to 1000, not {pool_size}")
    conninfo = parameters(url, settings)
    folder: Path | None = None
    if url is not None and url.path is not None:
        if url.scheme != "pgvector":
            raise InvalidInput(f"{url.scheme}: needs a server", hint="An embedded server is pgvector:PATH.")
        if url.path in ("", ":memory:"):
            raise InvalidInput("an embedded PostgreSQL needs a directory", hint="Write pgvector:PATH.")
        folder = located(url.path)
    prepare, metadata_index = bool(options["prepare"]), bool(options["metadata_index"])
    build = _build(str(options["build_memory"]), int(options["build_workers"]))
    return Target(conninfo, folder, schema, pool_size, prepare, metadata_index, build, settings.timeout)


def _build(memory: str, workers: int) -> dict[str, str]:
    """Return the settings that differ from the server's own."""
    if memory and not _MEMORY.fullmatch(memory):
        raise InvalidInput(
            f"the option 'build_memory' is no amount of memory: {brief(memory)}",
            hint="Write a number and kB, MB, GB or TB, such as 2GB.",
        )
    if not -1 <= workers <= _MAX_WORKERS:
        raise InvalidInput(f"the option 'build_workers' must be from -1 to {_MAX_WORKERS:,}, not {workers}")
    settings = {"maintenance_work_mem": memory} if memory else {}
    return settings | ({"max_parallel_maintenance_workers": str(workers)} if workers >= 0 else {})
