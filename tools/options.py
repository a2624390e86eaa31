"""Writes ``vstore/options.py`` from the options that the adapters declare, or checks that it is up to date.

``python tools/options.py`` writes, ``python tools/options.py --check`` exits 1 where the file differs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vstore.core.registry import factory_for_scheme

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "vstore" / "options.py"
SCHEMES = {"chroma": "Chroma", "milvus": "Milvus", "pgvector": "PostgreSQL with pgvector", "qdrant": "Qdrant"}


def written() -> str:
    """Return the module as it should be."""
    names = [f"{scheme.capitalize()}Options" for scheme in SCHEMES]
    lines = [
        '"""Options of ``connect`` for each database, so that an editor completes them and a type checker knows them.',
        "",
        "Generated from the adapters by tools/options.py: do not edit.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import TypedDict",
        "",
        f"__all__ = {names!r}",
    ]
    for name, (scheme, database) in zip(names, SCHEMES.items(), strict=True):
        head = f"class {name}(TypedDict, total=False):"
        lines += ["", "", head, f'    """Options of ``connect`` for {database}."""', ""]
        for option, declared in factory_for_scheme(scheme).options.items():
            default = "" if declared.default == "" else f" Default {declared.default!r}."
            end = "" if declared.help.endswith("…") else "."
            text = f"{declared.help[:1].upper()}{declared.help[1:]}{end}{default}"
            lines += [f"    {option}: {type(declared.default).__name__}", f'    """{text}"""']
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", str(TARGET), "-"]
    text = "\n".join(lines) + "\n"
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def main() -> int:
    """Writes or checks."""
    text = written()
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        print("vstore/options.py is out of date, run `python tools/options.py`")
        return 1
    print("vstore/options.py is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
