"""Spreads the suite over the stores that ``--vstore-url`` names."""

from __future__ import annotations

from functools import cache

import pytest

from vstore.conformance.fixtures import new, session, spread, store, supports
from vstore.conformance.session import Target, shown

__all__ = ["new", "session", "store", "supports"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test on each store in each mode."""
    spread(metafunc, [_target(url) for url in metafunc.config.getoption("--vstore-url")])


@cache  # asked for by each test; to show a URL, all entry points that are installed are read
def _target(url: str) -> Target:
    return Target(shown(url), url)
