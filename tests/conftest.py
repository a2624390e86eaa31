"""The tests of one adapter stay on one worker of pytest-xdist, so that the server they share is started once.

What Hypothesis makes is the same in every run, and no example fails because the machine was busy.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "vstore", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("vstore")

ADAPTERS = Path(__file__).parent / "adapters"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            if ADAPTERS in item.path.parents:
                item.add_marker(pytest.mark.xdist_group(f"adapters-{item.path.relative_to(ADAPTERS).parts[0]}"))
