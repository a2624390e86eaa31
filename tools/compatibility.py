"""Writes docs/compatibility.md from the reports of a run of the suite on the stores of this project.

``python tools/compatibility.py FOLDER``, after ``pytest tests/conformance --vstore-report FOLDER``. A report in which a
test failed writes nothing; a store without a report has no column, and is named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vstore.conformance.report import Report
from vstore.conformance.table import table

ROOT = Path(__file__).resolve().parent.parent
STORES = (
    "memory",
    "chroma-embedded",
    "chroma-server",
    "milvus-embedded",
    "milvus-server",
    "pgvector-embedded",
    "pgvector-server",
    "qdrant-memory",
    "qdrant-embedded",
)


def main(folder: str) -> None:
    """Reads the reports, writes the table."""
    files = [Path(folder) / f"{name}.json" for name in STORES]
    for missing in (file for file in files if not file.exists()):
        print(f"not in the table: {missing.stem}")
    reports = [Report.from_json(file.read_text(encoding="utf-8")) for file in files if file.exists()]
    (ROOT / "docs" / "compatibility.md").write_text(table(reports), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
