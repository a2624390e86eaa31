"""Store URLs, taken apart once, and the options an adapter declares."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vstore.errors import InvalidInput, brief
from vstore.keys import encodable
from vstore.wording import a_type, did_you_mean, sentences

__all__ = ["Option", "OptionValue", "StoreURL", "names_store", "read_options"]

OptionValue: TypeAlias = str | int | float | bool
_SCHEME: Final = re.compile(r"([a-z][a-z0-9]*(?:\+(?!https:)[a-z0-9]+)?)(\+https)?:(.*)", re.DOTALL)
_BEGINS_LIKE_A_URL: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+_-]+):")  # one letter is a drive of Windows
_HOST_AND_PORT: Final = re.compile(r"/?[A-Za-z0-9_.-]+:[0-9]+(/|$)")
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_OPTION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXAMPLES: Final = "Examples: memory:, chroma:./data, chroma://localhost:8000, pgvector:./pg, postgresql://user:password@host/database."
_TRUE: Final = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A parsed store URL. Its repr hides the password.

    Attributes:
        scheme: What stands before the colon, without ``+https``; a driver such as ``+psycopg`` belongs to it.
        tls: Whether ``+https`` was given.
        path: For ``scheme:PATH`` the path (``":memory:"`` included); None for a server; ``""`` for ``memory:``.
        host: For ``scheme://host…``; empty for a path.
        port: The port, or None for the default one.
        user: The user, or empty.
        password: The password, or empty.
        database: What stands behind the host's slash, or empty.
        params: The query parameters.
    """

    scheme: str
    tls: bool = False
    path: str | None = None
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    params: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: object) -> StoreURL:
        """Takes a URL apart; raises ``InvalidInput``, without repeating the URL, where it cannot."""
        found = _SCHEME.fullmatch(url) if isinstance(url, str) else None
        if found is None:
            raise InvalidInput("this is not a store URL", hint=_EXAMPLES)
        scheme, tls, rest = found[1], found[2] is not None, found[3]
        if any(ord(c) < 32 or c == "\x7f" for c in rest) or not encodable(rest):
            raise InvalidInput(f"this {scheme} URL holds a control character, or what is no valid Unicode")
        if rest.startswith("//"):
            return cls._of_server(scheme, rest, tls=tls)
        path, _, query = rest.partition("?")
        if tls:
            raise InvalidInput(f"{scheme}+https: needs a server: {scheme}+https://host:port")
        _check_path(scheme, path)
        return cls(scheme, path=path, params=_params(query))

    @classmethod
    def _of_server(cls, scheme: str, rest: str, *, tls: bool) -> StoreURL:
        from urllib.parse import unquote, urlsplit  # with what they bring 5 ms, which importing vstore does not need

        if "#" in rest:
            raise InvalidInput(f"there is a # in this {scheme} URL", hint="In a password or a name write %23.")
        try:
            parts = urlsplit(rest)
            place = parts.netloc.rpartition("@")[2]
            host, port, ports = _several(place) if "," in place else (parts.hostname or "", parts.port, "")
            if "%" in host and "[" not in parts.netloc:  # the directory of a socket, whose case counts
                host = unquote(host if "," in place else place.partition(":")[0], errors="strict")
            user, password = (unquote(text or "", errors="strict") for text in (parts.username, parts.password))
            database = unquote(parts.path.lstrip("/"), errors="strict")
        except ValueError:
            parts = None  # the error repeats what it could not read, and is not chained
        if parts is None:
            raise InvalidInput(
                f"the host or port of this {scheme} URL cannot be read",
                hint="An IPv6 address stands in brackets; in a password write %2F for /, %3F for ? and %40 for @.",
            )
        params = _params(parts.query)
        if ports and "port" in params:
            raise InvalidInput(f"the ports of this {scheme} URL stand behind its hosts, and in the option 'port'")
        if ports:
            params["port"] = ports
        if not host and not params.get("host"):  # of a socket it may stand there
            raise InvalidInput(f"this {scheme} URL names no host", hint=f"Write {scheme}://host:port or {scheme}:PATH.")
        if port == 0 or " " in host:
            raise InvalidInput(f"the host or port of this {scheme} URL cannot be one")
        if "@" in parts.path:
            raise InvalidInput(
                f"there is an @ behind the host of this {scheme} URL",
                hint="In a password write %2F for / and %40 for @, in the name of a database %40.",
            )
        if "\x00" in host + user + password + database:
            raise InvalidInput(f"this {scheme} URL holds a NUL")
        return cls(
            scheme,
            tls=tls,
            host=host,
            port=port,
            user=user,
            password=password,
            database=database,
            params=params,
        )


def _several(place: str) -> tuple[str, None, str]:
    """Return hosts with commas between, as libpq has them, and their ports where any has one: ``h1:5432,h2``."""
    hosts, ports = [], []
    for one in place.split(","):
        host, _, port = one[1:].partition("]") if one.startswith("[") else one.partition(":")
        hosts.append(host)
        ports.append(port.removeprefix(":"))
    return ",".join(hosts), None, ",".join(ports) if any(ports) else ""


def names_store(text: str, *, files: Collection[str] = ()) -> bool:
    """Return whether a text is a store URL, or else a path: one decision for every command that takes both.

    Args:
        text: What the user gave.
        files: Schemes that stand before a path of files, such as ``parquet``.

    Returns:
        True for a store URL, whether it can be read or not; False for a path, with or without one of ``files``.

    Raises:
        InvalidInput: It holds ``://`` and is no store URL, so that it would become a folder. The text is not repeated.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"a store URL or a path is a str, not {brief(text)}")
    found = _BEGINS_LIKE_A_URL.match(text)
    if found is not None and found[1] not in files:
        return True
    if "://" in text:
        raise InvalidInput("a path does not hold ://, and this begins like no store URL", hint=_EXAMPLES)
    return False


def _check_path(scheme: str, path: str) -> None:
    """Refuses what is a server's address, or a store in memory, mistyped: it would become a folder of that name."""
    there = _DRIVE.sub("./", path, count=1)
    if re.sub("[^a-z]", "", path.lower()) == "memory" and ":" in path and path != ":memory:":
        raise InvalidInput(f"this is no path of {scheme}", hint=f"Did you mean {scheme}::memory:?")
    if "://" in path or re.search(":.*@", there) or "@" in there.partition("/")[0] or _HOST_AND_PORT.match(there):
        raise InvalidInput(
            f"this {scheme} URL names a path that looks like the address of a server",
            hint=f"A server is {scheme}://host:port or {scheme}://user:password@host:port, over TLS {scheme}+https://; "
            f"before a path with @ or : write ./, as in {scheme}:./a@b.",
        )
    if (path.startswith(":") and path != ":memory:") or (path and not path.strip()):
        raise InvalidInput(f"this is no path of {scheme}", hint=f"Write {scheme}:PATH; ./ goes before a colon.")


def _params(query: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError:
        pairs = [("", "")]
    names = [name for name, _ in pairs]
    if not all(map(_OPTION.fullmatch, names)):  # it may be a part of a password, and is not repeated
        raise InvalidInput(
            "behind the ? of this URL stands what is no option=value", hint="In a password write %3F for ?, %26 for &."
        )
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        raise InvalidInput(f"the option {brief(twice[0])} stands twice in the URL")
    return dict(pairs)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an adapter.

    Attributes:
        default: Its value where it is not given; its type is the option's type.
        help: One line for error messages and ``--help``.
        secret: Whether its value must never be shown.
        with_client: Whether it has a meaning with ``client=`` too. One that says how to connect has none.
    """

    default: OptionValue
    help: str
    secret: bool = False
    with_client: bool = False


def read_options(
    declared: Mapping[str, Option], params: Mapping[str, str], keywords: Mapping[str, object]
) -> dict[str, OptionValue]:
    """Return every declared option with its value: from the URL, from keywords, or its default.

    Raises:
        InvalidInput: An unknown option, one given twice, or a value of the wrong type.
    """
    for name in (*params, *keywords):
        if name not in declared:
            known = "; ".join(f"{key}: {option.help}" for key, option in declared.items())
            hint = sentences(did_you_mean(name, declared), f"Known: {known or 'none'}.")
            raise InvalidInput(f"unknown option {brief(name)}", hint=hint)
        if name in params and name in keywords:
            raise InvalidInput(f"the option {name!r} is given both in the URL and as a keyword")
    values: dict[str, OptionValue] = {}
    for name, option in declared.items():
        if name in params:
            values[name] = _convert(name, params[name], option)
        elif name in keywords:
            values[name] = _checked(name, keywords[name], option)
        else:
            values[name] = option.default
    for name, value in values.items():
        if isinstance(value, str) and (not encodable(value) or any(ord(c) < 32 or c == "\x7f" for c in value)):
            raise InvalidInput(f"the option {name!r} holds a control character, or what is no valid Unicode")
    return values


def _convert(name: str, text: str, option: Option) -> OptionValue:
    kind = type(option.default)
    try:
        if kind is bool:
            return _TRUE[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        raise InvalidInput(f"the option {name!r} must be {a_type(kind)}") from None


def _checked(name: str, value: object, option: Option) -> OptionValue:
    kind = type(option.default)
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, str | int | float | bool) or type(value) is not kind:
        raise InvalidInput(f"the option {name!r} must be {a_type(kind)}, not {a_type(type(value))}")
    return value
