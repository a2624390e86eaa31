"""Writes docs/picture.svg, which the README shows: ``python tools/picture.py``, or ``--check`` to compare."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "docs" / "picture.svg"
WIDTH, HEIGHT = 960, 430
INK, SOFT, LINE, PAPER = "#1b2733", "#5b6b7a", "#c3ccd6", "#ffffff"
ACCENT, WASH = "#0b6e6e", "#e8f3f2"
DATABASES = (
    ("Chroma", "chroma:./data"),
    ("Qdrant", "qdrant://host:6333"),
    ("Milvus", "milvus://host:19530"),
    ("PostgreSQL + pgvector", "postgresql://host/db"),
    ("your adapter", "mydb://…"),
)
PROMISES = (
    ("filters", "one algebra, exact types"),
    ("scores", "one direction, ties by id"),
    ("writes", "all, or the ids written"),
    ("reads", "every record exactly once"),
    ("limits", "native, emulated, or refused"),
)


def _text(
    x: float, y: float, words: str, *, size: int = 14, fill: str = INK, bold: bool = False, mono: bool = False
) -> str:
    family = "ui-monospace, Menlo, Consolas, monospace" if mono else "system-ui, Segoe UI, Helvetica, Arial, sans-serif"
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-family="{family}" font-size="{size}" fill="{fill}"{weight}>{escape(words)}</text>'
    )


def _box(x: float, y: float, width: float, height: float, *, fill: str = PAPER, stroke: str = LINE) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{stroke}"/>'


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{SOFT}" stroke-width="1.5" marker-end="url(#tip)"/>'


def draw() -> str:
    """Return the picture as SVG text."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
        '<title id="title">One protocol, one contract, one suite over several vector databases</title>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
        f'<path d="M0 0 8 4 0 8z" fill="{SOFT}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        _box(24, 40, 236, 216),
        _text(40, 68, "your application", bold=True),
        _text(40, 102, "store = connect(URL)", size=13, mono=True),
        _text(40, 126, "docs.upsert(ids, vectors, …)", size=13, mono=True),
        _text(40, 150, "docs.query(vector, k=10,", size=13, mono=True),
        _text(40, 170, '  where=F("year") >= 2020)', size=13, mono=True),
        _text(40, 212, "Change the URL,", size=13, fill=ACCENT, bold=True),
        _text(40, 232, "not the answers.", size=13, fill=ACCENT, bold=True),
        _box(308, 40, 344, 216, fill=WASH, stroke=ACCENT),
        _text(324, 68, "vstore: one contract", bold=True, fill=ACCENT),
        _arrow(262, 148, 304, 148),
    ]
    for row, (name, promise) in enumerate(PROMISES):
        y = 102 + 32 * row
        parts += [_text(324, y, name, size=13, bold=True), _text(378, y, promise, size=12, fill=SOFT)]
    for row, (name, url) in enumerate(DATABASES):
        y = 40 + 44 * row
        parts += [
            _box(704, y, 232, 38),
            _text(716, y + 16, name, size=13, bold=True),
            _text(716, y + 31, url, size=11, fill=SOFT, mono=True),
            _arrow(654, 148, 699, y + 19),
        ]
    commands = (
        (
            "vstore copy FROM TO",
            "moves collections, compares every record,",
            "resumes, and names what it cannot carry",
        ),
        ("vstore conform URL", "runs the contract's suite on a live store", "and reports pass or fail for each clause"),
    )
    for column, (command, *lines) in enumerate(commands):
        x = 24 + 468 * column
        parts += [
            _box(x, 292, 444, 106),
            _text(x + 16, 324, f"$ {command}", size=15, bold=True, mono=True),
            _text(x + 16, 352, lines[0], size=13, fill=SOFT),
            _text(x + 16, 374, lines[1], size=13, fill=SOFT),
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Write the picture, or with ``--check`` say whether it is the one that is there."""
    if "--check" in sys.argv:
        fresh = TARGET.exists() and TARGET.read_text(encoding="utf-8") == draw()
        print(
            "docs/picture.svg is up to date"
            if fresh
            else "docs/picture.svg is out of date: run python tools/picture.py"
        )
        return 0 if fresh else 1
    TARGET.write_text(draw(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
