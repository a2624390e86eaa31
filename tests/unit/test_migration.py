"""The clauses of docs/migration.md have tests, and the page links them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "migration.md"


def marked() -> dict[str, set[str]]:
    """The files of tests that carry each clause."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "clause":
                for argument in node.args:
                    name = ast.literal_eval(argument)
                    if name.startswith("MIG-"):
                        found.setdefault(name, set()).add(path.relative_to(ROOT).as_posix())
    return found


def linked() -> dict[str, set[str]]:
    """The files that each clause of the page links."""
    text = PAGE.read_text(encoding="utf-8")
    clauses = re.findall(r"^- \*\*(MIG-\d+)\*\* (.*?)(?=^- \*\*|^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(clauses) == len(dict(clauses)), "a clause stands twice"
    return {name: set(re.findall(r"\]\(\.\./(tests/[^)]*)\)", body)) for name, body in clauses}


def test_every_clause_has_a_test_and_links_it() -> None:
    tests, clauses = marked(), linked()
    assert sorted(clauses, key=lambda name: int(name[4:])) == [f"MIG-{n}" for n in range(1, len(clauses) + 1)]
    assert clauses == tests
