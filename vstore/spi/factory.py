"""A factory whose client is imported when it connects, and not before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from vstore.errors import InvalidInput
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.urls import Option, StoreURL

__all__ = ["LazyFactory"]


class _Connecting(Protocol):
    def connect(self, url: StoreURL, settings: Settings) -> Adapter: ...

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter: ...

    def borrow(self, client: object, settings: Settings) -> Adapter: ...

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter: ...


class LazyFactory:
    """Implements ``AdapterFactory`` and ``EmbeddedFactory`` over a module that is imported when it is needed.

    Example:
        ``adapter = LazyFactory("mydb", 1, packages=("mydb",), options=OPTIONS, module="vstore_mydb.connect", holds=…)``
    """

    def __init__(
        self,
        name: str,
        spi_version: int,
        *,
        packages: tuple[str, ...],
        options: Mapping[str, Option],
        module: str,
        holds: Callable[[Path], bool],
        system_name: str = "",
    ) -> None:
        """Describes an adapter; imports nothing.

        Args:
            name: The adapter's name, which is also its first URL scheme.
            spi_version: The ``SPI_VERSION`` that the adapter was written for.
            packages: Top-level packages whose objects ``client=`` takes.
            options: The options that a URL or ``connect`` may carry.
            module: The module with the functions ``connect``, ``connect_async``, ``borrow`` and ``borrow_async``,
                which are the methods of ``AdapterFactory``.
            holds: Returns whether this database has its data at a path, by names of files alone.
            system_name: What OpenTelemetry calls the database, where that is not ``name``.
        """
        self.name = name
        self.system_name = system_name or name
        self.spi_version = spi_version
        self.client_packages = packages
        self.options = options
        self._module = module
        self._holds = holds

    def holds(self, path: Path) -> bool:
        """Return whether this database has its data at ``path``."""
        return self._holds(path)

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """Return an adapter over a connection that was tried."""
        return self._imported().connect(url, settings)

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """Return an async adapter over a connection that was tried."""
        return await self._imported().connect_async(url, settings)

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Return an adapter over the application's client, which stays open."""
        self._check_options(settings)
        return self._imported().borrow(client, settings)

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """Return an async adapter over the application's client, which stays open."""
        self._check_options(settings)
        return await self._imported().borrow_async(client, settings)

    def _imported(self) -> _Connecting:
        return cast("_Connecting", import_module(self._module))

    def _check_options(self, settings: Settings) -> None:
        for name, option in self.options.items():
            if not option.with_client and settings.options[name] != option.default:
                raise InvalidInput(
                    f"{name}= has no meaning with client=: the client is connected already", hint="Leave it out."
                )
