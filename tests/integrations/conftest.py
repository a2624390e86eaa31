"""Tests of one database stay on one worker of pytest-xdist, which starts it once; no framework reports home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.cls is not None and HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}-{item.cls.__name__}"))
