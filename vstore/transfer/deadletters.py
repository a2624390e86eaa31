"""Records that the target has refused: counted, kept in the ledger, and written to a file as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

from vstore.errors import VStoreError
from vstore.transfer.ledger import Ledger
from vstore.types import Record

__all__ = ["DeadLetters", "TooManyRefused"]


class TooManyRefused(Exception):
    """One more record was refused than may be."""


class DeadLetters:
    """What a sink hands over.

    Args:
        ledger: Keeps them, so that a resume neither loses nor repeats one.
        most: How many may be refused.
        path: The file; by default it stands beside the ledger.
    """

    def __init__(self, ledger: Ledger, most: int, path: Path | None) -> None:
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
        """Writes the file anew, whole; returns how many there are and the file, empty if there is none."""
        refused = self._ledger.refused()
        if self._path is None:
            return len(refused), ""
        if not refused:
            self._path.unlink(missing_ok=True)
            return 0, ""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        passing = self._path.with_name(f".{self._path.name}.passing")
        passing.touch(mode=0o600)
        with passing.open("w", encoding="utf-8") as file:
            for refusal in refused:
                line = {"id": refusal.id, "reason": refusal.reason, "record": json.loads(refusal.record)}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        passing.replace(self._path)
        return len(refused), str(self._path)
