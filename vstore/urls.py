"""Store URLs, taken apart once, and the options an adapter declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vstore.errors import InvalidInput

__all__ = ["Option", "OptionValue", "StoreURL", "read_options"]

OptionValue: TypeAlias = str | int | float | bool
_SCHEME: Final = re.compile(r"([a-z][a-z0-9]*)(\+https)?:(.*)", re.DOTALL)
_TRUE: Final = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A parsed store URL. Its repr hides the password.

    Attributes:
        scheme: What stands before the colon, without ``+https``.
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
        from urllib.parse import unquote, urlsplit  # with what they bring 5 ms, which importing vstore does not need

        found = _SCHEME.fullmatch(url) if isinstance(url, str) else None
        if found is None:
            raise InvalidInput(
                "this is not a store URL",
                hint="Examples: memory:, chroma:./data, chroma://localhost:8000, pgvector:./pg, "
                "postgresql://user:password@host/database.",
            )
        scheme, tls, rest = found[1], found[2] is not None, found[3]
        if not rest.startswith("//"):
            path, _, query = rest.partition("?")
            if tls:
                raise InvalidInput(f"{scheme}+https: needs a server: {scheme}+https://host:port")
            return cls(scheme, path=path, params=_params(query))
        try:
            parts = urlsplit(rest)
            port = parts.port
        except ValueError as error:
            raise InvalidInput(f"the host or port of this {scheme} URL cannot be read") from error
        if not parts.hostname:
            raise InvalidInput(f"this {scheme} URL names no host", hint=f"Write {scheme}://host:port or {scheme}:PATH.")
        return cls(
            scheme,
            tls=tls,
            host=parts.hostname,
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.lstrip("/")),
            params=_params(parts.query),
        )


def _params(query: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InvalidInput(f"the option {twice[0]!r} stands twice in the URL")
    return dict(pairs)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an adapter.

    Attributes:
        default: Its value where it is not given; its type is the option's type.
        help: One line for error messages and ``--help``.
        secret: Whether its value must never be shown.
    """

    default: OptionValue
    help: str
    secret: bool = False


def read_options(
    declared: Mapping[str, Option], params: Mapping[str, str], keywords: Mapping[str, object]
) -> dict[str, OptionValue]:
    """Every declared option with its value: from the URL, from keywords, or its default.

    Raises:
        InvalidInput: An unknown option, one given twice, or a value of the wrong type.
    """
    for name in (*params, *keywords):
        if name not in declared:
            known = "; ".join(f"{key}: {option.help}" for key, option in declared.items())
            raise InvalidInput(f"unknown option {name!r}", hint=f"Known: {known or 'none'}.")
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
    return values


def _convert(name: str, text: str, option: Option) -> OptionValue:
    kind = type(option.default)
    try:
        if kind is bool:
            return _TRUE[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        raise InvalidInput(f"the option {name!r} must be a {kind.__name__}") from None


def _checked(name: str, value: object, option: Option) -> OptionValue:
    kind = type(option.default)
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, str | int | float | bool) or type(value) is not kind:
        raise InvalidInput(f"the option {name!r} must be a {kind.__name__}, not {type(value).__name__}")
    return value
