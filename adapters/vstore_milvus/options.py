"""From a URL and options to what a Milvus client needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vstore.errors import InvalidInput
from vstore.spi.durable import located
from vstore.spi.protocol import Settings
from vstore.spi.urls import Option, StoreURL

__all__ = ["DEFAULT_PORT", "OPTIONS", "Target", "read_target"]

DEFAULT_PORT: Final = 19530

OPTIONS: Final[dict[str, Option]] = {
    "database": Option("", "the database, which must exist; by default Milvus's own default"),
    "token": Option("", "an API key, or user:password in one", secret=True),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect.

    Attributes:
        path: For Milvus Lite the absolute path of its file, symbolic links resolved; empty for a server.
        uri: For a server what its client calls its URI.
        database: The database, or empty for the default one.
        token: The token, or ``user:password``, or empty.
    """

    path: str = ""
    uri: str = ""
    database: str = ""
    token: str = field(default="", repr=False)


def read_target(url: StoreURL, settings: Settings) -> Target:
    """Return what a URL asks for.

    Raises:
        InvalidInput: No file, a file whose name does not end in .db, or options that contradict the URL.
    """
    database, token = str(settings.options["database"]), str(settings.options["token"])
    if url.path is not None:
        return Target(path=_file(url.path, database, token))
    if url.database:
        if database:
            raise InvalidInput("the database is given both in the URL and as an option")
        database = url.database
    if not (database.isascii() and database.isprintable()):
        raise InvalidInput(
            "a database of Milvus has a name of ASCII letters, digits and _",
            hint="Its name travels in a header, which holds nothing else.",
        )
    if url.user or url.password:
        if token:
            raise InvalidInput("token= and a user in the URL are two ways to say who connects: give one of them")
        if not (url.user and url.password):
            raise InvalidInput("a user needs a password: milvus://user:password@host", hint="Or pass token=.")
        token = f"{url.user}:{url.password}"
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = url.port or (443 if url.tls else DEFAULT_PORT)
    return Target(uri=f"{'https' if url.tls else 'http'}://{host}:{port}", database=database, token=token)


def _file(path: str, database: str, token: str) -> str:
    if path == ":memory:":
        raise InvalidInput(
            "Milvus Lite keeps its data in a file: there is no milvus::memory:",
            hint="Write milvus:./data.db, or use memory: or chroma::memory:.",
        )
    if not path.endswith(".db"):
        raise InvalidInput("a Milvus Lite file must end in .db", hint="Write milvus:./data.db or milvus://host:19530.")
    if token or database:
        raise InvalidInput("token= and database= are for a server", hint="Write milvus://host:19530.")
    # one spelling of one file: Milvus Lite shares its engine within a process by the text of the path
    return str(located(path))
