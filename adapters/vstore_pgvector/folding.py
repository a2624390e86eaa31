"""Case folding in SQL that is Python's own, character by character, as far as one text to find is concerned.

PostgreSQL's ``lower`` depends on the locale and its ``casefold`` on the version. ``str.casefold`` maps each character
by itself, and leaves what it has made alone. So only those characters have to be mapped that become something of the
text to find: no other one becomes, or is, any part of it.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

__all__ = ["folded"]


def folded(text: str, wanted: str, params: list[Any]) -> str:
    """Return the SQL of ``text`` folded so that ``wanted`` is found in it where ``str.casefold`` would have it.

    Args:
        text: The SQL of a text.
        wanted: What is to be found, folded.
        params: The values bound so far, to which those of the whole expression are appended.
    """
    sources = sorted({source for char in wanted for source in _sources().get(char, ())})
    single = [source for source in sources if len(source.casefold()) == 1]
    if single:
        params += ["".join(single), "".join(single).casefold()]
        text = f"translate({text}, %s::text, %s::text)"
    for source in sources:
        if len(source.casefold()) > 1:
            params += [source, source.casefold()]
            text = f'replace({text} collate "C", %s::text, %s::text)'
    return text


@cache
def _sources() -> dict[str, list[str]]:
    """Return for each character those that become it, or several with it among them."""
    found: dict[str, list[str]] = {}
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if (made := char.casefold()) != char:
            for one in made:
                found.setdefault(one, []).append(char)
    return found
