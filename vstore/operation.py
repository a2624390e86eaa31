"""One place through which every public call passes: open or closed, and every error in its final form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from vstore.errors import BackendError, Closed, Unsupported, VStoreError

__all__ = ["Gate", "connecting"]


@dataclass(slots=True)
class Gate:
    """What a store and its collections share.

    Attributes:
        backend: The adapter's name.
        translate: The adapter's error table.
        secrets: Texts that no error may show.
        closed: Whether the store was closed.
    """

    backend: str
    translate: Callable[[Exception], VStoreError]
    secrets: Sequence[str] = field(default=(), repr=False)
    closed: bool = False

    @contextmanager
    def operation(self, name: str, collection: str = "") -> Iterator[None]:
        """Runs one public call: refuses it after ``close`` and completes every error that leaves it."""
        try:
            if self.closed:
                raise Closed("the store is closed", hint="Connect again.")
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
