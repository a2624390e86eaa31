"""``vstore copy``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer

from vstore.cli.choosing import chosen_parts, layout_of, source_location, usual_renames
from vstore.cli.conditions import read_filter
from vstore.cli.locations import collections_of, named_at
from vstore.cli.mappings import read_mapping
from vstore.cli.naming import Naming, print_parts
from vstore.cli.output import EXIT_USAGE, console, plain, problems
from vstore.cli.transfers import ProgressPrinter, emit_event, reported, sigterm_as_interrupt
from vstore.embed import from_spec
from vstore.keys import check_name
from vstore.transfer import CopyKeywords, CopyOptions, Location, Report, Status, default_folder
from vstore.transfer.apps import load_app
from vstore.transfer.embedding import close_embedder
from vstore.transfer.naming import NameRules
from vstore.transfer.opening import dry_location, open_location
from vstore.transfer.options import EngineName
from vstore.transfer.ray_engine import load_ray
from vstore.transfer.transform import load_transform
from vstore.transfer.whole import copy_parts, refused_report

__all__ = ["run"]

EXIT_INCOMPLETE: Final = 4
_WORST: Final = (1, EXIT_INCOMPLETE, 3, 5, EXIT_USAGE)
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
    naming: Naming | None = None,
    dimension: int | None = None,
    ids: Sequence[str] = (),
    app: str | None = None,
    embed: str | None = None,
) -> None:
    """Copies one collection after the other; exits with the code that docs/migration.md lists.

    The source is the text of a location, or opens one; the target is a text too, or a location that is open already.
    """
    as_json = as_json or not console.is_terminal
    reports: list[Report] = []

    def payload(error: str) -> dict[str, Any]:
        return {"error": error, "collections": [found.as_dict() for found in reports]}

    def on_report(found: Report) -> None:
        reports.append(found)
        _print_report(found, as_json=as_json)

    if isinstance(source, str):
        source, collections = collections_of(source, collections, everything=everything)
    everything = everything or (app is not None and not collections)
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
            known = None if app is None else load_app(app)
            options["layout"] = layout_of(options.get("layout"), known, target)
            checked = CopyOptions.of(options)  # before the target is created
            if checked.engine is EngineName.RAY:
                load_ray()
            if known is not None and checked.layout == known.name:
                dimension = dimension or known.dimension
            rules = NameRules() if naming is None else naming.rules(usual_renames(known, checked.layout, name))
            with source_location(source, known, timeout) as here:
                parts, left_out = chosen_parts(  # all of them before the target is opened
                    here,
                    collections,
                    everything=everything,
                    app=known,
                    mapping=layout,
                    ids=ids,
                    dimension=dimension,
                    rules=rules,
                    check=check_name if checked.layout is None else lambda _: None,
                    single={"--name": name, "--rejected": checked.rejected_file},
                )
                print_parts(parts, left_out, known, as_json=as_json)
                several = everything or len(collections) > 1
                if all(part.source is None for part in parts):  # nothing is made for them
                    for part in parts:
                        assert part.error is not None
                        on_report(refused_report(part, None, part.error))
                else:
                    with _opened(target, dry=dry, several=several, timeout=timeout) as there:
                        showing = partial(ProgressPrinter, as_json=as_json)
                        copy_parts(parts, here, there, options, dry=dry, showing=showing, on_report=on_report)
    except KeyboardInterrupt:
        problems.print("Interrupted. Run the same command again.")
        raise typer.Exit(EXIT_INCOMPLETE) from None
    codes = {found.exit_code for found in reports}
    for code in _WORST:
        if code in codes:
            raise typer.Exit(code)


def _opened(target: str | Location, *, dry: bool, several: bool, timeout: float) -> AbstractContextManager[Location]:
    if not isinstance(target, str):
        return target
    if dry:
        return dry_location(target, timeout=timeout, several=several)
    return open_location(target, new=True, timeout=timeout, several=several)


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
        case Status.DIFFERENT | Status.FAILED | Status.REFUSED:
            problems.print(f"[bold red]{found.status.capitalize()}.[/] {plain(found.error)}", soft_wrap=True)


def _print_losses(found: Report) -> None:
    if found.embedding is not None:
        console.print(f"  {plain(found.embedding.line())}", soft_wrap=True)
    for note in found.notes:
        console.print(f"  {plain(note)}", soft_wrap=True)
    for loss in found.losses:
        console.print(f"  [yellow]{loss.kind}[/] {plain(loss.text)}", soft_wrap=True)
