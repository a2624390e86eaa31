"""``vstore copy``."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import typer
from rich.markup import escape

from vstore.cli.conditions import read_filter
from vstore.cli.mappings import read_mapping
from vstore.cli.output import console, problems
from vstore.cli.transfers import Teller, say, sigterm_as_interrupt
from vstore.errors import InvalidInput, VStoreError
from vstore.transfer import Mode, Report, Status, copy
from vstore.transfer.dryrun import dry_run
from vstore.transfer.ledger import default_folder
from vstore.transfer.opening import Place, open_place, rehearsal
from vstore.transfer.transform import load_map

__all__ = ["run"]

_WORST: Final = (1, 4, 3, 5)
"""Of several collections the first of these exit codes is that of the command."""


def run(
    source: str | Place,
    target: str | Place,
    *,
    collections: list[str],
    everything: bool,
    name: str | None,
    where: str | None,
    function: str | None,
    mapping: str | None,
    mode: Mode | None,
    allow: list[str],
    dry: bool,
    state: Path | None,
    report: Path | None,
    as_json: bool,
    timeout: float,
    **options: Any,
) -> None:
    """Copies one collection after the other; exits with the code that docs/migration.md tells.

    Source and target are URLs, or places that are open already.
    """
    as_json = as_json or not console.is_terminal
    reports: list[Report] = []
    condition = read_filter(where)
    transform = None if function is None else load_map(function)
    allowed = [part for names in allow for part in names.split(",") if part]
    try:
        with (
            sigterm_as_interrupt(),
            open_place(source, new=False, timeout=timeout) if isinstance(source, str) else source as here,
            _opened(target, dry=dry, several=everything or len(collections) > 1, timeout=timeout) as there,
        ):
            for chosen in _chosen(here, collections, everything, name):
                left, right = here.source(chosen, read_mapping(mapping)), there.target(name or chosen)
                if dry:
                    reports.append(dry_run(left, right, where=condition, mode=mode))
                else:
                    with Teller(chosen, as_json=as_json) as teller:
                        reports.append(
                            copy(
                                left,
                                right,
                                where=condition,
                                transform=transform,
                                mode=mode,
                                allow=allowed,
                                state=state or default_folder(),
                                on_progress=teller,
                                **options,
                            )
                        )
                _tell(reports[-1], as_json=as_json)
                if reports[-1].error.startswith("interrupted"):
                    break
    except VStoreError as error:
        if report is not None:
            _write(report, reports, f"{type(error).__name__}: {error}")
        raise
    if report is not None:
        _write(report, reports, "")
    codes = {found.exit_code for found in reports}
    for code in _WORST:
        if code in codes:
            raise typer.Exit(code)


def _opened(target: str | Place, *, dry: bool, several: bool, timeout: float) -> AbstractContextManager[Place]:
    if not isinstance(target, str):
        return target
    if dry:
        return rehearsal(target, timeout=timeout, several=several)
    return open_place(target, new=True, timeout=timeout, several=several)


def _chosen(here: Place, collections: list[str], everything: bool, name: str | None) -> list[str]:
    if everything == bool(collections):
        raise InvalidInput(
            "say which collections: --collection NAME, as often as needed, or --all",
            hint=f"There are: {', '.join(here.names()) or 'none'}.",
        )
    chosen = here.names() if everything else collections
    if name is not None and len(chosen) != 1:
        raise InvalidInput(f"--name is for one collection, not {len(chosen)}")
    return chosen


def _write(path: Path, reports: list[Report], error: str) -> None:
    whole = {"error": error, "collections": [found.as_dict() for found in reports]}
    path.write_text(json.dumps(whole, indent=2, ensure_ascii=False), encoding="utf-8")


def _tell(found: Report, *, as_json: bool) -> None:
    if as_json:
        say("report", **found.as_dict())
        return
    if found.plan is not None:
        console.print(f"[bold]{escape(found.collection)}[/]: {escape(found.source)} to {escape(found.target)}")
        console.print_json(json.dumps(found.plan, default=str))
        for loss in found.losses:
            console.print(f"  [yellow]{loss.kind}[/] {escape(loss.text)}", soft_wrap=True)
        return
    checked = found.verification
    seconds = sum(found.seconds.values())
    console.print(
        f"[bold]{escape(found.collection)}[/]: {found.copied:,} of {found.planned:,} records copied, "
        f"{found.size / 1e6:,.1f} MB, {seconds:,.1f} s" + (", resumed" if found.resumed else ""),
        soft_wrap=True,
    )
    if checked is not None:
        for line in checked.lines():
            console.print(f"  {escape(line)}", soft_wrap=True)
    match found.status:
        case Status.VERIFIED | Status.COPIED | Status.PLANNED:
            console.print(f"  [bold green]{found.status}[/]")
        case Status.DEAD_LETTERS:
            problems.print(
                f"[bold red]{found.refused:,} records were refused.[/] {escape(found.error)}", soft_wrap=True
            )
            problems.print(f"They are in {escape(found.dead_letters)}.", soft_wrap=True)
        case Status.INCOMPLETE:
            problems.print(f"[bold red]Not complete:[/] {escape(found.error)}", soft_wrap=True)
            problems.print("Run the same command again: it goes on where it ended.")
        case Status.DIFFERENT | Status.FAILED:
            problems.print(f"[bold red]{found.status.capitalize()}.[/] {escape(found.error)}", soft_wrap=True)
