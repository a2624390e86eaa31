"""``vstore copy``."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final

import typer

from vstore.cli.conditions import read_filter
from vstore.cli.locations import collections_of, named_at
from vstore.cli.mappings import read_mapping
from vstore.cli.output import console, plain, problems
from vstore.cli.transfers import ProgressPrinter, emit_event, reported, sigterm_as_interrupt
from vstore.embed import from_spec
from vstore.errors import InvalidInput, NotFound
from vstore.transfer import CopyKeywords, CopyOptions, Location, Report, Source, Status, Target, copy, default_folder
from vstore.transfer.dryrun import dry_run
from vstore.transfer.embedding import close_embedder
from vstore.transfer.opening import dry_location, open_location
from vstore.transfer.options import EngineName
from vstore.transfer.ray_engine import load_ray
from vstore.transfer.transform import load_transform

__all__ = ["run"]

EXIT_INCOMPLETE: Final = 4
_WORST: Final = (1, EXIT_INCOMPLETE, 3, 5)
"""Of several collections the first of these exit codes is that of the command."""


def run(
    source: str | Callable[[], Location],
    target: str | Location,
    *,
    collections: list[str],
    everything: bool,
    name: str | None,
    where: str | None,
    transform: str | None,
    mapping: str | None,
    allow: list[str],
    dry: bool,
    report: Path | None,
    as_json: bool,
    timeout: float,
    options: CopyKeywords,
    embed: str | None = None,
) -> None:
    """Copies one collection after the other; exits with the code that docs/migration.md lists.

    The source is the text of a location, or opens one; the target is a text too, or a location that is open already.
    """
    as_json = as_json or not console.is_terminal
    reports: list[Report] = []

    def payload(error: str) -> dict[str, Any]:
        return {"error": error, "collections": [found.as_dict() for found in reports]}

    if isinstance(source, str):
        source, collections = collections_of(source, collections, everything=everything)
    if isinstance(target, str):
        target, name = named_at(target, name, "--name")
    try:
        with ExitStack() as stack:
            stack.enter_context(reported(report, payload))
            stack.enter_context(sigterm_as_interrupt())
            layout = read_mapping(mapping)
            options["where"] = read_filter(where)
            options["transform"] = None if transform is None else load_transform(transform)
            options["allow"] = [part for names in allow for part in names.split(",") if part]
            options["state"] = options.get("state") or default_folder()
            if embed is not None:
                options["embed"] = made = from_spec(embed)
                stack.callback(close_embedder, made)
            checked = CopyOptions.of(options)  # before the target is created
            if checked.engine is EngineName.RAY:
                load_ray()
            with open_location(source, new=False, timeout=timeout) if isinstance(source, str) else source() as here:
                chosen = _chosen(here, collections, everything, name, checked.rejected_file)
                if everything and (others := here.others()):
                    _print_others(others, as_json=as_json)
                lefts = {each: here.source(each, layout) for each in chosen}  # all of them before the target is opened
                several = everything or len(collections) > 1
                with _opened(target, dry=dry, several=several, timeout=timeout) as there:
                    for each, left in lefts.items():
                        right = there.target(name or each)
                        reports.append(_copy(left, right, each, options, dry=dry, as_json=as_json))
                        _print_report(reports[-1], as_json=as_json)
                        if reports[-1].error.startswith("interrupted"):
                            break
    except KeyboardInterrupt:
        problems.print("Interrupted. Run the same command again.")
        raise typer.Exit(EXIT_INCOMPLETE) from None
    codes = {found.exit_code for found in reports}
    for code in _WORST:
        if code in codes:
            raise typer.Exit(code)


def _copy(left: Source, right: Target, name: str, options: CopyKeywords, *, dry: bool, as_json: bool) -> Report:
    if dry:
        return dry_run(left, right, **options)
    with ProgressPrinter(name, as_json=as_json) as printer:
        return copy(left, right, on_progress=printer, **options)


def _opened(target: str | Location, *, dry: bool, several: bool, timeout: float) -> AbstractContextManager[Location]:
    if not isinstance(target, str):
        return target
    if dry:
        return dry_location(target, timeout=timeout, several=several)
    return open_location(target, new=True, timeout=timeout, several=several)


def _chosen(
    here: Location, collections: list[str], everything: bool, name: str | None, rejected_file: Path | None
) -> list[str]:
    if everything == bool(collections):
        raise InvalidInput(
            "exactly one of --collection and --all is needed",
            hint="Pass --collection NAME, as often as needed, or --all. "
            f"There are: {', '.join(here.names()) or 'none'}.",
        )
    chosen = here.names() if everything else list(dict.fromkeys(collections))
    if not chosen:
        raise NotFound(
            "the source has no collection that vstore created, so there is nothing to copy",
            hint="Run vstore inspect URL to list foreign ones; pass --collection NAME --mapping FILE to read one.",
        )
    for option, value in (("--name", name), ("--rejected", rejected_file)):
        if value is not None and len(chosen) != 1:
            raise InvalidInput(f"{option} is for one collection, not {len(chosen)}")
    return chosen


def _print_report(found: Report, *, as_json: bool) -> None:
    if as_json:
        emit_event("report", **found.as_dict())
        return
    if found.plan is not None:
        console.print(f"[bold]{plain(found.collection)}[/]: {plain(found.source)} to {plain(found.target)}")
        console.print_json(json.dumps(found.plan, default=str))
        _print_losses(found)
        return
    checked = found.verification
    seconds = sum(found.seconds.values())
    console.print(
        f"[bold]{plain(found.collection)}[/]: {found.copied:,} of {found.planned:,} records copied, "
        f"{found.size / 1e6:,.1f} MB, {seconds:,.1f} s" + (", resumed" if found.resumed else ""),
        soft_wrap=True,
    )
    _print_losses(found)
    if checked is not None:
        for line in checked.lines():
            console.print(f"  {plain(line)}", soft_wrap=True)
    match found.status:
        case Status.VERIFIED | Status.COPIED | Status.PLANNED:
            console.print(f"  [bold green]{found.status}[/]")
        case Status.REJECTED:
            problems.print(
                f"[bold red]{found.rejected:,} records were rejected.[/] {plain(found.error)}", soft_wrap=True
            )
            problems.print(f"They are in {plain(found.rejected_file)}.", soft_wrap=True)
        case Status.INCOMPLETE:
            problems.print(f"[bold red]Not complete:[/] {plain(found.error)}", soft_wrap=True)
            problems.print("Run the same command again to resume.")
        case Status.DIFFERENT | Status.FAILED:
            problems.print(f"[bold red]{found.status.capitalize()}.[/] {plain(found.error)}", soft_wrap=True)


def _print_others(names: list[str], *, as_json: bool) -> None:
    """Names the collections that ``--all`` leaves out."""
    if as_json:
        emit_event(
            "not copied", collections=names, reason="vstore did not create them; --collection NAME --mapping reads one"
        )
    else:
        console.print(f"Not created by vstore, and not copied: {plain(', '.join(names))}", soft_wrap=True)


def _print_losses(found: Report) -> None:
    if found.embedding is not None:
        console.print(f"  {plain(found.embedding.line())}", soft_wrap=True)
    for note in found.notes:
        console.print(f"  {plain(note)}", soft_wrap=True)
    for loss in found.losses:
        console.print(f"  [yellow]{loss.kind}[/] {plain(loss.text)}", soft_wrap=True)
