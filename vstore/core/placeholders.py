"""Values that ``vstore.toml`` refers to: ``${NAME}`` of the environment, ``keyring:service/user`` of a keyring."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from vstore import optional
from vstore.errors import InvalidInput

__all__ = ["fill", "fill_url", "without_placeholders"]

_KEYRING: Final = "keyring:"
_PLACE: Final = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._:,%\[\]-]*")


def fill(text: str) -> str:
    """Return a value with every ``${NAME}`` replaced; ``keyring:service/user`` as a whole is looked up.

    ``$${`` stands for ``${`` itself.

    Raises:
        InvalidInput: A variable is not set or empty, or the keyring has no such entry. No value is repeated.
        Unsupported: The package keyring is not installed.
    """
    if text.startswith(_KEYRING):
        return _from_keyring(text.removeprefix(_KEYRING))
    return _filled(text, lambda _, value: value)


def fill_url(template: str) -> str:
    """Return a store URL with every ``${NAME}`` replaced, percent-encoded where a URL needs that.

    A template that is one placeholder, or ``keyring:service/user``, is replaced by the whole URL.

    Raises:
        InvalidInput: As ``fill``; or a value would change which part of the URL is which.
        Unsupported: As ``fill``.
    """
    whole = _PLACE.fullmatch(template)
    if template.startswith(_KEYRING) or (whole is not None and whole[1] is not None):
        return fill(template)
    scheme, _, rest = template.partition(":")
    if "${" in scheme:
        raise InvalidInput(
            "a variable cannot hold the scheme of a URL and leave the rest", hint="Put the whole URL into it."
        )
    begin = len(scheme) + 1
    query = len(template.partition("?")[0])
    if not rest.startswith("//"):
        return _filled(template, lambda place, value: _quoted(value) if place > query else _path(value))
    begin += 2
    end = min(place for place in (template.find("/", begin), query, len(template)) if place >= 0)
    host = template.rfind("@", begin, end) + 1 or begin

    def insert(place: int, value: str) -> str:
        if not host <= place < end:
            return _quoted(value)
        if not _HOST.fullmatch(value):
            raise InvalidInput("holds what no host and port are made of")
        return value

    return _filled(template, insert)


def without_placeholders(text: str) -> str:
    """Return what a value holds literally: nothing of a variable, nothing of a keyring."""
    return "" if text.startswith(_KEYRING) else _PLACE.sub("", text)


def _filled(text: str, insert: Callable[[int, str], str]) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return "${"
        if not found[2] or not _NAME.fullmatch(found[1]):
            raise InvalidInput(
                "after ${ stands what is no name of a variable with a }", hint="Write ${NAME}, or $${ for ${ itself."
            )
        value = os.environ.get(found[1], "")
        if not value:
            raise InvalidInput(f"the environment variable {found[1]} is not set, or empty", hint="Set it.")
        try:
            return insert(found.start(), value)
        except InvalidInput as error:
            raise InvalidInput(
                f"the environment variable {found[1]} {error.message}", hint="Put the whole URL into one variable."
            ) from None

    return _PLACE.sub(one, text)


def _quoted(value: str) -> str:
    from urllib.parse import quote

    return quote(value, safe="")


def _path(value: str) -> str:
    if "?" in value:
        raise InvalidInput("holds a ?, with which the options of a URL begin")
    return value


def _from_keyring(entry: str) -> str:
    service, _, user = entry.rpartition("/")
    if not service or not user:
        raise InvalidInput("an entry of the keyring is written keyring:service/user")
    keyring = optional.load("keyring", "keyring")
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # whatever the backend of this machine raises
        raise InvalidInput(
            f"the keyring cannot be read: {type(error).__name__}", hint="Run `keyring diagnose` to see its backend."
        ) from error
    if not value:
        raise InvalidInput(
            f"the keyring has no entry {entry!r}", hint=f"Store one with `keyring set {service} {user}`."
        )
    return str(value)
