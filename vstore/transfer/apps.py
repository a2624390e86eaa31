"""Applications by name: which collections they have, what their names mean, and how each database of theirs is read.

What is known of an application is data: one file of ``vstore/data/apps``, with the source it was read from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from typing import Any

from vstore.core.connecting import DEFAULT_TIMEOUT
from vstore.errors import InvalidInput, Mismatch, NotFound, Unsupported
from vstore.filters.tree import Filter
from vstore.mapping import RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.transfer.collections import CollectionSource
from vstore.transfer.naming import NameRules
from vstore.transfer.opening import StoreLocation, open_store
from vstore.wording import did_you_mean

__all__ = ["App", "AppLayout", "AppLocation", "app_names", "load_app", "open_app"]

_FOLDER = files("vstore.data") / "apps"


@dataclass(frozen=True, slots=True)
class AppLayout:
    """How an application uses one kind of database.

    Attributes:
        mapping: How a collection is read; None to read it by the application's own layout, which the adapter knows.
        column: The column whose value is the name of the collection, where tables hold several; else empty.
        tables: These tables, where the mapping does not name it.
        prefix: What the names of all other collections begin with in the database.
        replaced: The characters that are replaced in these names, each by the one beside it.
        made: What the application has made of what comes along, so that it stays behind.
        pattern: What the names of its tables, or collections, look like in the database, where ``tables`` and
            ``prefix`` do not tell; the mapping then reads each of them.
        names: Rules as of ``--rename`` that make the application's names of these, or of the values of ``column``.
        alone: What those of them look like that are one collection even while ``column`` has no value in them.
    """

    mapping: RecordMapping | None = None
    column: str = ""
    tables: tuple[str, ...] = ()
    prefix: str = ""
    replaced: Mapping[str, str] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    pattern: str = ""
    names: tuple[str, ...] = ()
    alone: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AppLayout:
        """Makes one of what a file says of it."""
        mapping = RecordMapping.from_dict(data["mapping"]) if "mapping" in data else None
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        given.pop("mapping", None)
        return cls(mapping, **given)


@dataclass(frozen=True, slots=True)
class App:
    """What is known of an application.

    Attributes:
        name: Its name.
        kinds: Patterns of the names of its collections, and what each means, the first that fits.
        renames: Rules that make portable names of them, as ``--rename`` takes them.
        layouts: How it uses each kind of database, by the name of the adapter.
        dimension: What stands for the dimension of a collection that never had a record, where nothing tells it and
            the target is in the application's own layout, which keeps none for it. None where its databases tell it.
    """

    name: str
    kinds: tuple[tuple[re.Pattern[str], str], ...]
    renames: tuple[str, ...]
    layouts: Mapping[str, AppLayout]
    dimension: int | None

    def means(self, collection: str) -> str:
        """Returns what a collection is to the application, in words."""
        return self._meant(collection) or "a name of the caller's"

    def named(self, native: str, layout: AppLayout) -> str:
        """Returns the name that a collection has to the application.

        Where characters were replaced, a name that means something with them is taken for the one that was given.
        """
        name = native.removeprefix(layout.prefix)
        given = name
        for character, other in layout.replaced.items():
            given = given.replace(other, character)
        return given if self._meant(given) else name

    def doubt(self, name: str, layout: AppLayout) -> Omission | None:
        """Returns the loss of a name that may have had other characters; None of one that is certain."""
        if self._meant(name) or not any(other in name for other in layout.replaced.values()):
            return None
        pairs = ", ".join(f"{other!r} for {character!r}" for character, other in layout.replaced.items())
        text = f"its name may have been another one, as {self.name} writes {pairs} here: --name-map gives it back"
        return Omission(OmissionKind.SETTINGS, "name", text, needs_leave=False)

    def _meant(self, collection: str) -> str:
        return next((means for pattern, means in self.kinds if pattern.fullmatch(collection)), "")


class AppSource(CollectionSource):
    """A collection of an application.

    Attributes:
        name_lost: The loss of its name, if there is one.
        made: The names of what the application made of the rest, which needs no leave to stay behind.
    """

    name_lost: Omission | None = None
    made: tuple[str, ...] = ()

    def omissions(self, where: Filter | None = None) -> list[Omission]:
        """See ``vstore.transfer.loss.Omitting``."""
        found = [
            replace(one, text=f"{one.text}: the application makes it anew", needs_leave=False)
            if one.name in self.made
            else one
            for one in super().omissions(where)
        ]
        return found if self.name_lost is None else [*found, self.name_lost]


def app_names() -> list[str]:
    """Returns the applications that are known, sorted."""
    return sorted(one.name.removesuffix(".toml") for one in _FOLDER.iterdir() if one.name.endswith(".toml"))


def load_app(name: str) -> App:
    """Reads what is known of an application.

    Raises:
        InvalidInput: Nothing is known of one with this name.
    """
    known = app_names()
    if name not in known:
        hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
        raise InvalidInput(f"--app: nothing is known of {name!r:.80}", hint=hint)
    data = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return App(
        name,
        tuple((re.compile(one["pattern"]), one["means"]) for one in data["collections"]),
        tuple(data["rename"]),
        {backend: AppLayout.from_dict(one) for backend, one in data["layouts"].items()},
        data.get("dimension"),
    )


class AppLocation(StoreLocation):
    """The collections of an application in its database. All of them are read through the application's mapping."""

    app: App

    def names(self) -> list[str]:
        """See ``Location``: those that vstore created are not the application's."""
        return []

    def others(self) -> list[str]:
        """See ``Location``: a table that holds several is read once, without vectors and texts."""
        layout = self._layout
        if layout.pattern:
            return sorted(self._places)
        if layout.mapping is not None and layout.mapping.table:
            return sorted(self._listed(layout.mapping))
        names: set[str] = set()
        for native in self._store.list_foreign_collections():
            if native in layout.tables:
                names |= self._listed(RecordMapping(table=(native,)))
            elif native.startswith(layout.prefix):
                names.add(self.app.named(native, layout))
        return sorted(names)

    @cached_property
    def _places(self) -> dict[str, list[RecordMapping]]:
        """How each collection is read, where a pattern tells; several mappings of one that is in several places."""
        layout, rules = self._layout, NameRules.of(self._layout.names)
        found: dict[str, list[RecordMapping]] = {}
        empty: dict[str, list[RecordMapping]] = {}
        for native in self._store.list_foreign_collections():
            if not re.fullmatch(layout.pattern, native):
                continue
            mapping = replace(layout.mapping or RecordMapping(), table=(native,))
            values = self._listed(mapping) if layout.column else ()
            for value in values:
                of_one = replace(mapping, only={layout.column: value})
                found.setdefault(rules.target_name(value) or value, []).append(of_one)
            if not layout.column:
                found.setdefault(rules.target_name(native) or native, []).append(mapping)
            elif not values and re.fullmatch(layout.alone, native):
                empty[native] = [mapping]
        return empty | found

    def _placed(self, name: str) -> RecordMapping:
        places = self._places.get(name)
        if not places:
            raise NotFound(f"{self.app.name} has no collection {name!r}", hint=did_you_mean(name, self._places))
        if len(places) > 1:
            told = ", ".join(repr(one.table[-1]) for one in places)
            raise Mismatch(f"{name!r} is in several places: {told}", hint="Delete that which is not in use.")
        return places[0]

    def _listed(self, mapping: RecordMapping) -> set[str]:
        """The names in the column of a table."""
        column = self._layout.column
        whole = replace(mapping, document=None, metadata=None, fields=(column,))
        [table] = whole.table
        pages = self._store.get_collection(table, mapping=whole).scan(include=("metadatas",))
        return {str(one[column]) for page in pages for one in page.records.metadatas or () if column in one}

    def source(
        self,
        name: str,
        mapping: RecordMapping | str | None = None,
        dimension: int | None = None,
        ids: Sequence[str] = (),
    ) -> CollectionSource:
        """See ``Location``.

        Raises:
            InvalidInput: ``mapping`` or ``ids`` say how to read it, which the application does.
            Mismatch: It is in several places.
            NotFound: The application has no collection of this name.
        """
        if ids or mapping not in (None, "auto"):
            raise InvalidInput("--app says how to read a collection", hint="Leave out --mapping and --id.")
        layout = self._layout
        if layout.pattern:
            chosen = self._placed(name)
        else:
            chosen = layout.mapping or self._store.propose_mapping(name, self.app.name)
            if chosen.table and layout.mapping is not None:
                chosen = replace(chosen, only={layout.column: name})
        opened = super().source(name, chosen, dimension)
        if chosen.only and not opened.count():
            raise NotFound(f"{self.app.name} has no collection {name!r}")
        found = AppSource(self._store, opened.collection, opened.identity)
        found.reopen, found.made = opened.reopen, layout.made
        found.name_lost = None if chosen.only else self.app.doubt(name, layout)
        return found

    @property
    def _layout(self) -> AppLayout:
        backend = self._store.capabilities.backend
        if backend not in self.app.layouts:
            raise Unsupported(
                f"how {self.app.name} uses {backend} is not known",
                hint=f"It is known of {', '.join(self.app.layouts)}. Leave out --app to read collections by --mapping.",
            )
        return self.app.layouts[backend]


def open_app(url: str, app: App, *, timeout: float = DEFAULT_TIMEOUT) -> AppLocation:
    """Opens the database of an application, to be read.

    Args:
        url: As for ``open_location``.
        app: The application.
        timeout: Seconds after which a call is given up.

    Raises:
        InvalidInput: It is a path of files.
        NotFound: It is not there.
        VStoreError: As ``connect``.
    """
    location = open_store(url, AppLocation, timeout=timeout)
    location.app = app
    return location
