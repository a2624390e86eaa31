"""One place through which every public call passes: at home, open or closed, and every error in its final form."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NoReturn, TypeVar

from vstore.core import observing
from vstore.core.observing import Observed, ServerAddress
from vstore.errors import BackendError, Closed, InvalidInput, NotFound, Timeout, Unavailable, Unsupported, VStoreError
from vstore.spi.deadline import SECONDS
from vstore.spi.forking import Home, keep_in_children
from vstore.wording import a_type

__all__ = ["CallContext", "connecting", "refuse_copy"]

T = TypeVar("T")

# what a client may say of a call below which its connection was closed
_CUT_OFF = (BackendError, NotFound, Timeout, Unavailable)


def refuse_copy(what: object) -> NoReturn:
    """Raises ``InvalidInput`` where a store, or what belongs to one, is to be pickled or copied."""
    raise InvalidInput(
        f"{a_type(type(what))} cannot be pickled or copied: it belongs to the connection that made it",
        hint="Pass the URL and the collection's name, and connect in the process that uses them.",
    )


@dataclass(slots=True, weakref_slot=True, eq=False)
class CallContext:
    """What a store and its collections share.

    Attributes:
        backend: The adapter's name.
        translate: The adapter's error table.
        secrets: Texts that no error may show.
        current_loop: Tells the event loop that runs here, or None.
        timeout: Seconds that one request may take, and what is computed of its answer.
        server: What it is connected to, for who observes the calls.
        closed: Whether the store was closed.
        home: The process that connected, to which the store belongs.
        loop: The event loop that connected, to which an async store belongs; None of a sync one.
    """

    backend: str
    translate: Callable[[Exception], VStoreError]
    secrets: Sequence[str] = field(default=(), repr=False)
    current_loop: Callable[[], object] = field(default=lambda: None, repr=False)
    timeout: float = math.inf
    server: ServerAddress = field(default_factory=ServerAddress)
    closed: bool = False
    home: Home = field(default_factory=Home)
    loop: object = field(init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _inside: list[None] = field(default_factory=list, repr=False)
    _partition_lock: Any = field(default=None, repr=False)
    _scans: dict[int, object] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.loop = self.current_loop()
        keep_in_children(self)

    @property
    def running(self) -> int:
        """How many calls are inside."""
        return len(self._inside)

    @property
    def inherited(self) -> bool:
        """Whether this is another process than the store's own, which forked it."""
        return not self.home.is_here()

    def check_home(self) -> None:
        """Raises ``Closed`` in another process, or another running event loop, than the store's own.

        It takes no lock: one that a thread held when the process forked is never released in the child.
        """
        if not self.home.is_here():
            raise Closed(
                f"the store belongs to process {self.home.number}, and this is process {os.getpid()}, forked from it",
                hint="Connect again in this process.",
            )
        if self.loop is None:
            return
        here = self.current_loop()
        if here is not None and here is not self.loop:
            raise Closed("the store belongs to another event loop", hint="Connect again in this one.")

    def partition_lock(self, make: Callable[[], T]) -> T:
        """Return the lock of writes through partitions, which ``make`` makes when it is first asked for."""
        with self._lock:
            if self._partition_lock is None:
                self._partition_lock = make()
            lock: T = self._partition_lock
            return lock

    def shut(self) -> bool:
        """Closes it; says whether it was open, which one caller alone hears."""
        with self._lock:
            was_open, self.closed = not self.closed, True
            return was_open

    def operation(self, name: str, collection: str = "") -> _Operation:
        """Runs one public call: refuses it away from home or after ``shut``, and completes every error that leaves.

        It enters as what takes in the call's size where calls are observed, else as None.
        """
        return _Operation(self, name, collection)

    @contextmanager
    def scanning(self, pages: object) -> Iterator[None]:
        """Keeps a scan of the adapter while it is read, so that no child finalises it, which may ask the database."""
        self._scans[id(pages)] = pages
        try:
            yield
        finally:
            if not self.inherited:
                del self._scans[id(pages)]

    @contextmanager
    def completing(self, name: str, collection: str = "") -> Iterator[None]:
        """Gives every error its final form."""
        try:
            yield
        except Exception as error:  # whatever it is, it leaves as one of ours
            final = self.final(error, name, collection)
            if final is error:
                raise
            raise final from final.__cause__  # error, or what stands for it

    def final(self, error: Exception, name: str, collection: str) -> VStoreError:
        """Return the error as it leaves the library: itself, completed, or one of ours that chains it."""
        if isinstance(error, VStoreError):
            ours = error
        else:
            ours = self.translate(error)
            ours.__cause__ = error
        ours.add_context(backend=self.backend, operation=name, collection=collection)
        ours.redact(self.secrets)
        return ours

    def cut_off(self, raised: Exception) -> Exception:
        """Return ``Closed`` where that is why a call failed, else its own error."""
        if self.closed:
            error = raised if isinstance(raised, VStoreError) else self.translate(raised)
            if isinstance(error, _CUT_OFF):
                closed = Closed(
                    "the store was closed during this call; a write may or may not have happened",
                    hint="Connect again.",
                )
                closed.__cause__ = raised
                return closed
        return raised


class _Operation:
    """One public call. Every call passes here: a class takes half the Python calls that a generator does.

    Where the client's work has emptied the processor's cache, every function on the way costs several times its own
    time. So entering and leaving call no further ones, but to tell whether this is the store's process.
    """

    __slots__ = ("_before", "_calls", "_collection", "_name", "_observed")

    def __init__(self, calls: CallContext, name: str, collection: str) -> None:
        self._calls = calls
        self._name = name
        self._collection = collection

    def __enter__(self) -> Observed | None:
        calls, observer = self._calls, observing.current
        self._observed = None if observer is None else observer.begin(calls.server, self._name, self._collection)
        try:
            if calls.loop is not None or not calls.home.is_here():
                calls.check_home()
            calls._inside.append(None)  # in one step, and before it is seen whether the store was closed: see close()
            if calls.closed:
                calls._inside.pop()
                raise Closed("the store is closed", hint="Connect again.")
        except BaseException as error:
            if isinstance(error, Exception):
                calls.final(error, self._name, self._collection)
            if self._observed is not None:
                self._observed.end(error)
            raise
        self._before = SECONDS.get()
        SECONDS.set(calls.timeout)
        return self._observed

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        calls, final = self._calls, error
        SECONDS.set(self._before)
        try:
            if error is not None and isinstance(error, Exception):
                final = calls.final(calls.cut_off(error), self._name, self._collection)
        finally:
            calls._inside.pop()  # where what was called in between has forked, that of the child
        if self._observed is not None:
            self._observed.end(final)
        if final is not None and final is not error:
            raise final from final.__cause__  # error, or what stands for it


@contextmanager
def connecting(backend: str, secrets: Sequence[str] = (), extra: Callable[[], str] = str) -> Iterator[None]:
    """Gives every error that connecting raises its final form.

    Args:
        backend: The adapter's name.
        secrets: What no error may show.
        extra: Tells which extra brings what this connection imports; empty for an adapter of somebody else.
    """
    try:
        yield
    except ImportError as error:
        name = extra()
        raise Unsupported(
            f"its client library cannot be imported: {error}",
            hint=f"Install it with pip install 'vstore-db[{name}]'." if name else "Install what this adapter needs.",
            backend=backend,
            operation="connect",
        ) from error
    except VStoreError as error:
        error.add_context(backend=backend, operation="connect", collection="")
        error.redact(secrets)
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it leaves as one of ours
        failed = BackendError(
            f"{type(error).__name__} while connecting; the cause is chained", backend=backend, operation="connect"
        )
        failed.__cause__ = error
        failed.redact(secrets)
        raise failed from failed.__cause__
