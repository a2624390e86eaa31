"""From a URL, or a client, to the adapter: through the entry points of the group ``vstore.adapters``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vstore.errors import InvalidInput
from vstore.protocol import AdapterFactory, Settings
from vstore.urls import StoreURL, read_options

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

__all__ = ["factory_for_client", "factory_for_scheme", "plan_borrow", "plan_connect", "schemes"]

GROUP: Final = "vstore.adapters"
MAX_TIMEOUT: Final = 86_400.0


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
        raise InvalidInput(f"no adapter for {scheme!r} is installed", hint=f"Installed: {', '.join(schemes())}.")
    if len({point.value for point in found}) > 1:
        raise InvalidInput(f"several adapters claim {scheme!r}: {', '.join(sorted(point.value for point in found))}")
    factory: AdapterFactory = found[0].load()
    return factory


def factory_for_client(client: object) -> AdapterFactory:
    """The adapter that takes this client; raises ``InvalidInput`` where none does."""
    packages = {kind.__module__.partition(".")[0] for kind in type(client).__mro__}
    known: set[str] = set()
    broken: list[str] = []
    for point in {point.value: point for point in _entry_points()}.values():
        try:
            factory: AdapterFactory = point.load()
        except (ImportError, AttributeError):  # how an entry point fails to load; it may be a stranger's
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


def plan_connect(
    url: object, timeout: float, keywords: Mapping[str, object]
) -> tuple[AdapterFactory, StoreURL, Settings]:
    """Everything that can be checked before connecting to a URL."""
    parsed = StoreURL.parse(url)
    factory = factory_for_scheme(parsed.scheme)
    given = dict(parsed.params)
    if "timeout" in given:
        timeout = _number(given.pop("timeout"))
    options = read_options(factory.options, given, keywords)
    secrets = [parsed.password, *(str(options[name]) for name, option in factory.options.items() if option.secret)]
    return factory, parsed, Settings(_timeout(timeout), options, tuple(filter(None, secrets)))


def plan_borrow(client: object, timeout: float, keywords: Mapping[str, object]) -> tuple[AdapterFactory, Settings]:
    """The same for a client the application has."""
    factory = factory_for_client(client)
    return factory, Settings(_timeout(timeout), read_options(factory.options, {}, keywords))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput("the option 'timeout' must be a number of seconds") from None


def _timeout(timeout: object) -> float:
    if type(timeout) not in (int, float) or not 0 < float(timeout) <= MAX_TIMEOUT or math.isnan(float(timeout)):  # type: ignore[arg-type]
        raise InvalidInput(f"timeout must be seconds above 0 and up to {MAX_TIMEOUT:,.0f}, not {timeout!r}")
    return float(timeout)  # type: ignore[arg-type]
