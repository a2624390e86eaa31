"""``vstore copy``."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import typer

from vstore.cli.conditions import read_filter
from vstore.cli.locations import collections_of, named_at
from vstore.cli.mappings import read_mapping
from vstore.cli.output import console, plain, problems
from vstore.cli.transfers import Teller, reported, say, sigterm_as_interrupt
from vstore.errors import InvalidInput, NotFound
from vstore.transfer import Mode, Report, Source, Status, Target, copy
from vstore.transfer.dryrun import dry_run
from vstore.transfer.ledger import default_folder
from vstore.transfer.loss import parse_allowed
from vstore.transfer.opening import Place, open_place, rehearsal
from vstore.transfer.options import Engine
from vstore.transfer.pace import Pace
from vstore.transfer.ray_engine import load_ray
from vstore.transfer.transform import load_map

__all__ = ["run"]

EXIT_INCOMPLETE: Final = 4
_WORST: Final = (1, EXIT_INCOMPLETE, 3, 5)
"""Of several collections the first of these exit codes is that of the command."""


def run(
    source: str | Callable[[], Place],
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
    chunk_rows: int | None = None,
    dead_letters: Path | None = None,
    **options: Any,
) -> None:
    """Copies one collection after the other; exits with the code that docs/migration.md tells.

    The source is a URL or a location, or opens a place; the target is one too, or a place that is open already.
    """
    as_json = as_json or not console.is_terminal
    reports: list[Report] = []

    def story(error: str) -> dict[str, Any]:
        return {"error": error, "collections": [found.as_dict() for found in reports]}

    def one(left: Source, right: Target, chosen: str) -> Report:
        if dry:
            return dry_run(left, right, where=condition, transform=transform, mode=mode, chunk_rows=chunk_rows)
        with Teller(chosen, as_json=as_json) as teller:
            return copy(
                left,
                right,
                where=condition,
                transform=transform,
                mode=mode,
                allow=allowed,
                chunk_rows=chunk_rows,
                dead_letters=dead_letters,
                state=state or default_folder(),
                on_progress=teller,
                **options,
            )

    if isinstance(source, str):
        source, collections = collections_of(source, collections, everything=everything)
    if isinstance(target, str):
        target, name = named_at(target, name, "--name")
    try:
        with reported(report, story), sigterm_as_interrupt():
            condition, layout = read_filter(where), read_mapping(mapping)
            transform = None if function is None else load_map(function)
            Pace(options["retries"], options.get("max_rps"))  # what is wrong is told before the target is made
            if options.get("engine") is Engine.RAY:
                load_ray()
            allowed = parse_allowed(part for names in allow for part in names.split(",") if part)
            with open_place(source, new=False, timeout=timeout) if isinstance(source, str) else source() as here:
                chosen = _chosen(here, collections, everything, name, dead_letters)
                if everything and (others := here.others()):
                    _tell_others(others, as_json=as_json)
                lefts = {each: here.source(each, layout) for each in chosen}  # all of them before the target is opened
                several = everything or len(collections) > 1
                with _opened(target, dry=dry, several=several, timeout=timeout) as there:
                    for each, left in lefts.items():
                        reports.append(one(left, there.target(name or each), each))
                        _tell(reports[-1], as_json=as_json)
                        if reports[-1].error.startswith("interrupted"):
                            break
    except KeyboardInterrupt:
        problems.print("Interrupted. Run the same command again.")
        raise typer.Exit(EXIT_INCOMPLETE) from None
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


def _chosen(
    here: Place, collections: list[str], everything: bool, name: str | None, dead_letters: Path | None
) -> list[str]:
    if everything == bool(collections):
        raise InvalidInput(
            "say which collections: --collection NAME, as often as needed, or --all",
            hint=f"There are: {', '.join(here.names()) or 'none'}.",
        )
    chosen = here.names() if everything else list(dict.fromkeys(collections))
    if not chosen:
        raise NotFound(
            "the source has no collection that vstore created, so there is nothing to copy",
            hint="vstore inspect URL names those of other applications; --collection NAME --mapping FILE reads one.",
        )
    for option, value in (("--name", name), ("--dead-letters", dead_letters)):
        if value is not None and len(chosen) != 1:
            raise InvalidInput(f"{option} is for one collection, not {len(chosen)}")
    return chosen


def _tell(found: Report, *, as_json: bool) -> None:
    if as_json:
        say("report", **found.as_dict())
        return
    if found.plan is not None:
        console.print(f"[bold]{plain(found.collection)}[/]: {plain(found.source)} to {plain(found.target)}")
        console.print_json(json.dumps(found.plan, default=str))
        _tell_losses(found)
        return
    checked = found.verification
    seconds = sum(found.seconds.values())
    console.print(
        f"[bold]{plain(found.collection)}[/]: {found.copied:,} of {found.planned:,} records copied, "
        f"{found.size / 1e6:,.1f} MB, {seconds:,.1f} s" + (", resumed" if found.resumed else ""),
        soft_wrap=True,
    )
    _tell_losses(found)
    if checked is not None:
        for line in checked.lines():
            console.print(f"  {plain(line)}", soft_wrap=True)
    match found.status:
        case Status.VERIFIED | Status.COPIED | Status.PLANNED:
            console.print(f"  [bold green]{found.status}[/]")
        case Status.DEAD_LETTERS:
            problems.print(f"[bold red]{found.refused:,} records were refused.[/] {plain(found.error)}", soft_wrap=True)
            problems.print(f"They are in {plain(found.dead_letters)}.", soft_wrap=True)
        case Status.INCOMPLETE:
            problems.print(f"[bold red]Not complete:[/] {plain(found.error)}", soft_wrap=True)
            problems.print("Run the same command again: it goes on where it ended.")
        case Status.DIFFERENT | Status.FAILED:
            problems.print(f"[bold red]{found.status.capitalize()}.[/] {plain(found.error)}", soft_wrap=True)


def _tell_others(names: list[str], *, as_json: bool) -> None:
    """Says what ``--all`` does not mean."""
    if as_json:
        say("not copied", collections=names, reason="vstore did not create them; --collection NAME --mapping reads one")
    else:
        console.print(f"Not created by vstore, and not copied: {plain(', '.join(names))}", soft_wrap=True)


def _tell_losses(found: Report) -> None:
    for note in found.notes:
        console.print(f"  {plain(note)}", soft_wrap=True)
    for loss in found.losses:
        console.print(f"  [yellow]{loss.kind}[/] {plain(loss.text)}", soft_wrap=True)
