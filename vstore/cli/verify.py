"""``vstore verify``."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.markup import escape

from vstore.cli.conditions import read_filter
from vstore.cli.mappings import read_mapping
from vstore.cli.output import console, problems
from vstore.cli.transfers import Teller, say, sigterm_as_interrupt
from vstore.transfer import VerifyMode, verify
from vstore.transfer.opening import open_place
from vstore.transfer.pace import Pace
from vstore.transfer.tally import Tally

__all__ = ["EXIT_DIFFERENT", "run"]

EXIT_DIFFERENT = 3


def run(
    left: str,
    right: str,
    *,
    collection: str,
    name: str | None,
    where: str | None,
    mapping: str | None,
    subset: bool,
    mode: VerifyMode,
    sample: int,
    queries: int,
    retries: int,
    report: Path | None,
    as_json: bool,
    timeout: float,
) -> None:
    """Compares a collection of two stores; exits with 3 where they differ."""
    as_json = as_json or not console.is_terminal
    pace = Pace(retries)
    with (
        sigterm_as_interrupt(),
        open_place(left, new=False, timeout=timeout) as here,
        open_place(right, new=False, timeout=timeout) as there,
        Teller(collection, as_json=as_json) as teller,
    ):
        ours, theirs = here.source(collection, read_mapping(mapping)), there.source(name or collection)
        tally = Tally(pace, teller)
        tally.begin("verify", None if where is not None else ours.count() + theirs.count())
        found = verify(
            ours,
            theirs,
            mode=mode,
            where=read_filter(where),
            subset=subset,
            sample=sample,
            queries=queries,
            pace=pace,
            on_rows=tally.add,
        )
    if report is not None:
        report.write_text(found.to_json(), encoding="utf-8")
    if as_json:
        say("verification", **found.as_dict())
    else:
        for line in found.lines():
            console.print(escape(line), soft_wrap=True)
        verdict = "[bold green]They are equal.[/]" if found.equal else "[bold red]They differ.[/]"
        (console if found.equal else problems).print(verdict)
    if not found.equal:
        raise typer.Exit(EXIT_DIFFERENT)
