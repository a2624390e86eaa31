"""Which collections a command is about, of a location or an application, and their names in the other location."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vstore.cli.mappings import OWN_LAYOUT, read_layout
from vstore.errors import InvalidInput, NotFound
from vstore.keys import check_name
from vstore.mapping import RecordMapping
from vstore.transfer import Location
from vstore.transfer.apps import App, open_app
from vstore.transfer.naming import NameRules, target_names
from vstore.transfer.opening import names_store, open_location
from vstore.transfer.whole import Part, open_parts

__all__ = ["Chosen", "chosen_parts", "layout_of", "source_location", "usual_renames"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a command is about.

    Attributes:
        parts: The collections, opened.
        left_out: Those that ``--name-map`` leaves out.
        hidden: Those that vstore did not create and cannot open, as one that it created has the same name.
    """

    parts: list[Part]
    left_out: list[str]
    hidden: list[str]


def source_location(source: str | Callable[[], Location], app: App | None, timeout: float) -> Location:
    """Opens the location that is read, through the layout of an application if one is named."""
    if not isinstance(source, str):
        return source()
    if app is not None:
        return open_app(source, app, timeout=timeout)
    return open_location(source, new=False, timeout=timeout)


def layout_of(asked: RecordMapping | str | None, app: App | None, target: str | Location) -> RecordMapping | str | None:
    """Returns the layout to write: that of the application unless another is asked for; ``vstore`` is vstore's own.

    Raises:
        InvalidInput: A file is asked for that holds no mapping.
    """
    if asked is None and app is not None and isinstance(target, str) and names_store(target):
        return app.name
    if asked == OWN_LAYOUT:
        return None
    return read_layout(asked) if isinstance(asked, str) else asked


def usual_renames(app: App | None, layout: RecordMapping | str | None, name: str | None) -> Sequence[str]:
    """Returns the rules of names where ``--rename`` gives none: an application's, for vstore's own layout."""
    return app.renames if app is not None and name is None and layout is None else ()


def chosen_parts(
    here: Location,
    collections: list[str],
    *,
    everything: bool,
    app: App | None,
    mapping: RecordMapping | str | None,
    ids: Sequence[str],
    dimension: int | None,
    rules: NameRules,
    check: Callable[[str], object] = check_name,
    single: dict[str, Any],
) -> Chosen:
    """Opens the collections that are chosen.

    Args:
        here: Where they are.
        collections: Their names.
        everything: Whether all of them are chosen instead.
        app: The application whose they are; None for none.
        mapping: How those are read that vstore did not create; ``auto`` by default.
        ids: As of ``open_parts``.
        dimension: As of ``open_parts``.
        rules: How their names become those of the target.
        check: Raises ``InvalidInput`` for a name that the target does not take.
        single: The values of options that are for one collection, by their names; ``--name`` among them.

    Raises:
        InvalidInput: An option that does not fit, or names that are not settled.
        NotFound: There is nothing to choose.
    """
    own, others = _there(here, collections, everything=everything, mapped=bool(mapping or ids or app))
    hidden, others = [one for one in others if one in own], [one for one in others if one not in own]
    chosen = _chosen(here, own, others, collections, everything=everything)
    names = _names(chosen, rules, check, single)
    parts = open_parts(here, names, others, mapping or "auto", dimension, ids)
    return Chosen(parts, [one for one in chosen if one not in names], hidden)


def _there(here: Location, collections: list[str], *, everything: bool, mapped: bool) -> tuple[list[str], list[str]]:
    """Returns what vstore created, and what is read through a mapping."""
    if not everything:
        return [], collections if mapped else []
    return here.names(), here.others()


def _chosen(
    here: Location, own: list[str], others: list[str], collections: list[str], *, everything: bool
) -> list[str]:
    if everything == bool(collections):
        raise InvalidInput(
            "exactly one of --collection and --all is needed",
            hint="Pass --collection NAME, as often as needed, or --all. "
            f"There are: {', '.join([*here.names(), *here.others()]) or 'none'}.",
        )
    chosen = sorted({*own, *others}) if everything else list(dict.fromkeys(collections))
    if not chosen:
        raise NotFound("the source has no collection, so there is nothing to copy", hint="Is the path or URL right?")
    return chosen


def _names(
    chosen: list[str], rules: NameRules, check: Callable[[str], object], single: dict[str, Any]
) -> dict[str, str]:
    """Returns the name in the target of each collection that is not left out."""
    name = single["--name"]
    if name is not None and rules:
        raise InvalidInput("--name names the target, and so do --rename and --name-map", hint="Leave out --name.")
    names = target_names(chosen, rules, check if name is None else lambda _: None)
    if not names:
        raise NotFound("--name-map leaves every collection out, so there is nothing to copy")
    for option, value in single.items():
        if value is not None and len(names) != 1:
            raise InvalidInput(f"{option} is for one collection, not {len(names)}")
    return names if name is None else dict.fromkeys(names, name)
