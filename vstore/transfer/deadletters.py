"""Records that the target has refused: counted, kept in the ledger, and written to a file as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vstore.errors import BackendError, InvalidInput, VStoreError
from vstore.records import Record
from vstore.regular import shown
from vstore.spi.durable import reading, replacing
from vstore.transfer.ledger import Ledger, Refusal

__all__ = ["DeadLetters", "TooManyRefused"]

_KEYS: Final = ("id", "reason", "record")
_LINE: Final = 256 << 20


class TooManyRefused(Exception):
    """One more record was refused than may be."""


class DeadLetters:
    """What a sink hands over.

    Args:
        ledger: Keeps them, so that a resume neither loses nor repeats one.
        most: How many may be refused.
        path: The file; by default it stands beside the ledger.

    Raises:
        InvalidInput: The file is there and holds something else, which would be lost.
    """

    def __init__(self, ledger: Ledger, most: int, path: Path | None) -> None:
        if path is not None and path.exists() and not _ours(path):
            raise InvalidInput(f"{path} is there and holds no dead letters", hint="Name another file: it is replaced.")
        self._ledger = ledger
        self._most = most
        self._path = path or (ledger.path.with_suffix(".refused.jsonl") if ledger.path is not None else None)

    def refuse(self, chunk: int, record: Record, error: VStoreError) -> None:
        """See ``Refuse``."""
        count = self._ledger.refuse(chunk, record, f"{type(error).__name__}: {error}")
        if count > self._most:
            raise TooManyRefused(
                f"the target has refused {count:,} records and at most {self._most:,} may be (--max-errors); "
                f"the last was {record.id!r}: {error}"
            )

    def write(self) -> tuple[int, str]:
        """Writes the file anew, whole; returns how many there are and the file, empty if there is none.

        Raises:
            BackendError: The file cannot be written.
        """
        refused = self._ledger.refused()
        if self._path is None:
            return len(refused), ""
        try:
            if refused:
                _replace(self._path, refused)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise BackendError(
                f"the {len(refused):,} refused records cannot be written to {self._path}: {error.strerror}",
                hint="The same command with another --dead-letters writes them there.",
            ) from error
        return len(refused), shown(self._path) if refused else ""


def _replace(path: Path, refused: Sequence[Refusal]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, private=True) as file:
        for refusal in refused:
            values = (refusal.id, refusal.reason, json.loads(refusal.record))
            file.write(json.dumps(dict(zip(_KEYS, values, strict=True)), ensure_ascii=False).encode() + b"\n")


def _ours(path: Path) -> bool:
    """Whether a file holds dead letters, or nothing."""
    try:
        with reading(path) as file:
            line = file.readline(_LINE)
        return not line or tuple(json.loads(line)) == _KEYS
    except (OSError, ValueError, TypeError, RecursionError, InvalidInput):
        return False
