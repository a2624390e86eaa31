"""How a framework's store is closed: by name, or at the end of a ``with``, in both forms."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from vstore.integrations.door import AsyncDoor

__all__ = ["Closing"]


class Closing:
    """Base of a store that a framework uses. Its async form of ``close`` has the framework's name for it."""

    def _door_to_close(self) -> AsyncDoor | None:
        """Return what was opened, or None where nothing was yet."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what a URL connected; what was given stays open. Later calls are ``Closed``."""
        door = self._door_to_close()
        if door is not None:
            door.close_all()

    async def _close_async(self) -> None:
        door = self._door_to_close()
        if door is not None:
            await door.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close_async()
