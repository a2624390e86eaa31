"""Which collections a command is about, of a location or an application, and their names in the other location."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from vstore.errors import InvalidInput, NotFound
from vstore.keys import check_name
from vstore.mapping import RecordMapping
from vstore.transfer import Location
from vstore.transfer.apps import App, open_app
from vstore.transfer.naming import NameRules, target_names
from vstore.transfer.opening import names_store, open_location
from vstore.transfer.whole import Part, open_parts

__all__ = ["chosen_parts", "layout_of", "source_location", "usual_renames"]

OWN_LAYOUT: Final = "vstore"


def source_location(source: str | Callable[[], Location], app: App | None, timeout: float) -> Location:
    """Opens the location that is read, through the layout of an application if one is named."""
    if not isinstance(source, str):
        return source()
    if app is not None:
        return open_app(source, app, timeout=timeout)
    return open_location(source, new=False, timeout=timeout)


def layout_of(asked: str | None, app: App | None, target: str | Location) -> str | None:
    """Returns the layout to write: that of the application unless another is asked for; ``vstore`` is vstore's own."""
    if asked is None and app is not None and isinstance(target, str) and names_store(target):
        return app.name
    return None if asked == OWN_LAYOUT else asked


def usual_renames(app: App | None, layout: str | None, name: str | None) -> Sequence[str]:
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
) -> tuple[list[Part], list[str]]:
    """Opens the collections that are chosen, and returns them, and the names of those that ``--name-map`` leaves out.

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
    chosen = _chosen(here, own, others, collections, everything=everything)
    names = _names(chosen, rules, check, single)
    parts = open_parts(here, names, others, mapping or "auto", dimension, ids)
    return parts, [one for one in chosen if one not in names]


def _there(here: Location, collections: list[str], *, everything: bool, mapped: bool) -> tuple[list[str], list[str]]:
    """Returns what vstore created, and what is read through a mapping."""
    if not everything:
        return [], collections if mapped else []
    own, others = here.names(), here.others()
    return own, [name for name in others if name not in own]


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
