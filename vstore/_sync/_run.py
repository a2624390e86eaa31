"""Runs a blocking function: directly here, in a worker thread in the async twin. Both are hand-written."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["run_blocking"]


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``function``."""
    return function(*args, **kwargs)
