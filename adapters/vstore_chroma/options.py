"""From a URL and options to what a Chroma client needs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final, Literal

from vstore.errors import InvalidInput
from vstore.spi.durable import located
from vstore.spi.protocol import Settings
from vstore.spi.urls import Option, StoreURL

__all__ = ["DEFAULT_DATABASE", "DEFAULT_TENANT", "OPTIONS", "Target", "read_target"]

DEFAULT_TENANT: Final = "default_tenant"
DEFAULT_DATABASE: Final = "default_database"
DEFAULT_PORT: Final = 8000

OPTIONS: Final[dict[str, Option]] = {
    "tenant": Option(DEFAULT_TENANT, "the tenant, which must exist"),
    "database": Option(DEFAULT_DATABASE, "the database of that tenant, which must exist"),
    "token": Option("", "an API token, sent as X-Chroma-Token and as Authorization: Bearer", secret=True),
    "headers": Option("", "more HTTP headers, as a JSON object of strings", secret=True),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect.

    Attributes:
        kind: ``"memory"``, ``"directory"`` or ``"server"``.
        path: For a directory its absolute path, symbolic links resolved.
        host: For a server its host.
        port: Its port.
        tls: Whether it is reached over TLS.
        headers: HTTP headers to send.
        tenant: Chroma's tenant.
        database: Chroma's database.
        secrets: Texts that no error may show.
    """

    kind: Literal["memory", "directory", "server"]
    path: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    tenant: str = DEFAULT_TENANT
    database: str = DEFAULT_DATABASE
    secrets: tuple[str, ...] = field(default=(), repr=False)


def read_target(url: StoreURL, settings: Settings) -> Target:
    """Return what a URL asks for.

    Raises:
        InvalidInput: An empty path, headers that are no JSON object, or an option that has no meaning there.
    """
    options = settings.options
    tenant, database = str(options["tenant"]), str(options["database"])
    token, given = str(options["token"]), str(options["headers"])
    if url.path is not None:
        if token or given:
            raise InvalidInput("token= and headers= are for a server", hint="Write chroma://host:port.")
        if url.path == ":memory:":
            if (tenant, database) != (DEFAULT_TENANT, DEFAULT_DATABASE):
                raise InvalidInput("chroma::memory: is new and empty: it has the default tenant and database only")
            return Target("memory")
        if not url.path:
            raise InvalidInput("chroma: names no directory", hint="Write chroma:./data or chroma::memory:.")
        # one spelling of one directory: chromadb shares its engine by the text of the path
        return Target("directory", path=str(located(url.path)), tenant=tenant, database=database)
    if url.user or url.password:
        raise InvalidInput("Chroma has no user and password", hint="Pass token=, or headers= as a JSON object.")
    if url.database:
        raise InvalidInput("a chroma URL ends with its port", hint="Pass database= as an option.")
    headers = _headers(given)
    secrets = tuple(headers.values())
    if token:
        headers |= {"X-Chroma-Token": token, "Authorization": f"Bearer {token}"}
        secrets += (token,)
    port = url.port or (443 if url.tls else DEFAULT_PORT)
    return Target("server", "", url.host, port, url.tls, headers, tenant, database, secrets)


def _headers(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None  # the parser's error would repeat the text, which may hold a secret
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidInput('headers must be a JSON object of strings, e.g. {"X-Name": "value"}')
    return found
