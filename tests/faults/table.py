"""The fault table: what each backend answers to each fault, from a real run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["Finding", "render", "write"]

Finding = tuple[str, str, str]
"""Fault, backend, what was seen."""

_HEAD = """\
# Faults

What a caller sees when a server or its network fails, and what is left of the data. Written by
`make faults PYTEST_ARGS=--write-faults` from a real run: containers that are killed, paused and restarted, and a proxy
on the loopback that delays, cuts, halves and swallows. Each cell has the error of a read and of a write with the
seconds until it came, or what happened instead; "lost" counts acknowledged records that a full scan afterwards did not
find as they were written. The timeout of these clients is 2 s. `-` means that there is no such fault: Chroma's server
asks for no credentials, gRPC reads its authorities once a process, and only PostgreSQL was given a disk that fills up.

A write that ended in an error may have happened. Where the database has transactions (PostgreSQL) it is then there as a
whole or not at all; Chroma and Milvus have none, and some of its records may be there, each of them whole. It may even
happen after the error: a server that was paused does, when it goes on, what has reached it before.

"""


def _grid(findings: Iterable[Finding], backends: Sequence[str]) -> list[list[str]]:
    faults: dict[str, dict[str, str]] = {}
    for fault, backend, seen in findings:
        faults.setdefault(fault, {})[backend] = seen
    return [[fault, *(cells.get(backend, "-") for backend in backends)] for fault, cells in faults.items()]


def render(findings: Sequence[Finding]) -> str:
    """The table in Markdown."""
    backends = sorted({backend for _, backend, _ in findings})
    rows = [["fault", *backends], ["---"] * (len(backends) + 1), *_grid(findings, backends)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def write(findings: Sequence[Finding], servers: Sequence[str], path: Path) -> None:
    """Writes the document.

    Args:
        findings: What was seen.
        servers: The servers with their versions.
        path: Where to.
    """
    path.write_text(f"{_HEAD}Servers: {', '.join(servers)}.\n\n{render(findings)}", encoding="utf-8")
