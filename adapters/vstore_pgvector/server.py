"""What a server says about itself, and how a session on it is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vstore.errors import AuthenticationFailed, Mismatch, Unsupported
from vstore_pgvector.capabilities import has_iterative_scan
from vstore_pgvector.statements import literal, quoted
from vstore_pgvector.vectors import TypeIds

__all__ = [
    "DEFAULT_SEARCH",
    "MAX_EF",
    "OWN_PROCESS",
    "PROBE",
    "SEARCH",
    "Server",
    "begin",
    "extended_path",
    "local_settings",
    "search_path",
    "session_settings",
    "set_config",
]

# One row: versions, encoding, and the extension with its schema and the ids of its types.
PROBE: Final = """
select current_setting('server_version'), current_setting('server_version_num')::int,
       current_setting('server_encoding'), installed.extversion, installed.nspname,
       (select t.oid::bigint from pg_catalog.pg_type as t
         where t.typname = 'vector' and t.typnamespace = installed.extnamespace),
       (select t.oid::bigint from pg_catalog.pg_type as t
         where t.typname = 'sparsevec' and t.typnamespace = installed.extnamespace),
       (select default_version from pg_catalog.pg_available_extensions where name = 'vector'),
       pg_catalog.has_schema_privilege(installed.extnamespace, 'usage')
  from (values (1)) as one(row)
  left join (select e.extversion, e.extnamespace, n.nspname
               from pg_catalog.pg_extension as e join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
              where e.extname = 'vector') as installed on true
"""

# The process that serves this statement. On a connection to the server itself it is the one that libpq was told of.
OWN_PROCESS: Final = "select pg_catalog.pg_backend_pid()"

# hnsw.ef_search and ivfflat.probes of a new session: those of HNSW() and IVFFlat(), so that searches with the
# default settings need no statement of their own.
DEFAULT_SEARCH: Final = (100, 10)
MAX_EF: Final = 1_000  # the most that pgvector takes
SEARCH: Final = "select set_config('hnsw.ef_search', %s, {local}), set_config('ivfflat.probes', %s, {local})"


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says about itself.

    Attributes:
        version: PostgreSQL's version.
        number: The same as a number, e.g. 180004.
        pgvector: The extension's version; where it is not installed yet, the version that would be.
        vector_schema: The schema it is in, or None where it is not installed.
        types: The ids of its types, or None.
    """

    version: str
    number: int
    pgvector: str
    vector_schema: str | None
    types: TypeIds | None

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Server:
        """Reads the row of ``PROBE``.

        Raises:
            Unsupported: The server has no pgvector.
            AuthenticationFailed: The user may not use the schema that pgvector is in.
            Mismatch: Its encoding is not UTF-8.
        """
        version, number, encoding, installed, schema, vector, sparsevec, available, usable = row
        if encoding != "UTF8":
            raise Mismatch(
                f"the database has the encoding {encoding}, which does not hold every text",
                hint="Use a database created with ENCODING 'UTF8'.",
            )
        if installed is None and available is None:
            raise Unsupported("the server has no pgvector", hint="Install the extension: github.com/pgvector/pgvector.")
        if usable is False:
            raise AuthenticationFailed(
                f"pgvector is in the schema {schema!r}, which this user may not use",
                hint=f"Let its owner run GRANT USAGE ON SCHEMA {quoted(schema)} TO this user.",
            )
        # before 0.7, which is too old, there is no sparsevec
        types = None if vector is None else TypeIds(vector, sparsevec or 0)
        return cls(version.split()[0], number, installed or available, schema, types)


def set_config(settings: Mapping[str, str | None], *, local: bool) -> tuple[str, list[str | None]]:
    """Return one statement for many settings, of the session or ``local`` to the transaction."""
    calls = ", ".join([f"set_config(%s, %s::text, {'true' if local else 'false'})"] * len(settings))
    return f"select {calls}", [text for pair in settings.items() for text in pair]


def local_settings(settings: Mapping[str, str], path: str) -> tuple[str, list[str]]:
    """Return one statement that makes settings for this transaction; its row: those before, and the server's process.

    ``path`` follows the application's own search path.
    """
    names = [*settings, "search_path"]
    before = ", ".join(["current_setting(%s, true)"] * len(names))
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    joined = "set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), %s::text), true)"
    # the common expression is computed first, and once
    statement = (
        f"with before as materialized (select array[{before}] as was), "
        f"made as materialized (select was, {calls}, {joined} from before) "
        f"select {', '.join(f'was[{place + 1}]' for place in range(len(names)))}, pg_catalog.pg_backend_pid() from made"
    )
    return statement, [*names, *(text for pair in settings.items() for text in pair), path]


def begin(server: Server, timeout: float) -> str:
    """Begins a transaction in which everything is set that a session of ours needs: one message, no parameters."""
    settings = session_settings(server, timeout) | {"search_path": search_path(server)}
    calls = [f"set_config({literal(name)}, {literal(value)}, true)" for name, value in settings.items()]
    return f"begin; select {', '.join(calls)}"


def session_settings(server: Server, timeout: float) -> dict[str, str]:
    """Return the settings every session needs, its search path apart."""
    settings = {
        "statement_timeout": str(max(1, round(timeout * 1000))),
        "hnsw.ef_search": str(DEFAULT_SEARCH[0]),
        "ivfflat.probes": str(DEFAULT_SEARCH[1]),
    }
    if has_iterative_scan(server.pgvector):
        # Scan on where the filter leaves too few hits, or k is above ef; IVFFlat knows no strict order.
        settings |= {"hnsw.iterative_scan": "strict_order", "ivfflat.iterative_scan": "relaxed_order"}
    return settings


def search_path(server: Server) -> str:
    """Return the search path of a session of ours: the schema of the type and its operators, and no other."""
    return quoted(server.vector_schema or "public")


def extended_path(server: Server) -> str:
    """Return what has to stand somewhere in the search path of an application's session."""
    return quoted(server.vector_schema or "public")
