"""How errors name what they were given, and what may have been meant instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["NOT_WRITTEN", "a_type", "did_you_mean", "no_attribute", "sentences"]

NOT_WRITTEN: Final = "the adapter writes no collections that vstore did not create"
_LONGEST: Final = 40  # of a name that may be another one, mistyped


def a_type(kind: type) -> str:
    """Return the name of a type behind its article, e.g. ``"an int"``."""
    name = kind.__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def did_you_mean(name: object, known: Iterable[str], *, most: int = 1, likeness: float = 0.6) -> str:
    """Return ``"Did you mean x?"`` for the known names that are nearest, or an empty text if none is near.

    Args:
        name: What was given; what is no text is near to nothing.
        known: The names that there are.
        most: How many names to offer.
        likeness: How near a name must be, from 0 to 1, by ``difflib``.
    """
    from difflib import get_close_matches  # importing vstore does not need it

    if not isinstance(name, str):
        return ""
    spelled = {one.lower().replace("-", "_"): one for one in known}
    asked = str.__str__(name)[:_LONGEST].strip().lower().replace("-", "_")
    near = get_close_matches(asked, spelled, n=most, cutoff=likeness)
    return f"Did you mean {' or '.join(spelled[one] for one in near)}?" if near else ""


def sentences(*parts: str) -> str:
    """Return those that are not empty, as one text."""
    return " ".join(filter(None, parts))


def no_attribute(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error for a name that a module does not have."""
    return AttributeError(sentences(f"module {module!r} has no attribute {name!r}.", did_you_mean(name, known)))
