"""``vstore verify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from vstore.cli.conditions import read_filter
from vstore.cli.locations import named_at
from vstore.cli.mappings import read_mapping
from vstore.cli.output import EXIT_FAILED, console, plain, problems
from vstore.cli.transfers import ProgressPrinter, emit_event, reported, sigterm_as_interrupt
from vstore.errors import InvalidInput
from vstore.transfer import Verification, VerifyMode, verify
from vstore.transfer.calls import ProgressTracker, RetryPolicy
from vstore.transfer.loss import parse_allowed
from vstore.transfer.opening import open_location

__all__ = ["EXIT_DIFFERENT", "run"]

EXIT_DIFFERENT = 3


def run(
    left: str,
    right: str,
    *,
    collection: str | None,
    name: str | None,
    where: str | None,
    mapping: str | None,
    subset: bool,
    allow: list[str],
    mode: VerifyMode,
    sample: int,
    queries: int,
    retries: int,
    report: Path | None,
    as_json: bool,
    timeout: float,
    ids: Sequence[str] = (),
) -> None:
    """Compares a collection of two stores; exits with 3 where they differ."""
    as_json = as_json or not console.is_terminal
    found: Verification | None = None

    def payload(error: str) -> dict[str, Any]:
        return {"error": error, **({} if found is None else found.as_dict())}

    left, collection = named_at(left, collection, "--collection")
    right, name = named_at(right, name, "--name")
    if collection is None:
        raise InvalidInput("no collection is chosen", hint="Pass --collection NAME, or LEFT as prod/docs.")
    try:
        with reported(report, payload), sigterm_as_interrupt():
            retry, condition, layout = RetryPolicy(retries), read_filter(where), read_mapping(mapping)
            allowed = parse_allowed(part for names in allow for part in names.split(",") if part)
            with (
                open_location(left, new=False, timeout=timeout) as here,
                open_location(right, new=False, timeout=timeout) as there,
                ProgressPrinter(collection, as_json=as_json) as printer,
            ):
                ours, theirs = (
                    here.source(collection, layout or ("auto" if ids else None), None, ids),
                    there.source(name or collection),
                )
                tracker = ProgressTracker(retry, printer)
                tracker.begin("verify", None if condition is not None else ours.count() + theirs.count())
                found = verify(
                    ours,
                    theirs,
                    mode=mode,
                    where=condition,
                    subset=subset,
                    allow=allowed,
                    sample=sample,
                    queries=queries,
                    retry=retry,
                    on_rows=tracker.add,
                )
    except KeyboardInterrupt:
        problems.print("Interrupted: it is not known whether they are equal.")
        raise typer.Exit(EXIT_FAILED) from None
    if as_json:
        emit_event("verification", **found.as_dict())
    else:
        for line in found.lines():
            console.print(plain(line), soft_wrap=True)
        (console if found.equal else problems).print(_verdict(found))
    if not found.equal:
        raise typer.Exit(EXIT_DIFFERENT)


def _verdict(found: Verification) -> str:
    if found.unequal and not found.differences and found.comparable:
        names = ",".join(found.unequal)
        return f"[bold red]Not everything was compared.[/] To accept what is named above: --allow {names}"
    if not found.equal:
        return "[bold red]They differ.[/]"
    return "[bold green]What was compared is equal.[/]" if found.not_compared else "[bold green]They are equal.[/]"
