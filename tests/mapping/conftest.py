"""What several tests of collections that vstore did not create need."""

from __future__ import annotations

from typing import Any

import pytest

from vstore.core._sync import mapped


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each request brought."""
    found: list[int] = []
    original = mapped.to_records

    def counting(*args: Any) -> Any:
        found.append(len(args[2]))
        return original(*args)

    monkeypatch.setattr(mapped, "to_records", counting)
    return found
