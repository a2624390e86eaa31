"""From a URL, or a client, to the adapter: through the entry points of the group ``vstore.adapters``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vstore.bounds import check_retries, check_timeout
from vstore.core.observing import ServerAddress
from vstore.core.operation import connecting
from vstore.errors import InvalidInput, Unsupported, brief
from vstore.spi import SPI_VERSION
from vstore.spi.protocol import AdapterFactory, Settings
from vstore.spi.urls import StoreURL, read_options
from vstore.wording import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

__all__ = ["Plan", "factory_for_client", "factory_for_scheme", "plan", "schemes"]

DISTRIBUTION: Final = "vstore-db"
GROUP: Final = "vstore.adapters"


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points  # brings email, zipfile, socket: a third of the time of an import

    return entry_points(group=GROUP)


def schemes() -> list[str]:
    """The URL schemes that are installed, sorted."""
    return sorted({point.name for point in _entry_points()})


def factory_for_scheme(scheme: str) -> AdapterFactory:
    """The adapter behind a URL scheme; raises ``InvalidInput`` where none is installed."""
    found = list(_entry_points().select(name=scheme))
    if not found:
        known = schemes()
        hint = did_you_mean(scheme, known, most=2, likeness=0.5) or "The scheme names the database: chroma://host:port."
        raise InvalidInput(
            f"no adapter for {brief(scheme)} is installed", hint=f"{hint} Installed: {', '.join(known)}."
        )
    if len({point.value for point in found}) > 1:
        raise InvalidInput(f"several adapters claim {scheme!r}: {', '.join(sorted(point.value for point in found))}")
    return _loaded(found[0])


def _loaded(point: EntryPoint) -> AdapterFactory:
    """The factory that an entry point names; raises ``Unsupported`` where it was written for another ``vstore.spi``."""
    factory: AdapterFactory = point.load()
    stated = getattr(factory, "spi_version", None)
    if stated != SPI_VERSION:
        raise Unsupported(
            f"the adapter {point.value} is for version {brief(stated)} of vstore.spi; this vstore has {SPI_VERSION}",
            hint="Install releases that fit each other; an adapter states spi_version on its factory.",
        )
    return factory


def factory_for_client(client: object) -> AdapterFactory:
    """The adapter that takes this client; raises ``InvalidInput`` where none does."""
    packages = {kind.__module__.partition(".")[0] for kind in type(client).__mro__}
    known: set[str] = set()
    broken: list[str] = []
    for point in {point.value: point for point in _entry_points()}.values():
        try:
            factory = _loaded(point)
        except (ImportError, AttributeError, Unsupported):  # how an entry point fails to load; it may be a stranger's
            broken.append(point.value)
            continue
        if packages & set(factory.client_packages):
            return factory
        known |= set(factory.client_packages)
    kind = type(client)
    hint = f"Pass a client of {', '.join(sorted(known))}."
    if broken:
        hint += f" Not loaded, because broken: {', '.join(sorted(broken))}."
    raise InvalidInput(f"no installed adapter takes a client of type {kind.__module__}.{kind.__qualname__}", hint=hint)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a connection that can be checked before it is made.

    Attributes:
        factory: The adapter.
        settings: How to connect.
        retries: How often a call that is safe to repeat is repeated.
        url: Where to connect; or
        client: the client that the application has.
    """

    factory: AdapterFactory
    settings: Settings
    retries: int
    url: StoreURL | None = None
    client: object = None

    @property
    def server(self) -> ServerAddress:
        """What it leads to, for who observes the calls."""
        system = getattr(self.factory, "system_name", self.factory.name)
        if self.url is None or self.url.path is not None:
            return ServerAddress(system)
        host = self.url.host or str(self.settings.options.get("host", ""))  # the directory of a socket
        return ServerAddress(system, host, self.url.port, self.url.database)

    def extra(self) -> str:
        """The extra of this distribution that brings what the connection imports; empty where none does."""
        from importlib.metadata import metadata

        name = self.factory.name
        embedded = self.url is not None and self.url.path not in (None, ":memory:")
        there = set(metadata(DISTRIBUTION).get_all("Provides-Extra") or ())
        return next((extra for extra in ([f"{name}-embedded"] * embedded + [name]) if extra in there), "")


def plan(url: object, client: object, timeout: float, retries: int, keywords: Mapping[str, object]) -> Plan:
    """Checks what ``connect`` was given; raises ``InvalidInput``."""
    with connecting(""):
        if (url is None) == (client is None):
            raise InvalidInput("connect takes a URL or client=, one of them")
        if url is not None:
            return _plan_url(StoreURL.parse(url), timeout, retries, keywords)
        factory = factory_for_client(client)
        settings = Settings(check_timeout(timeout), read_options(factory.options, {}, keywords))
        return Plan(factory, settings, check_retries(retries), client=client)


def _plan_url(url: StoreURL, timeout: float, retries: int, keywords: Mapping[str, object]) -> Plan:
    factory = factory_for_scheme(url.scheme)
    given = dict(url.params)
    if "timeout" in given:
        timeout = _number(given.pop("timeout"))
    if "retries" in given:
        retries = _whole(given.pop("retries"))
    options = read_options(factory.options, given, keywords)
    secrets = [
        url.password,
        _basic(url),
        *(str(options[name]) for name, option in factory.options.items() if option.secret),
    ]
    settings = Settings(check_timeout(timeout), options, tuple(filter(None, secrets)))
    return Plan(factory, settings, check_retries(retries), url=url)


def _basic(url: StoreURL) -> str:
    """What a client sends of user and password, if there is one."""
    from base64 import b64encode

    return b64encode(f"{url.user}:{url.password}".encode()).decode() if url.password else ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput("the option 'timeout' must be a number of seconds") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput("the option 'retries' must be a whole number") from None
