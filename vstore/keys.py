"""What a metadata key and a portable name may be; used by records and filters alike."""

from __future__ import annotations

import re
from typing import Final

from vstore.errors import InvalidInput, NotFound, brief
from vstore.scalars import as_text

__all__ = ["MAX_KEY_BYTES", "check_key", "check_name", "check_plain", "encodable"]

MAX_KEY_BYTES: Final = 255
_BAD_IN_KEY: Final = re.compile(r'[\x00-\x1f\x7f-\x9f"\\]')
_RESERVED: Final = ("_vs", "$", "#")
_PARTING: Final = re.compile(r"[/\\?#%\x00-\x1f\x7f]|\A\.+\Z")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,46}[A-Za-z0-9]")


def encodable(text: str) -> bool:
    """Whether ``text`` has a UTF-8 form, i.e. no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_key(key: object) -> None:
    """Raises ``InvalidInput`` unless ``key`` may name a metadata value (META-1)."""
    if type(key) is not str:
        raise InvalidInput(f"a metadata key must be a str, not {type(key).__name__}: {brief(key)}")
    if not key or not encodable(key) or len(key.encode()) > MAX_KEY_BYTES:
        raise InvalidInput(f"a metadata key has 1 to {MAX_KEY_BYTES} UTF-8 bytes: {key[:80]!r}")
    if _BAD_IN_KEY.search(key):
        raise InvalidInput(
            f"the metadata key {key!r} contains a control character, a double quote or a backslash",
            hint="These are refused on every backend because some cannot filter by such a key.",
        )
    if key.startswith(_RESERVED):
        raise InvalidInput(f"the metadata key {key!r} begins with a reserved prefix (_vs, $ or #)")


def check_name(name: object) -> str:
    """The name as a str; raises ``InvalidInput`` unless it is a portable collection name (COL-1)."""
    text = as_text(name)
    if type(text) is not str or not _NAME.fullmatch(text):
        raise InvalidInput(
            f"{brief(name)} is not a portable collection name",
            hint="Use 3 to 48 of A-Z a-z 0-9 _, beginning with a letter, ending in a letter or digit.",
        )
    return text


def check_plain(name: str) -> None:
    """Raises ``NotFound`` for a name that would not stay one name in a URL or in a path.

    For databases whose client puts it there unescaped (chromadb 1.5.9, Milvus Lite 3.2.2):
    ``docs?`` and ``docs/`` would be ``docs``, and ``../`` would lead to what is another's.
    """
    if _PARTING.search(name):
        raise NotFound("no collection has such a name", hint="list_collections() names those that are there.")
