"""Writes docs/compatibility.md, and the short form of it in README.md.

``python tools/compatibility.py FOLDER``, after ``pytest tests/conformance --vstore-report FOLDER``. A report in which a
test failed writes nothing; a store without a report has no column, and is named. ``--check`` compares README.md with
docs/compatibility.md and writes nothing.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from vstore.conformance.report import Report
from vstore.conformance.table import table

ROOT: Final = Path(__file__).resolve().parent.parent
STORES: Final = (
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
DATABASES: Final = {"chroma": "Chroma", "milvus": "Milvus", "pgvector": "PostgreSQL, pgvector", "qdrant": "Qdrant"}
ROWS: Final = {
    "exact_query": "exact queries",
    "filtered_query": "filtered queries that find all k",
    "sparse_vectors": "sparse vectors, for hybrid search",
    "document_contains": "substrings of documents",
    "metadata_contains": "substrings of texts in metadata",
    "string_ordering": "order of strings",
    "matches": "regular expressions",
    "nested_metadata": "nested metadata",
    "atomic_writes": "a failed write has written nothing",
    "rename": "rename",
    "mapping": "reading collections of others",
    "clauses passed": "clauses passed",
}
_BEGIN: Final = "<!-- from docs/compatibility.md, by tools/compatibility.py -->\n"
_END: Final = "<!-- end -->\n"


def short(page: str) -> str:
    """Return the table for README.md: one column a database, whose servers and embedded forms are put together."""
    rows = [
        [re.sub(r"\[\^\d+\]|`", "", cell).strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    stores = [column.partition(" (")[0] for column in rows[0]]
    lines = [f"| | {' | '.join(DATABASES.values())} |", "|---|" + "---|" * len(DATABASES)]
    for row in rows:
        if row[0] in ROWS:
            found: dict[str, dict[str, None]] = {name: {} for name in stores}
            for name, value in zip(stores, row, strict=True):
                found[name][value.lower()] = None
            lines.append(f"| {ROWS[row[0]]} | {' | '.join(' / '.join(found[name]) for name in DATABASES)} |")
    return "\n".join(lines) + "\n"


def with_table(readme: str, page: str) -> str:
    """Return README.md with the table of a compatibility page."""
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"README.md has no place for the table: {_BEGIN.strip()} … {_END.strip()}")
    return f"{before}{begin}{short(page)}{end}{after}"


def main(argument: str) -> None:
    """Write both pages from a folder of reports, or compare the two."""
    page, readme = ROOT / "docs" / "compatibility.md", ROOT / "README.md"
    if argument != "--check":
        files = [Path(argument) / f"{name}.json" for name in STORES]
        for missing in (file for file in files if not file.exists()):
            print(f"not in the table: {missing.stem}")
        reports = [Report.from_json(file.read_text(encoding="utf-8")) for file in files if file.exists()]
        page.write_text(table(reports), encoding="utf-8")
    old = readme.read_text(encoding="utf-8")
    new = with_table(old, page.read_text(encoding="utf-8"))
    if argument != "--check":
        readme.write_text(new, encoding="utf-8")
    elif new != old:
        raise SystemExit("README.md and docs/compatibility.md differ: run `make table`")


if __name__ == "__main__":
    main(sys.argv[1])
