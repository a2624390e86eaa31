"""Where calls are observed: nothing is called unless ``vstore.instrument`` has set an observer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Observed", "Observer", "ServerAddress", "current", "observe"]


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """What a store is connected to, without anything secret.

    Attributes:
        system: The database's name as OpenTelemetry has it, e.g. ``"postgresql"``.
        address: The host; empty for a database in this process.
        port: The port, where the URL names one.
        namespace: The database on that server, where the URL names one.
    """

    system: str = ""
    address: str = ""
    port: int | None = None
    namespace: str = ""


class Observed(Protocol):
    """One call that is observed.

    Attributes:
        batch: Records, or queries, that the call is given; None where it is given none.
        rows: Records that it returns; None where it returns none.
    """

    batch: int | None
    rows: int | None

    def end(self, error: BaseException | None) -> None:
        """Take in how the call ended, in the thread or task that began it."""
        ...


class Observer(Protocol):
    """What is told of each public call."""

    def begin(self, server: ServerAddress, operation: str, collection: str) -> Observed:
        """Begin to observe a call."""
        ...


current: Observer | None = None
"""The observer of this process, which each call reads."""


def observe(observer: Observer | None) -> None:
    """Set the observer of this process; None ends it."""
    global current
    current = observer
