"""Writes the sync twin of every async source, or checks that the committed twins are up to date.

``python tools/unasync.py`` writes, ``python tools/unasync.py --check`` exits 1 where a twin differs.
The sources are the files of every ``_async`` folder and every ``_async.py``; their twins are ``_sync``.
A rule that no source uses any more is an error.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HAND_WRITTEN = {"_run.py", "_lookup.py"}
BANNER = "# Generated from {source} by tools/unasync.py: do not edit.\n"

RULES: list[tuple[str, str]] = [
    (r"\basync def\b", "def"),
    (r"\basync with\b", "with"),
    (r"\basync for\b", "for"),
    (r"\bAwaitable\[(\w+(?:\[\w+\])?)\]", r"\1"),
    (r"\bAwaitable, ", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAbstractAsyncContextManager\b", "AbstractContextManager"),
    (r"\bawait ", ""),
    (r"\b(borrow|connect|keep|kept|learn)_async\b", r"\1"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\banext\b", "next"),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\b_async\b", "_sync"),
    (r"\b(_?)Async([A-Z]\w*)", r"\1\2"),
    (r"The async source of", "The sync form of"),
    (r"; (``[\w.]+``|its sync twin) is generated from it", ", generated"),
]


def sources() -> list[Path]:
    """Every async source of the project."""
    found: list[Path] = []
    for top in ("vstore", "adapters", "tests"):
        found += [p for p in sorted((ROOT / top).rglob("*.py")) if p.name == "_async.py" or p.parent.name == "_async"]
    return [path for path in found if path.name not in HAND_WRITTEN]


def twin(path: Path) -> Path:
    """Where the sync form of ``path`` stands."""
    parts = ["_sync" if part == "_async" else part for part in path.relative_to(ROOT).parts]
    parts[-1] = parts[-1].replace("_async.py", "_sync.py")
    return ROOT.joinpath(*parts)


def formatted(texts: list[str]) -> list[str]:
    """The texts as ruff sorts imports and formats, in one run of each."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"f{number}.py" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        config = ["--config", str(ROOT / "pyproject.toml"), "--quiet"]
        subprocess.run([sys.executable, "-m", "ruff", "check", "--select", "I", "--fix", *config, folder], check=True)
        subprocess.run([sys.executable, "-m", "ruff", "format", *config, folder], check=True)
        return [file.read_text() for file in files]


def main() -> int:
    """Writes or checks."""
    paths = sources()
    used: set[str] = set()
    raw: list[str] = []
    for path in paths:
        text = path.read_text()
        for pattern, replacement in RULES:
            text, number = re.subn(pattern, replacement, text)
            if number:
                used.add(pattern)
        raw.append(BANNER.format(source=path.relative_to(ROOT).as_posix()) + text)
    stale: list[str] = []
    for path, text in zip(paths, formatted(raw), strict=True):
        target = twin(path)
        if not target.exists() or target.read_text() != text:
            stale.append(target.relative_to(ROOT).as_posix())
            if "--check" not in sys.argv:
                target.parent.mkdir(exist_ok=True)
                target.write_text(text)
    if unused := [pattern for pattern, _ in RULES if pattern not in used]:
        print(f"rules that nothing uses: {unused}")
        return 1
    if "--check" in sys.argv and stale:
        print("out of date, run `python tools/unasync.py`: " + ", ".join(stale))
        return 1
    print(
        f"{len(paths)} sync twins " + ("are up to date" if "--check" in sys.argv else f"written, {len(stale)} changed")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
