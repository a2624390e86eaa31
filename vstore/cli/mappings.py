"""The option ``--mapping`` of the commands."""

from __future__ import annotations

import json
from pathlib import Path

from vstore.errors import InvalidInput
from vstore.mapping import LAYOUTS, Mapping

__all__ = ["read_mapping"]


def read_mapping(given: str | None) -> Mapping | str | None:
    """What ``get_collection(mapping=…)`` takes, from the name of a layout or of a file.

    The file holds a mapping, or what ``vstore inspect URL NAME --json`` prints, of which it is a part.

    Raises:
        InvalidInput: The file cannot be read, or is no mapping.
    """
    if given is None or given == "auto" or given in LAYOUTS:
        return given
    try:
        data = json.loads(Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(("auto", *LAYOUTS))
        raise InvalidInput(
            f"--mapping: {given!r} cannot be read: {error.strerror}", hint=f"It is a file, or one of {known}."
        ) from error
    except ValueError as error:
        raise InvalidInput(f"--mapping: {given!r} is no JSON: {error}") from error
    return Mapping.from_dict(data["mapping"] if isinstance(data, dict) and "mapping" in data else data)
