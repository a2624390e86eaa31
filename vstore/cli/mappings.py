"""The option ``--mapping`` of the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput, Mismatch
from vstore.mapping import LAYOUTS, RecordMapping
from vstore.regular import read_bounded
from vstore.spi.urls import names_store

__all__ = ["read_mapping"]

_MOST: Final = 1 << 20


def read_mapping(given: str | None) -> RecordMapping | str | None:
    """What ``get_collection(mapping=…)`` takes, from the name of a layout or of a file.

    The file holds a mapping, or what ``vstore inspect URL NAME --json`` prints, of which it is a part.

    Raises:
        InvalidInput: The file cannot be read, or is no mapping.
    """
    if given is None or given == "auto" or given in LAYOUTS:
        return given
    hint = f"It is a file (./ before a name with a colon), or one of {', '.join(('auto', *LAYOUTS))}."
    if "://" in given or names_store(given):
        raise InvalidInput("--mapping takes a path, not a URL", hint=hint)
    try:
        data = json.loads(read_bounded(Path(given), _MOST))
    except (OSError, InvalidInput) as error:
        said = error.message if isinstance(error, InvalidInput) else error.strerror
        raise InvalidInput(f"--mapping: {given!r} cannot be read: {said}", hint=hint) from error
    except (ValueError, RecursionError, Mismatch) as error:
        raise InvalidInput(f"--mapping: {given!r} is no JSON: {error}", hint=hint) from error
    return RecordMapping.from_dict(data["mapping"] if isinstance(data, dict) and "mapping" in data else data)
