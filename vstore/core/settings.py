"""Which store is meant: a URL, a name of ``vstore.toml``, or what ``VSTORE_URL`` holds.

A word is a name; a word, a slash and the name of a collection is a collection in a named store. Neither is ever a path,
whatever is there: a path begins with ``./``. So what a command means does not hang on which files lie about.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, overload

from vstore.core.operation import connecting
from vstore.core.placeholders import fill, fill_url, without_placeholders
from vstore.core.registry import factory_for_scheme
from vstore.errors import InvalidInput, VStoreError, plain
from vstore.logs import WARNING, log
from vstore.regular import shown
from vstore.spi.durable import open_regular
from vstore.spi.urls import StoreURL
from vstore.wording import did_you_mean

__all__ = ["FILE", "NamedStore", "chosen", "is_name", "named_stores", "split_location", "store_url"]

FILE: Final = "vstore.toml"
VARIABLE: Final = "VSTORE_URL"
_MOST: Final = 256 << 10
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_LOCATION: Final = re.compile(rf"({_NAME.pattern})/([A-Za-z][A-Za-z0-9_]{{1,46}}[A-Za-z0-9])")
_CONNECTION: Final = ("url", "timeout", "retries")
_told: Final[set[Path]] = set()


def is_name(text: object) -> bool:
    """Return whether a text is the name of a store, or a collection in one, and so neither URL nor path."""
    return isinstance(text, str) and bool(_NAME.fullmatch(text) or _LOCATION.fullmatch(text))


def split_location(text: str) -> tuple[str, str | None]:
    """Return the store that a location names and its collection: ``prod/docs`` is ``("prod", "docs")``.

    Everything else comes back as it is, with None.
    """
    found = _LOCATION.fullmatch(text)
    return (found[1], found[2]) if found else (text, None)


def chosen(url: str | None, client: object) -> str | None:
    """Return what ``connect`` was given as a URL, or what ``VSTORE_URL`` holds where it was given nothing.

    Raises:
        InvalidInput: It was given nothing, and ``VSTORE_URL`` is not set.
    """
    if url is not None or client is not None:
        return url
    if not (found := os.environ.get(VARIABLE)):
        with connecting(""):
            raise InvalidInput("connect takes a URL or client=, one of them", hint=f"Pass one, or set {VARIABLE}.")
    return found


@overload
def store_url(text: str) -> str: ...
@overload
def store_url(text: None) -> None: ...
def store_url(text: str | None) -> str | None:
    """Return the URL of the store that a text names, which may hold a password; anything but a name comes back.

    Raises:
        InvalidInput: No store is named so, or what names it cannot be read. No value is repeated.
        Unsupported: A value is in a keyring, and the package keyring is not installed.
    """
    with connecting(""):
        if text is None or not is_name(text):
            return text
        text = plain(text)
        if split_location(text)[1] is not None:
            raise InvalidInput(
                f"{text!r} names a collection, and a store is wanted",
                hint=f"Name the store alone. Before a path of files write ./, as in ./{text}.",
            )
        stores = named_stores()
        if text not in stores:
            known = f" Named are: {', '.join(stores)}." if stores else ""
            raise InvalidInput(
                f"{text!r} is not a store URL, and no {FILE} names a store so",
                hint=f"{_near(text, stores)}A URL is written as chroma:./data, a path of files as ./{text}.{known}",
            )
        return stores[text].url()


@dataclass(frozen=True, slots=True)
class NamedStore:
    """A table ``[stores.NAME]`` of a ``vstore.toml``.

    Attributes:
        name: Its name.
        file: Where it is written.
        table: The URL and the options, as they are written.
        readable: Whether every user of this machine may read the file.
    """

    name: str
    file: Path
    table: Mapping[str, Any] = field(repr=False)
    readable: bool = False

    def url(self) -> str:
        """Return its URL with all options, environment variables and secrets filled in."""
        with _naming(f"{shown(self.file)}: stores.{self.name}"):
            template = self.table.get("url")
            if not isinstance(template, str):
                raise InvalidInput("url is missing, or no text", hint='Write url = "chroma://host:port".')
            text = fill_url(template)
            url = StoreURL.parse(text)
            secrets = {name for name, option in factory_for_scheme(url.scheme).options.items() if option.secret}
            options = self._options(url)
            if self.readable and self._literal(template, secrets):
                self._warn()
        if url.path not in (None, "", ":memory:") and not url.path.startswith("~"):
            place = str(self.file.parent / url.path)
            if "?" in place:
                raise InvalidInput(f"{shown(self.file)} is in a folder with a ?, and no URL holds one in its path")
            text = f"{url.scheme}:{place}" + "".join(text.partition("?")[1:])
        from urllib.parse import urlencode

        more = urlencode(options)
        return text + (("&" if "?" in text else "?") + more if more else "")

    def _options(self, url: StoreURL) -> dict[str, str]:
        known = (*_CONNECTION, *factory_for_scheme(url.scheme).options)
        options: dict[str, str] = {}
        for key, value in self.table.items():
            if key not in known:
                raise InvalidInput(
                    f"{shown(key)} is no option of {url.scheme}", hint=f"{_near(key, known)}Known: {', '.join(known)}."
                )
            if not isinstance(value, str | bool | int | float):
                raise InvalidInput(f"{key} must be a text, a number, true or false")
            if key in url.params:
                raise InvalidInput(f"{key} is given in the URL, and beside it")
            if key != "url":
                with _naming(key):
                    options[key] = fill(value) if isinstance(value, str) else str(value).lower()
        return options

    def _literal(self, template: str, secrets: Iterable[str]) -> bool:
        """Return whether a password is written out."""
        from urllib.parse import parse_qsl

        address, _, query = template.partition("?")
        user, at, _ = address.partition("://")[2].partition("/")[0].rpartition("@")
        given = {**dict(parse_qsl(query)), **self.table}
        texts = [user.partition(":")[2] if at else "", *(str(given[name]) for name in secrets if name in given)]
        return any(map(without_placeholders, texts))

    def _warn(self) -> None:
        if self.file not in _told:
            _told.add(self.file)
            log(
                "settings",
                WARNING,
                "%s holds a password, and every user of this machine may read it. "
                "Run chmod 600 on it, or write ${NAME} or keyring:service/user instead.",
                shown(self.file),
            )


def named_stores() -> dict[str, NamedStore]:
    """Return the stores that the ``vstore.toml`` of the project and that of the user name.

    The project's is the first in the working directory or above it, up to the root of the repository or the home
    directory; in neither it is that of the working directory alone. A name that both have is the project's.

    Raises:
        InvalidInput: A file cannot be read, or holds something else.
    """
    stores = _read(_user_file(), links=True)
    project = next((file for file in map(_in_folder, _folders()) if os.path.lexists(file)), None)
    return stores if project is None else {**stores, **_read(project, links=False)}


def _in_folder(folder: Path) -> Path:
    return folder / FILE


def _folders() -> list[Path]:
    """Return where a project's file may be, the nearest first."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return []
    home: Path | None = None
    with suppress(RuntimeError):
        home = Path.home()
    found: list[Path] = []
    for folder in (here, *here.parents):
        found.append(folder)
        if folder == home or (folder / ".git").exists():
            return found
    return [here]


def _user_file() -> Path:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # without a home it stays as it is, and is not there
    if os.name == "nt":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
        base = given if given.is_absolute() else home / ".config"
    return base / "vstore" / FILE


def _read(file: Path, *, links: bool) -> dict[str, NamedStore]:
    import tomllib

    try:
        handle = open_regular(file, os.O_RDONLY, links=links)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InvalidInput(f"{shown(file)} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as opened:
        found = os.fstat(opened.fileno())
        data = opened.read(_MOST + 1)
    _check_owner(file, found)
    if len(data) > _MOST:
        raise InvalidInput(f"{shown(file)} is larger than {_MOST >> 10} KB, which is the most that is read")
    try:
        content = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError names the line, and does not repeat it
        said = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise InvalidInput(f"{shown(file)} is no TOML: {said}") from None
    with _naming(shown(file)):
        return {
            name: NamedStore(name, file, table, os.name != "nt" and bool(found.st_mode & 0o004))
            for name, table in _tables(content).items()
        }


def _check_owner(file: Path, found: os.stat_result) -> None:
    """Refuse a file that somebody else can have planted: it decides where data and secrets go."""
    if os.name == "nt":
        return
    if found.st_uid not in (0, os.getuid()):
        raise InvalidInput(
            f"{shown(file)} belongs to another user and is not read", hint="Pass a URL, or make the file your own."
        )
    if found.st_mode & 0o002:
        raise InvalidInput(
            f"every user of this machine may change {shown(file)}, so it is not read", hint="Run chmod o-w on it."
        )


def _tables(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    for key in content:
        if key != "stores":
            raise InvalidInput(
                f"{shown(key)!r} is no key of {FILE}", hint=f"{_near(key, ['stores'])}Stores are [stores.NAME]."
            )
    stores = content.get("stores", {})
    if not isinstance(stores, dict):
        raise InvalidInput("stores is no table", hint="Write [stores.NAME] above the URL of each.")
    for name, table in stores.items():
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{shown(name)!r} is no name of a store", hint="Use letters, digits, _ and -.")
        if not isinstance(table, dict):
            raise InvalidInput(f"stores.{name} is no table", hint=f"Write [stores.{name}] above its URL.")
    return stores


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Put the place before the message of what is raised inside."""
    try:
        yield
    except VStoreError as error:
        error.message = f"{place}: {error.message}"
        raise


def _near(text: str, known: Iterable[str]) -> str:
    near = did_you_mean(text, known)
    return f"{near} " if near else ""
