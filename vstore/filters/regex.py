"""Regular expressions in linear time: RE2's syntax and meaning, wherever vstore looks at a text itself.

Python's own engine backtracks: ``(a+)+$`` on 28 characters takes it half a minute, during which it holds the
interpreter's lock. RE2 takes a time proportional to the text, whatever the pattern (Cox, "Regular Expression Matching
in the Wild", 2010), and lets other threads run meanwhile.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from vstore.capabilities import Feature, no
from vstore.errors import InvalidInput, brief
from vstore.optional import load

__all__ = ["Searching", "check_pattern", "where_installed"]

EXTRA: Final = "regex"
_MAX_BYTES: Final = 4096
# of one compiled pattern; beyond it matching goes on, slower, and still in linear time
_MAX_MEMORY: Final = 2 << 20
# instructions times characters: at most a tenth of a second or two
_A_MOMENT: Final = 2_000_000
_BEYOND: Final = ("(?=", "(?!", "(?<", "(?P=", "(?>", "\\")


@cache
def _installed() -> bool:
    try:
        from re2 import Options  # a package pyre2, which is another, brings a module of this name too
    except ImportError:
        return False
    return hasattr(Options, "max_mem")


def where_installed(feature: Feature) -> Feature:
    """``feature``, which takes this module; NO where the package google-re2 is not installed."""
    if _installed():
        return feature
    return no(f"the package google-re2 is not installed: pip install 'vstore-db[{EXTRA}]'")


def check_pattern(pattern: str) -> None:
    """Raises ``InvalidInput`` where a pattern is too long, or no regular expression, and names the place."""
    if len(pattern.encode()) > _MAX_BYTES:
        raise InvalidInput(
            f"a regular expression of {len(pattern.encode()):,} bytes; at most {_MAX_BYTES:,} are allowed",
            hint="For one of many texts use in_.",
        )
    if _installed():  # where it is not, the capability is NO
        _compiled(pattern)


class Searching:
    """Whether a pattern is found anywhere in a text.

    Args:
        pattern: The regular expression.
    """

    __slots__ = ("_search", "_size")

    def __init__(self, pattern: str) -> None:
        compiled = _compiled(pattern)
        self._search = compiled.search
        self._size: int = compiled.programsize

    def __call__(self, text: str) -> bool:
        """Whether it is found in ``text``."""
        return self._search(text.encode()) is not None

    def is_long(self, text: str) -> bool:
        """Whether it can take more than a moment, in which nothing can interrupt it.

        The time is linear in the text, and in the size of what was compiled, of which 4,096 bytes can make 90,000
        instructions: five minutes of 65,000 characters, where the automaton has more states than memory.
        """
        return self._size * len(text) > _A_MOMENT


def _compiled(pattern: str) -> Any:
    re2 = load("re2", EXTRA)
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = _MAX_MEMORY, False, True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
    what, _, part = reason.partition(": ")
    place = pattern.find(part) if part else -1
    where = f" at character {place + 1}, {brief(part)}" if place >= 0 else ""
    raise InvalidInput(
        f"{brief(pattern)} is not a regular expression of RE2: {what}{where}",
        hint="RE2 has neither lookaround nor backreferences, and \\z for \\Z: docs/contract.md, FLT-9."
        if part.startswith(_BEYOND)
        else "Its syntax: https://github.com/google/re2/wiki/Syntax.",
    )
