"""Applications by name: which collections they have, what their names mean, and how each database of theirs is read.

What is known of an application is data: one file of ``vstore/data/apps``, with the source it was read from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from vstore.core.connecting import DEFAULT_TIMEOUT
from vstore.errors import InvalidInput, NotFound, Unsupported
from vstore.mapping import RecordMapping
from vstore.transfer.collections import CollectionSource
from vstore.transfer.opening import StoreLocation, open_store
from vstore.wording import did_you_mean

__all__ = ["App", "AppLayout", "AppLocation", "app_names", "load_app", "open_app"]

_FOLDER = files("vstore.data") / "apps"


@dataclass(frozen=True, slots=True)
class AppLayout:
    """How an application uses one kind of database.

    Attributes:
        mapping: How a collection is read.
        column: The column whose value is the name of the collection, where one table holds them all; else empty.
    """

    mapping: RecordMapping
    column: str = ""


@dataclass(frozen=True, slots=True)
class App:
    """What is known of an application.

    Attributes:
        name: Its name.
        kinds: Patterns of the names of its collections, and what each means, the first that fits.
        renames: Rules that make portable names of them, as ``--rename`` takes them.
        layouts: How it uses each kind of database, by the name of the adapter.
        dimension: What stands for the dimension of a collection that never had a record, where nothing tells it and
            the target is in the application's own layout, which keeps none for it.
    """

    name: str
    kinds: tuple[tuple[re.Pattern[str], str], ...]
    renames: tuple[str, ...]
    layouts: Mapping[str, AppLayout]
    dimension: int

    def means(self, collection: str) -> str:
        """Returns what a collection is to the application, in words."""
        return next((means for pattern, means in self.kinds if pattern.fullmatch(collection)), "a name of the caller's")


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
        {
            backend: AppLayout(RecordMapping.from_dict(one["mapping"]), one.get("column", ""))
            for backend, one in data["layouts"].items()
        },
        data["dimension"],
    )


class AppLocation(StoreLocation):
    """The collections of an application in its database. All of them are read through the application's mapping."""

    app: App

    def names(self) -> list[str]:
        """See ``Location``: those that vstore created are not the application's."""
        return []

    def others(self) -> list[str]:
        """See ``Location``: where one table holds them all, it is read once, without vectors and texts."""
        layout = self._layout
        if not layout.column:
            return self._store.list_foreign_collections()
        whole = replace(layout.mapping, document=None, metadata=None, fields=(layout.column,))
        [table] = whole.table
        found = self._store.get_collection(table, mapping=whole)
        pages = found.scan(include=("metadatas",))
        return sorted({str(one[layout.column]) for page in pages for one in page.records.metadatas or ()})

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
            NotFound: The application has no collection of this name.
        """
        if ids or mapping not in (None, "auto"):
            raise InvalidInput("--app says how to read a collection", hint="Leave out --mapping and --id.")
        layout = self._layout
        chosen = replace(layout.mapping, only={layout.column: name}) if layout.column else layout.mapping
        found = super().source(name, chosen, dimension)
        if layout.column and not found.count():
            raise NotFound(f"{self.app.name} has no collection {name!r}")
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
