"""The generator of the sync twins, and that the committed ones are its work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import unasync

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "twin"),
    [
        ("async def f(self) -> None:", "def f(self) -> None:"),
        ("    x = await self.g(await h())", "    x = self.g(h())"),
        ("async for page in pages:", "for page in pages:"),
        ("from vstore.core._async.store import AsyncStore", "from vstore.core._sync.store import Store"),
        ("page = await anext(pages)", "page = next(pages)"),
        ("except StopAsyncIteration:", "except StopIteration:"),
        ("AsyncIterator[Page]", "Iterator[Page]"),
    ],
)
def test_rules(source: str, twin: str) -> None:
    for pattern, replacement in unasync.RULES:
        source = re.sub(pattern, replacement, source)
    assert source == twin


def test_the_committed_twins_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/unasync.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_twin_has_a_source() -> None:
    expected = {unasync.twin(path) for path in unasync.sources()}
    generated = {path for top in ("vstore", "adapters") for path in (ROOT / top).rglob("*.py") if "_sync" in path.parts}
    hand = {path for path in generated if path.name in unasync.HAND_WRITTEN}
    assert generated - hand == {path for path in expected if "_sync" in path.parts}


def test_no_twin_is_async() -> None:
    for path in map(unasync.twin, unasync.sources()):
        assert not re.search(
            r"\b(async|await|Async[A-Z]\w*)\b", re.sub(r'""".*?"""|#.*', "", path.read_text(), flags=re.S)
        ), path
