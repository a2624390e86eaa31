"""One place through which every public call passes: open or closed, and every error in its final form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from vstore.errors import BackendError, Closed, NotFound, Timeout, Unavailable, Unsupported, VStoreError

__all__ = ["Gate", "connecting"]

# what a client may say of a call below which its connection was closed
_CUT_OFF = (BackendError, NotFound, Timeout, Unavailable)


@dataclass(slots=True)
class Gate:
    """What a store and its collections share.

    Attributes:
        backend: The adapter's name.
        translate: The adapter's error table.
        secrets: Texts that no error may show.
        closed: Whether the store was closed.
        running: How many calls are inside.
    """

    backend: str
    translate: Callable[[Exception], VStoreError]
    secrets: Sequence[str] = field(default=(), repr=False)
    closed: bool = False
    running: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def shut(self) -> bool:
        """Closes it; says whether it was open, which one caller alone hears."""
        with self._lock:
            was_open, self.closed = not self.closed, True
            return was_open

    @contextmanager
    def operation(self, name: str, collection: str = "") -> Iterator[None]:
        """Runs one public call: refuses it after ``shut`` and completes every error that leaves it."""
        with self.completing(name, collection):
            with self._lock:
                if self.closed:
                    raise Closed("the store is closed", hint="Connect again.")
                self.running += 1
            try:
                yield
            except Exception as raised:
                error = raised if isinstance(raised, VStoreError) else self.translate(raised)
                if self.closed and isinstance(error, _CUT_OFF):
                    raise Closed(
                        "the store was closed during this call; a write may or may not have happened",
                        hint="Connect again.",
                    ) from raised
                raise
            finally:
                with self._lock:
                    self.running -= 1

    @contextmanager
    def completing(self, name: str, collection: str = "") -> Iterator[None]:
        """Gives every error its final form."""
        try:
            yield
        except VStoreError as error:
            self._complete(error, name, collection)
            raise
        except Exception as error:
            kind = self.translate(error)
            self._complete(kind, name, collection)
            raise kind from error

    def _complete(self, error: VStoreError, name: str, collection: str) -> None:
        error.add_context(backend=self.backend, operation=name, collection=collection)
        error.redact(self.secrets)


@contextmanager
def connecting(backend: str, secrets: Sequence[str] = ()) -> Iterator[None]:
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
