"""From SQLSTATE to the contract's errors: one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psycopg
import psycopg_pool

from vstore.errors import (
    AuthenticationFailed,
    BackendError,
    Closed,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Timeout,
    Unavailable,
    Unsupported,
    VStoreError,
)

__all__ = ["ServerSilent", "connection_lost", "no_extension", "translate"]


class ServerSilent(psycopg.OperationalError):
    """The server said nothing within the deadline of the client."""


_REFUSED: Final = ("authentication", "no password supplied", "no pg_hba.conf entry", "no such user", "channel binding")
# An option that the server, its pooler or libpq does not have: another try changes nothing.
_NEVER: Final = (
    "unsupported startup parameter",
    "does not support SSL",
    "private key",
    "invalid connection option",
    "is not supported",
    ' value: "',
    "invalid integer value",
    "could not match",
    "GSSAPI",
)
_DELETED: Final = "the collection was deleted"
_BY_STATEMENTS: Final = "statement pooling mode"  # PgBouncer's words, with SQLSTATE 08P01 as for much else

# Five characters are one state, two a whole class; the longer entry wins. PostgreSQL 18, appendix A.
_TABLE: Final[dict[str, Callable[[str], VStoreError]]] = {
    "08": lambda text: Unavailable(f"the connection failed: {text}"),
    "25006": lambda text: AuthenticationFailed(
        f"the server takes no writes here: {text}",
        hint="Connect to the primary, for example with target_session_attrs=read-write.",
    ),
    "28": lambda text: AuthenticationFailed(text, hint="Check user, password and pg_hba.conf."),
    "3D000": lambda text: Unavailable(text, hint="Create the database, or name another.", retryable=False),
    "40": lambda text: Unavailable(f"deadlock or serialization conflict: {text}"),
    "42501": lambda text: AuthenticationFailed(text, hint="Grant the user what the message names."),
    "42P01": lambda _: NotFound(_DELETED),
    "53": lambda text: Unavailable(f"the server is out of a resource: {text}"),
    "54": LimitExceeded,
    "55P03": lambda text: Timeout(f"a lock was not granted in time: {text}"),
    "57014": lambda text: Timeout(f"the server stopped the statement: {text}", hint="Raise timeout=."),
    "57": lambda text: Unavailable(text),
    "58": lambda text: BackendError(f"the server's system failed: {text}"),
}


def translate(error: Exception) -> VStoreError:
    """Return the contract's error for one of psycopg; ``BackendError`` where none fits."""
    match error:
        case VStoreError():
            return error
        case ServerSilent():
            return Timeout(str(error), hint="Raise timeout=, or look at the server.")
        case psycopg_pool.PoolClosed():
            return Closed("the store, or the pool it borrowed, was closed", hint="Connect again.")
        case psycopg_pool.PoolTimeout() | psycopg_pool.TooManyRequests():
            return Unavailable(f"no connection became free: {error}", hint="Raise pool_size=.")
        case psycopg.errors.ConnectionTimeout():
            return Timeout(f"the server did not answer: {_text(error)}")
        case psycopg.Error():
            return _by_state(error)
        case OSError():
            return Unavailable(f"the connection failed: {error}")
        case _:
            return BackendError(f"{type(error).__name__}: {error}")


def no_extension(error: psycopg.Error) -> VStoreError:
    """Return the error where the extension is not in the database and this user may not put it there."""
    return AuthenticationFailed(
        f"the extension vector is not installed in this database, and this user may not install it: {_text(error)}",
        hint="Let the database's owner, or a superuser, run CREATE EXTENSION vector.",
    )


def _by_state(error: psycopg.Error) -> VStoreError:
    state, text = error.sqlstate, _text(error)
    if _BY_STATEMENTS in text:
        return Unsupported(
            f"the pooler hands out single statements: {text}",
            hint="Set pool_mode = transaction or session in PgBouncer, or connect to the server itself.",
        )
    if state is not None:
        make = _TABLE.get(state) or _TABLE.get(state[:2])
        if make is not None:
            return make(text)
        if state == "XX000" and text.startswith("could not open relation with OID"):
            return NotFound(_DELETED)  # the table went between planning and locking
        return BackendError(f"{text} (SQLSTATE {state})")
    return _without_state(error, text)


def _without_state(error: psycopg.Error, text: str) -> VStoreError:
    """Return what libpq reports of connecting comes without a SQLSTATE: only the text tells."""
    if any(words in text for words in _REFUSED):
        return AuthenticationFailed(text, hint="Check user, password and pg_hba.conf, or the pooler's users.")
    if "FATAL" in text and ("does not exist" in text or "no such" in text):
        if "role" in text or "user" in text.partition("FATAL")[2].partition("database")[0]:
            return AuthenticationFailed(text, hint="Check the user.")
        return Unavailable(text, hint="Create the database, or name another.", retryable=False)
    if "certificate" in text:
        return AuthenticationFailed(
            f"the server's certificate, or the client's, is not accepted: {text}",
            hint="Check the host name, sslrootcert=, sslcert= and sslkey=.",
        )
    if any(words in text for words in _NEVER):
        return InvalidInput(text, hint="Change or leave out this option of the connection.")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(f"the connection failed: {text}", hint="Is the server up, and the address right?")
    return BackendError(f"{type(error).__name__}: {text}")


def _text(error: psycopg.Error) -> str:
    """Return the server's own words, without the lines that quote the statement or the row."""
    return (error.diag.message_primary or str(error)).strip()


def connection_lost(error: Exception) -> bool:
    """Return whether the connection broke, rather than the statement failed."""
    no_connection_yet = psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed, psycopg_pool.TooManyRequests
    if isinstance(error, (ServerSilent, *no_connection_yet)):
        return False
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or _BY_STATEMENTS in str(error):
        return False
    return error.sqlstate is None or (error.sqlstate[:2] in ("08", "57") and error.sqlstate != "57014")
