"""``vstore verify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer

from vstore.cli.choosing import chosen_parts, layout_of, source_location, usual_renames
from vstore.cli.conditions import read_filter
from vstore.cli.locations import named_at
from vstore.cli.mappings import read_mapping
from vstore.cli.naming import Naming, print_parts
from vstore.cli.output import EXIT_FAILED, EXIT_USAGE, console, plain, problems
from vstore.cli.transfers import ProgressPrinter, emit_event, reported, sigterm_as_interrupt
from vstore.errors import InvalidInput, VStoreError
from vstore.filters.tree import Filter
from vstore.mapping import RecordMapping
from vstore.transfer import Verification, VerifyMode, verify
from vstore.transfer.apps import load_app
from vstore.transfer.calls import ProgressTracker, RetryPolicy
from vstore.transfer.loss import LossKind, parse_allowed
from vstore.transfer.opening import Location, open_location
from vstore.transfer.pairs import ComparedPair, sides_of
from vstore.transfer.whole import Part, of_all

__all__ = ["EXIT_DIFFERENT", "run"]

EXIT_DIFFERENT: Final = 3
_WORST: Final = (EXIT_FAILED, EXIT_DIFFERENT, EXIT_USAGE)
"""Of several pairs the first of these exit codes is that of the command."""


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
    everything: bool = False,
    app: str | None = None,
    naming: Naming | None = None,
    dimension: int | None = None,
    layout: str | None = None,
    vector_length: int | None = None,
) -> None:
    """Compares collections of two stores; exits with the code that docs/migration.md lists."""
    as_json = as_json or not console.is_terminal
    left, collection = named_at(left, collection, "--all" if everything else "--collection")
    right, name = named_at(right, name, "--name")
    everything = everything or (app is not None and collection is None)
    pairs: list[ComparedPair] = []

    def payload(error: str) -> dict[str, Any]:
        if everything:
            return {"error": error, "collections": [pair.as_dict() for pair in pairs]}
        return {"error": error, **next((pair.found.as_dict() for pair in pairs if pair.found is not None), {})}

    if collection is None and not everything:
        raise InvalidInput(
            "no collection is chosen", hint="Pass --collection NAME, or LEFT as prod/docs, or --all for all of them."
        )
    try:
        with reported(report, payload), sigterm_as_interrupt():
            retry, condition, read = RetryPolicy(retries), read_filter(where), read_mapping(mapping)
            allowed = parse_allowed(part for names in allow for part in names.split(",") if part)
            known = None if app is None else load_app(app)
            written = layout_of(layout, known, right)
            if vector_length is not None and written is None:
                raise InvalidInput("--vector-length goes with a layout", hint="Pass --layout too, or leave it out.")
            if known is not None and written == known.name:
                dimension = dimension or known.dimension
            rules = (naming or Naming()).rules(usual_renames(known, written, name))
            with (
                source_location(left, known, timeout) as here,
                open_location(right, new=False, timeout=timeout) as there,
            ):
                chosen = chosen_parts(
                    here,
                    [] if collection is None else [collection],
                    everything=everything,
                    app=known,
                    mapping=read,
                    ids=ids,
                    dimension=dimension,
                    rules=rules,
                    check=lambda _: None,
                    single={"--name": name},
                )
                if everything:
                    print_parts(chosen.parts, chosen.left_out, known, hidden=chosen.hidden, as_json=as_json)

                def compare(part: Part) -> Verification:
                    return _compared(
                        part,
                        there,
                        layout=written,
                        vector_length=vector_length,
                        allowed=allowed,
                        where=condition,
                        mode=mode,
                        subset=subset,
                        sample=sample,
                        queries=queries,
                        retry=retry,
                        as_json=as_json,
                    )

                stopped = ""
                for part in chosen.parts:
                    pair = ComparedPair(part, not_begun=stopped)
                    if not stopped:
                        try:
                            pair.found = compare(part)
                        except VStoreError as error:
                            if not everything:
                                raise
                            pair.error = error
                            stopped = pair.told if of_all(error) else ""
                    pairs.append(pair)
                    _print(pair, several=everything, as_json=as_json)
    except KeyboardInterrupt:
        problems.print("Interrupted: it is not known whether they are equal.")
        raise typer.Exit(EXIT_FAILED) from None
    codes = {pair.exit_code for pair in pairs}
    for code in _WORST:
        if code in codes:
            raise typer.Exit(code)


def _compared(
    part: Part,
    there: Location,
    *,
    layout: RecordMapping | str | None,
    vector_length: int | None,
    allowed: frozenset[LossKind],
    where: Filter | None,
    mode: VerifyMode,
    subset: bool,
    sample: int,
    queries: int,
    retry: RetryPolicy,
    as_json: bool,
) -> Verification:
    with ProgressPrinter(part.name, as_json=as_json) as printer:
        sides = sides_of(part, there, layout, vector_length, allowed, where, retry)
        tracker = ProgressTracker(retry, printer)
        tracker.begin("verify", None if where is not None else sides.rows())
        return verify(
            sides.left,
            sides.right,
            mode=mode,
            where=where,
            subset=subset,
            any_metric=sides.any_metric,
            losses=sides.losses,
            allow=allowed,
            sample=sample,
            queries=queries,
            retry=retry,
            on_rows=tracker.add,
        )


def _print(pair: ComparedPair, *, several: bool, as_json: bool) -> None:
    found = pair.found
    if as_json:
        facts = pair.as_dict() if several or found is None else found.as_dict()
        emit_event("verification", **facts)
        return
    if several:
        renamed = f" as {plain(pair.part.target)}" if pair.part.target != pair.part.name else ""
        console.print(f"[bold]{plain(pair.part.name)}[/]{renamed}", soft_wrap=True)
    if found is None:
        problems.print(f"[bold red]Not compared.[/] {plain(pair.told)}", soft_wrap=True)
        return
    for line in found.lines():
        console.print(plain(line), soft_wrap=True)
    (console if found.equal else problems).print(_verdict(found))


def _verdict(found: Verification) -> str:
    if found.unequal and not found.differences and found.comparable:
        names = ",".join(found.unequal)
        return f"[bold red]Not everything was compared.[/] To accept what is named above: --allow {names}"
    if not found.equal:
        return "[bold red]They differ.[/]"
    return "[bold green]What was compared is equal.[/]" if found.not_compared else "[bold green]They are equal.[/]"
