"""Packages that an extra brings: imported when they are needed, missed with advice."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vstore.errors import Unsupported

__all__ = ["load"]


def load(module: str, extra: str) -> Any:
    """The module; raises ``Unsupported`` that names the extra where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise Unsupported(
            f"{module.partition('.')[0]} cannot be imported: {error}",
            hint=f"Install it with pip install 'vstore-db[{extra}]'.",
        ) from error
