"""What the commands share: consoles, progress bars and the way errors are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vstore.errors import InvalidInput, Unsupported, VStoreError

__all__ = ["EXIT_FAILED", "EXIT_USAGE", "console", "errors_told", "plain", "problems", "progress"]

console: Final = Console(highlight=False, emoji=False)
problems: Final = Console(stderr=True, highlight=False, emoji=False)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # of these a name may hold the last

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def plain(text: str) -> str:
    """A text as it stands, for a console: no markup, and no control character that a terminal would obey."""
    return escape(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text))


@contextmanager
def errors_told() -> Iterator[None]:
    """Turns an error of the library into one readable message and an exit code: 2 for bad input, else 1."""
    try:
        yield
    except (InvalidInput, Unsupported) as error:
        problems.print(f"[bold red]{type(error).__name__}[/] {plain(str(error))}", soft_wrap=True)
        raise typer.Exit(EXIT_USAGE) from error
    except VStoreError as error:
        problems.print(f"[bold red]{type(error).__name__}[/] {plain(str(error))}", soft_wrap=True)
        raise typer.Exit(EXIT_FAILED) from error
    except KeyboardInterrupt:
        problems.print("Interrupted.")
        raise typer.Exit(130) from None


def progress(target: Console = console) -> Progress:
    """A progress bar with counts and time."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=target,
    )
