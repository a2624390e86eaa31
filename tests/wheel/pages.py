"""What the pages promise that one can run: the commands and programs in their fenced blocks, and commands in prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.wheel.environments import ROOT

__all__ = ["PAGES", "Item", "errors_shown", "examples_of", "files_shown", "in_prose", "items", "links", "of_file"]

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_COMMENT = re.compile(r"\s+# .*$")
_PROGRAMS = ("vstore ", "python ", "pip ", "make ", "gunicorn ")


@dataclass(frozen=True)
class Item:
    """One thing to run: ``kind`` is ``console`` for a command, ``python`` for a program."""

    kind: str
    text: str


def _pages() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT))
        for path in [*ROOT.glob("*.md"), ROOT / "docker" / "README.md", *(ROOT / "docs").rglob("*.md")]
    )


PAGES = _pages()


def _blocks(page: str) -> list[tuple[str, str]]:
    return [(found[2], found[3]) for found in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def items(page: str) -> list[Item]:
    """What the fenced blocks of a page hold, in its order; each command of a console block is one."""
    found: list[Item] = []
    for language, text in _blocks(page):
        if language == "console":
            lines = text.replace("\\\n", " ").splitlines()
            found += [Item("console", _COMMENT.sub("", line[2:])) for line in lines if line.startswith("$ ")]
        elif language == "python":
            found.append(Item("python", text))
        else:
            assert language in ("text", "toml", "json", "mermaid", "sql"), (
                f"{page}: a block of {language} is nothing that is looked at"
            )
    return found


def in_prose(page: str) -> list[str]:
    """The commands that stand in backquotes between the blocks."""
    prose = _BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
    found = (" ".join(code.split()) for code in _CODE.findall(prose))
    return [code for code in dict.fromkeys(found) if code.startswith(_PROGRAMS)]


def links(page: str) -> list[str]:
    """The files of this repository that a page leads to."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", _BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8")))
    return [link for link in found if "://" not in link]


def files_shown(page: str) -> dict[str, str]:
    """The files that a page shows, in one block or several: each block is of the file named last before it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for block in _BLOCK.finditer(text):
        names = [code for code in _CODE.findall(text[: block.start()]) if re.fullmatch(r"[\w/]+\.(py|toml)", code)]
        if block[2] in ("python", "toml") and names:
            found[names[-1]] = found.get(names[-1], "") + block[3]
    return found


def errors_shown(page: str) -> list[str]:
    """The lines of the blocks of plain text: errors, as they read."""
    return [line for language, text in _blocks(page) if language == "text" for line in text.splitlines()]


def examples_of(text: str) -> list[str]:
    """The commands that a ``--help`` text, or a program's docstring, gives as examples."""
    after_word = re.findall(r"Example: +(\S.*?) *$", text, re.MULTILINE)
    indented = re.findall(r"^ {4}((?:python|gunicorn) .*)$", text, re.MULTILINE)
    return [*after_word, *indented]


def of_file(path: Path) -> list[str]:
    """The examples in a program's docstring."""
    return examples_of(path.read_text(encoding="utf-8").split('"""')[1])
