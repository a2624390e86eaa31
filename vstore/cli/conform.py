"""``vstore conform``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vstore.cli.output import EXIT_FAILED, problems, progress
from vstore.conformance.clauses import CLAUSES
from vstore.conformance.report import Outcome, Report
from vstore.conformance.run import run as run_suite
from vstore.errors import InvalidInput
from vstore.spi.durable import replacing

__all__ = ["run"]


def run(url: str, *, filters: int, sequences: int, mode: Literal["sync", "async", "both"], report: Path | None) -> None:
    """Runs the suite with a progress bar and prints what holds; exits with 1 if anything fails."""
    if report is not None:
        _check_writable(report)
    console = Console(file=sys.stdout, highlight=False)  # the suite takes sys.stdout away while it runs
    bar = progress(console)
    task = bar.add_task("starting", total=None)

    def step(done: int, planned: int, test: str, _: Outcome) -> None:
        if console.is_terminal:
            bar.start()
        bar.update(task, completed=done, total=planned, description=f"{test.rpartition('::')[2]:<60.60}")

    try:
        found = run_suite(url, filters=filters, sequences=sequences, mode=mode, on_progress=step)
    finally:
        if console.is_terminal:
            bar.stop()
    if report is not None:
        with replacing(report) as file:
            file.write(found.to_json().encode())
    if found.trouble:
        problems.print(f"[bold red]The suite could not run.[/] {escape(found.trouble)}")
        raise typer.Exit(EXIT_FAILED)
    _tell(console, found)
    if not found.passed:
        raise typer.Exit(EXIT_FAILED)


def _check_writable(report: Path) -> None:
    """Says before minutes of work that its outcome has no place."""
    if report.is_dir():
        raise InvalidInput(f"--report: {report} is a directory")
    if not os.access(report.parent, os.W_OK):
        raise InvalidInput(f"--report: {report} cannot be written")


def _tell(console: Console, found: Report) -> None:
    table = Table(title=f"{found.backend} {found.server_version} ({found.reached}), {escape(found.url)}")
    table.add_column("clause")
    table.add_column("")
    table.add_column("passed", justify="right")
    table.add_column("failed", justify="right")
    table.add_column("declared NO", justify="right")
    for name, result in found.clauses.items():
        style = "red" if result.failed else None
        numbers = (f"{number or ''}" for number in (result.passed, result.failed, result.no))
        table.add_row(name, escape(CLAUSES[name]), *numbers, style=style)
    console.print(table)
    for failure in found.failures:
        console.print(f"\n[bold red]{escape(failure.test)}[/] ({', '.join(failure.clauses)})\n{escape(failure.text)}")
    refused = [name for name, feature in found.features.items() if feature.support == "no"]
    if refused:
        console.print(f"Declared NO, and seen to be refused: {', '.join(refused)}.")
    verdict = f"[bold red]{len(found.failures)} tests failed[/]" if found.failures else "[bold green]It conforms[/]"
    console.print(f"{verdict}: generated filters, sequences and every clause above, {found.mode}.")
