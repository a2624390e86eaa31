"""The option ``--mapping`` of the commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput, Mismatch
from vstore.mapping import LAYOUTS, RecordMapping
from vstore.regular import read_bounded
from vstore.spi.urls import names_store

__all__ = ["OWN_LAYOUT", "read_layout", "read_mapping"]

OWN_LAYOUT: Final = "vstore"
"""The name of vstore's own layout, for ``--layout``."""
_MOST: Final = 1 << 20


def read_mapping(given: str | None) -> RecordMapping | str | None:
    """What ``get_collection(mapping=…)`` takes, from the name of a layout or of a file.

    The file holds a mapping, or what ``vstore inspect URL NAME --json`` prints, of which it is a part.

    Raises:
        InvalidInput: The file cannot be read, or is no mapping.
    """
    if given is None or given == "auto" or given in LAYOUTS:
        return given
    return _read(given, "--mapping", ("auto", *LAYOUTS))


def read_layout(given: str) -> RecordMapping | str:
    """What ``CopyOptions.layout`` takes, from the name of a layout or of a file with a mapping.

    A text without a directory and without the suffix ``.json`` is a name.

    Raises:
        InvalidInput: The file cannot be read, or is no mapping.
    """
    if Path(given).suffix != ".json" and Path(given).name == given:
        return given
    return _read(given, "--layout", (OWN_LAYOUT, *LAYOUTS))


def _read(given: str, option: str, names: Sequence[str]) -> RecordMapping:
    hint = f"It is a file (./ before a name with a colon), or one of {', '.join(names)}."
    if "://" in given or names_store(given):
        raise InvalidInput(f"{option} takes a path, not a URL", hint=hint)
    try:
        data = json.loads(read_bounded(Path(given), _MOST))
    except (OSError, InvalidInput) as error:
        said = error.message if isinstance(error, InvalidInput) else error.strerror
        raise InvalidInput(f"{option}: {given!r} cannot be read: {said}", hint=hint) from error
    except (ValueError, RecursionError, Mismatch) as error:
        raise InvalidInput(f"{option}: {given!r} is no JSON: {error}", hint=hint) from error
    return RecordMapping.from_dict(data["mapping"] if isinstance(data, dict) and "mapping" in data else data)
