"""docs/adapters.md shows the adapter for SQLite as it is, which needs nothing but ``vstore`` and ``vstore.spi``."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.plugin.conftest import SITE
from tests.wheel.environments import ROOT
from tests.wheel.pages import files_shown
from vstore import spi

SQLITE = sorted((SITE / "vstore_sqlite").glob("*.py"))
# but for the module that breaks promises of the reference store itself
PACKAGES = sorted(set(SITE.glob("*/*.py")) - {SITE / "vstore_faulty" / "field_faults.py"})


def test_the_guide_shows_every_file_of_the_adapter_as_it_is() -> None:
    shown = files_shown("docs/adapters.md")
    assert set(shown) - {"pyproject.toml"} == {str(path.relative_to(SITE)) for path in SQLITE}
    for path in SQLITE:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        assert [line for line in shown[str(path.relative_to(SITE))].splitlines() if line] == lines, path.name


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_adapter_imports_the_public_surface_alone(path: Path) -> None:
    names: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.name]
        elif isinstance(node, ast.ImportFrom):
            names[node.module or ""] |= {alias.name for alias in node.names}
    ours = {module for module in names if module.partition(".")[0] == "vstore"}
    others = {module.partition(".")[0] for module in names} - {"vstore"} - sys.stdlib_module_names
    assert ours <= {"vstore", "vstore.spi"}
    assert names["vstore.spi"] <= set(spi.__all__)
    assert others <= {"numpy", "vstore_sqlite", "vstore_faulty"}


def test_the_guide_names_the_number_of_the_surface() -> None:
    text = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    assert re.findall(r"`vstore\.spi\.SPI_VERSION` is (\d+)", text) == [str(spi.SPI_VERSION)]


def test_the_pages_of_the_adapters_have_the_same_headings() -> None:
    headings = {
        path.stem: re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in (ROOT / "docs" / "adapters").glob("*.md")
    }
    assert set(headings) == {path.name.removeprefix("vstore_") for path in (ROOT / "adapters").glob("vstore_*")}
    assert len(set(map(tuple, headings.values()))) == 1, headings
