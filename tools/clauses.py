"""Writes docs/clauses.md, the tests of each clause: ``python tools/clauses.py``, or ``--check`` to compare.

The contract, the suite and ``vstore conform`` use the same words: the first sentence of a clause in docs/contract.md is
its summary in ``vstore.conformance.clauses``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

from vstore.conformance.clauses import CLAUSES

ROOT: Final = Path(__file__).resolve().parent.parent
SUITE: Final = ROOT / "vstore" / "conformance"
TARGET: Final = ROOT / "docs" / "clauses.md"
_CLAUSE: Final = re.compile(
    r"^- \*\*\[([A-Z]+-\d+)\]\(clauses\.md#([a-z]+-\d+)\)\*\* (.*?)(?=^\S|\Z|^ *$)", re.M | re.S
)
_HEAD: Final = """# The tests of each clause

Written by `python tools/clauses.py` from the suite in `vstore/conformance`. [contract.md](contract.md) has the whole
text of the clauses. Every test runs on every store, sync and async.
"""


def contract() -> dict[str, str]:
    """Return the first sentence of each clause in docs/contract.md, as plain text without its full stop."""
    found: dict[str, str] = {}
    for name, anchor, text in _CLAUSE.findall((ROOT / "docs" / "contract.md").read_text(encoding="utf-8")):
        if anchor != name.lower() or name in found:
            raise SystemExit(f"docs/contract.md: {name} links to {anchor}, or stands there twice")
        found[name] = re.sub("`", "", " ".join(text.split())).partition(". ")[0].removesuffix(".")
    return found


def tests() -> dict[str, dict[str, list[str]]]:
    """Return the tests of each clause, by module."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(SUITE.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "clause":
                        for argument in mark.args:
                            found[ast.literal_eval(argument)][path.name].append(node.name)
    return found


def page() -> str:
    """Return docs/clauses.md; end the program where contract and suite have other clauses, or other words."""
    stated, carried = contract(), tests()
    for name in [*CLAUSES, *stated, *carried]:
        if stated.get(name) != CLAUSES.get(name) or name not in carried:
            raise SystemExit(
                f"{name} differs.\n contract: {stated.get(name)}\n suite:    {CLAUSES.get(name)}\n"
                f" tests:    {sum(map(len, carried[name].values()))}"
            )
    if list(stated) != list(CLAUSES):
        raise SystemExit("docs/contract.md and vstore/conformance/clauses.py have another order")
    parts = [_HEAD]
    for name, summary in CLAUSES.items():
        lines = [f"- [{file}](../vstore/conformance/{file}): {', '.join(made)}" for file, made in carried[name].items()]
        parts.append(f"## {name}\n\n{summary}.\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> None:
    """Write the page, or compare it."""
    text = page()
    if arguments != ["--check"]:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        raise SystemExit("docs/clauses.md is not up to date: run python tools/clauses.py")


if __name__ == "__main__":
    main(sys.argv[1:])
