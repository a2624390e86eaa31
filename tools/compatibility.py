"""Runs the conformance suite on every store, started here, and writes docs/compatibility.md.

``python tools/compatibility.py [--filters 2000] [--sequences 200]``. A run in which a test fails writes nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from vstore.conformance.run import run
from vstore.conformance.table import table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for the tests' own servers

from tests.milvus_server import milvus_server  # noqa: E402
from tests.servers import chroma_server, postgres_server  # noqa: E402


def main() -> int:
    """Runs, prints a line a store, writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=2000)
    parser.add_argument("--sequences", type=int, default=200)
    chosen = parser.parse_args()
    reports = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True)))
        urls = [
            "memory:",
            f"chroma:{folder / 'chroma'}",
            stack.enter_context(chroma_server(folder / "server")),
            f"milvus:{folder / 'milvus.db'}",
            stack.enter_context(milvus_server()),
            f"pgvector:{folder / 'pg'}",
            stack.enter_context(postgres_server()),
            "qdrant::memory:",
            f"qdrant:{folder / 'qdrant'}",
        ]
        for url in urls:
            report = run(url, filters=chosen.filters, sequences=chosen.sequences)
            tests = sum(result.passed + result.no for result in report.clauses.values())
            print(f"{report.backend} ({report.reached}): {tests} passed, {len(report.failures)} failed")
            reports.append(report)
    if not all(report.passed for report in reports):
        for report in reports:
            print(report.trouble, *(f"{f.test}: {f.text}" for f in report.failures), sep="\n")
        return 1
    (ROOT / "docs" / "compatibility.md").write_text(table(reports), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
