"""Two clocks: the one on the wall, and the processor time of this process and of the servers that it asks.

Processor time hangs less on what else a machine does. Linux tells that of other processes in nanoseconds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from time import perf_counter, process_time
from typing import TypeAlias, TypeVar

import psutil

__all__ = ["Clock", "add_clock", "clocked", "processor_seconds", "wall_seconds"]

T = TypeVar("T")

Clock: TypeAlias = Callable[[Callable[[], object]], float]


def add_clock(parser: argparse.ArgumentParser) -> None:
    """Adds ``--processor-time``."""
    text = "of this process and its servers, on a machine that does other work (Linux only)"
    parser.add_argument("--processor-time", action="store_true", help=text)


def clocked(
    opened: Iterable[Callable[[Path], AbstractContextManager[T]]], chosen: argparse.Namespace
) -> Iterator[tuple[T, Clock]]:
    """Yields what is opened in a folder of its own, one after another, and the clock that the command line chose."""
    for one in opened:
        with (
            tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as name,
            one(Path(name)) as ready,
        ):
            yield ready, processor_seconds(Path(name)) if chosen.processor_time else wall_seconds


def wall_seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    started = perf_counter()
    work()
    return perf_counter() - started


def processor_seconds(folder: Path) -> Clock:
    """A clock of processor time.

    Args:
        folder: Where an embedded PostgreSQL has its data: its processes are no children of this one.
    """

    def clock(work: Callable[[], object]) -> float:
        servers = list(_servers(folder))
        before = _nanoseconds(servers)
        started = process_time()
        work()
        own = process_time() - started
        return own + (_nanoseconds(servers) - before) / 1e9

    return clock


def _servers(folder: Path) -> Iterator[int]:
    mine = {process.pid for process in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            is_postgres = process.info["name"] == "postgres"
            if process.pid in mine or (is_postgres and Path(process.cwd()).is_relative_to(folder)):
                yield process.pid


def _nanoseconds(servers: list[int]) -> int:
    total = 0
    for pid in servers:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                total += int(thread.read_text().split()[0])
    return total
