"""The options ``--rename`` and ``--name-map``, and what becomes of each collection, printed beforehand."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vstore.cli.output import console, plain
from vstore.cli.transfers import emit_event
from vstore.errors import InvalidInput, Mismatch
from vstore.regular import read_bounded, shown
from vstore.transfer.apps import App
from vstore.transfer.naming import NameRules
from vstore.transfer.whole import Part

__all__ = ["Naming", "print_parts"]

_MOST: Final = 16 << 20
_HIDDEN: Final = (
    "not created by vstore, [bold red]is left out[/]: vstore has a collection of the same name. Rename it to copy it."
)


@dataclass(frozen=True, slots=True)
class Naming:
    """What the two options say.

    Attributes:
        renames: Of ``--rename``.
        file: Of ``--name-map``; None without.
    """

    renames: Sequence[str] = ()
    file: Path | None = None

    def rules(self, usual: Sequence[str] = ()) -> NameRules:
        """Reads the file, of TOML if its name ends so, else of JSON.

        Args:
            usual: The rules where ``--rename`` gives none.

        Raises:
            InvalidInput: It cannot be read, or a rule is not legal.
        """
        return NameRules.of(self.renames or usual, None if self.file is None else _table(self.file))


def _table(path: Path) -> dict[str, Any]:
    name = shown(path)
    try:
        text = read_bounded(path, _MOST).decode()
        found = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, InvalidInput) as error:
        said = error.message if isinstance(error, InvalidInput) else error.strerror
        raise InvalidInput(f"--name-map: {name} cannot be read: {said}") from error
    except (ValueError, RecursionError, Mismatch) as error:
        raise InvalidInput(f"--name-map: {name} is neither JSON nor, by its name, TOML: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"--name-map: {name} must hold an object of names, not {type(found).__name__}")
    return found


def print_parts(
    parts: Sequence[Part],
    left_out: Sequence[str],
    app: App | None = None,
    *,
    hidden: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Prints what becomes of each of several collections, before anything is written; nothing where all stay alike.

    Args:
        parts: The collections.
        left_out: Those that ``--name-map`` leaves out.
        app: The application whose they are.
        hidden: Those that vstore did not create and cannot open, as one that it created has the same name.
        as_json: Whether as a JSON line.
    """
    something = any(part.foreign or part.error is not None or part.name != part.target for part in parts)
    if not left_out and not hidden and (len(parts) == 1 or not something):
        return
    if as_json:
        means = {} if app is None else {part.name: {"means": app.means(part.name)} for part in parts}
        told = [part.as_dict() | means.get(part.name, {}) for part in parts]
        emit_event("collections", collections=told, left_out=list(left_out), hidden=list(hidden))
        return
    for part in parts:
        how = "" if not part.foreign else "not created by vstore" if app is None else app.means(part.name)
        if part.error is not None:
            how = f"[bold red]cannot be read[/]: {plain(str(part.error))}"
        renamed = f" as [bold]{plain(part.target)}[/]" if part.target != part.name else ""
        console.print(f"{plain(part.name)}{renamed}" + (f", {how}" if how else ""), soft_wrap=True)
    for name in left_out:
        console.print(f"{plain(name)} is left out", soft_wrap=True)
    for name in hidden:
        console.print(f"{plain(name)}, {_HIDDEN}", soft_wrap=True)
