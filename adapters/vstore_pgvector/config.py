"""From a store URL and options to how PostgreSQL is reached."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput
from vstore.protocol import Settings
from vstore.urls import Option, OptionValue, StoreURL

__all__ = ["OPTIONS", "Config", "read"]

OPTIONS: Final[dict[str, Option]] = {
    "schema": Option("vstore", "PostgreSQL schema that holds the collections"),
    "pool_size": Option(8, "most connections open at once"),
    "prepare": Option(True, "whether sessions keep prepared statements and settings; never behind a pooler"),
    "metadata_index": Option(True, "whether new collections index their metadata (GIN)"),
    "sslmode": Option("", "libpq's sslmode: disable, allow, prefer, require, verify-ca or verify-full"),
    "sslrootcert": Option("", "file with the certificate authorities, or 'system'"),
    "sslcert": Option("", "file with the client's certificate"),
    "sslkey": Option("", "file with the client's key"),
}
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_MAX_IDENTIFIER: Final = 63  # PostgreSQL cuts longer names silently


@dataclass(frozen=True, slots=True)
class Config:
    """How PostgreSQL is reached.

    Attributes:
        conninfo: Connection parameters of libpq; empty for an embedded server and for a borrowed client.
        folder: Data directory of the embedded server, or None.
        schema: Schema that holds the collections and their catalogue.
        pool_size: Most connections open at once.
        prepare: Whether a connection to the server itself keeps prepared statements and settings.
        metadata_index: Whether new collections get a GIN index on their metadata.
        timeout: Seconds one statement may take.
    """

    conninfo: dict[str, str | int] = field(repr=False)
    folder: Path | None
    schema: str
    pool_size: int
    prepare: bool
    metadata_index: bool
    timeout: float

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password, if there is one."""
        password = self.conninfo.get("password")
        return (str(password),) if password else ()


def read(url: StoreURL | None, settings: Settings) -> Config:
    """The configuration that a URL, or None for a borrowed client, and its options mean.

    Raises:
        InvalidInput: Options that contradict each other or are out of range.
    """
    options = settings.options
    schema, pool_size = str(options["schema"]), int(options["pool_size"])
    if not schema or len(schema.encode()) > _MAX_IDENTIFIER or "\x00" in schema:
        raise InvalidInput(f"the option 'schema' must have 1 to {_MAX_IDENTIFIER} bytes")
    if schema.startswith("pg_"):
        raise InvalidInput("schema names that begin with pg_ belong to PostgreSQL itself")
    if not 1 <= pool_size <= 1000:
        raise InvalidInput(f"the option 'pool_size' must be from 1 to 1000, not {pool_size}")
    folder: Path | None = None
    conninfo: dict[str, str | int] = {}
    if url is not None:
        ssl = _ssl(url, {name: str(options[name]) for name in ("sslmode", "sslrootcert", "sslcert", "sslkey")})
        if url.path is None:
            conninfo = _conninfo(url, settings.timeout) | ssl
        elif url.scheme != "pgvector":
            raise InvalidInput(f"{url.scheme}: needs a server", hint="An embedded server is pgvector:PATH.")
        elif url.path in ("", ":memory:"):
            raise InvalidInput("an embedded PostgreSQL needs a directory", hint="Write pgvector:PATH.")
        elif ssl:
            raise InvalidInput("an embedded server is reached without a network: it has no SSL options")
        else:
            folder = Path(url.path).expanduser().resolve()
    prepare, metadata_index = bool(options["prepare"]), bool(options["metadata_index"])
    return Config(conninfo, folder, schema, pool_size, prepare, metadata_index, settings.timeout)


def _ssl(url: StoreURL, given: dict[str, OptionValue]) -> dict[str, str | int]:
    chosen: dict[str, str | int] = {name: str(value) for name, value in given.items() if value}
    mode = chosen.get("sslmode")
    if mode is not None and mode not in _SSL_MODES:
        raise InvalidInput(f"sslmode must be one of {', '.join(_SSL_MODES)}, not {mode!r}")
    if url.tls:
        if mode not in (None, "verify-full"):
            raise InvalidInput(f"+https means sslmode=verify-full; the URL also says {mode}", hint="Leave one out.")
        chosen["sslmode"] = "verify-full"
        chosen.setdefault("sslrootcert", "system")
    return chosen


def _conninfo(url: StoreURL, timeout: float) -> dict[str, str | int]:
    given = {"user": url.user, "password": url.password, "dbname": url.database}
    return {
        "host": url.host,
        "port": url.port or 5432,
        **{name: value for name, value in given.items() if value},  # libpq has its own defaults, e.g. ~/.pgpass
        "application_name": "vstore",
        "client_encoding": "utf8",
        "connect_timeout": max(2, math.ceil(timeout)),  # libpq takes whole seconds, at least 2
        # A network that swallows packets must not hold a call for the two hours of the kernel's defaults.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": math.ceil(timeout * 1000),
    }
