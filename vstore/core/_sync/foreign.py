# Generated from vstore/core/_async/foreign.py by tools/unasync.py: do not edit.
"""The collections of a store that have a layout which is not vstore's own: opened, made and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from vstore.capabilities import Capabilities, emulated, no
from vstore.core.planning import check_holds, completed
from vstore.errors import AlreadyExists, InvalidInput, NotFound, Unsupported, brief
from vstore.filters.regex import where_installed
from vstore.info import CollectionInfo
from vstore.mapping import LAYOUTS, RecordMapping
from vstore.spi._sync.protocol import (
    ForeignDescribing,
    ForeignLayouts,
    ForeignStore,
    ForeignWriter,
)
from vstore.spi.described import check_described
from vstore.wording import NOT_WRITTEN, did_you_mean

if TYPE_CHECKING:
    from vstore.core._sync.mapped import MappedCollection
    from vstore.core._sync.mapped_writing import MappedWriter
    from vstore.spi.layouts import Layout

__all__ = ["ForeignCollections", "Found"]

_ONE_BY_ONE: Final = emulated("the records that the database cannot rule out are read and looked at one by one")
# Where the layout is another's, all this is answered from the records themselves, whatever the database can do.
_READING: Final[dict[str, Any]] = {
    **dict.fromkeys(
        (
            "exact_query",
            "filtered_query",
            "document_contains",
            "metadata_contains",
            "string_ordering",
            "nested_paths",
            "int64_ordering",
        ),
        _ONE_BY_ONE,
    ),
    **dict.fromkeys(("search_ef", "search_probes"), no("a collection opened with mapping= is searched as it is set")),
}


_PROPOSED: Final = "mapping='auto' goes by names: to write, name the layout or pass a RecordMapping"
_FURTHER: Final = "its mapping reads further vectors, which are not written"


@dataclass(frozen=True, slots=True)
class Found:
    """A collection that was opened through a mapping.

    Attributes:
        reader: Reads it.
        writer: Writes it; None where it cannot be written.
        capabilities: What can be done with it.
    """

    reader: MappedCollection
    writer: MappedWriter | None
    capabilities: Capabilities

    @property
    def info(self) -> CollectionInfo:
        """What the collection is."""
        return self.reader.info


class ForeignCollections:
    """What a store does with them.

    Args:
        foreign: Those of the adapter; None where it has none.
        capabilities: What the connection can do.
    """

    def __init__(self, foreign: ForeignStore | None, capabilities: Capabilities) -> None:
        self._foreign = foreign
        self._capabilities = capabilities

    def reached(self, asked: str) -> ForeignStore:
        """Return those of the adapter; raises ``Unsupported`` where it has none."""
        self._capabilities.require("mapping", asked)
        assert self._foreign is not None
        return self._foreign

    def layout(self, name: object) -> tuple[ForeignLayouts, Layout]:
        """Return a layout, and what writes it.

        Raises:
            InvalidInput: There is no layout of this name.
            Unsupported: It is not written here.
        """
        foreign = self._foreign
        if isinstance(name, RecordMapping):
            check_described(name)
            made = foreign.described(name) if isinstance(foreign, ForeignDescribing) else None
            if made is None or not isinstance(foreign, ForeignLayouts):
                raise Unsupported(
                    f"vstore makes no collection of {self._capabilities.backend} by a mapping",
                    hint="It makes them in PostgreSQL and on a server of Qdrant. Pass layout='plain' elsewhere.",
                )
            return foreign, made
        if name not in LAYOUTS:
            raise InvalidInput(
                f"layout= takes a RecordMapping or one of {', '.join(map(repr, LAYOUTS))}, not {brief(name)}",
                hint=did_you_mean(name, LAYOUTS),
            )
        known: Mapping[str, Layout] = foreign.layouts if isinstance(foreign, ForeignLayouts) else {}
        if not isinstance(foreign, ForeignLayouts) or name not in known:
            there = ", ".join(map(repr, known)) or "none"
            raise Unsupported(
                f"vstore does not write the layout {name!r} into {self._capabilities.backend}",
                hint=f"It writes {there} there, and its own without layout= (of the command: --layout vstore).",
            )
        return foreign, known[str(name)]

    def propose(self, name: str, layout: object) -> RecordMapping:
        """Return how to read a collection, as ``propose_mapping`` does."""
        return self.reached("propose_mapping").propose(name, None if layout is None else _package(layout))

    def open(self, name: str, mapping: RecordMapping | str, layout: RecordMapping | str | None) -> Found:
        """Open a collection, as ``get_collection`` does."""
        foreign = self.reached("mapping=")
        known = None if layout is None else self.layout(layout)[1]
        if isinstance(mapping, RecordMapping):
            return self._opened(name, mapping, known)
        package = _package(mapping)
        proposed = foreign.propose(name, package)
        if package is None:
            return self._opened(name, proposed, None, read_only=_PROPOSED)
        if known is None and isinstance(foreign, ForeignLayouts):
            known = foreign.layouts.get(package)
        return self._opened(name, proposed, known)

    def create(self, name: RecordMapping | str, info: CollectionInfo, *, asked_index: bool, exist_ok: bool) -> Found:
        """Make a collection, as ``create_collection`` does.

        Args:
            name: Of the layout, or the mapping that describes it.
            info: What is asked.
            asked_index: Whether the index was asked for, and is not the database's own choice.
            exist_ok: Whether it may be there.
        """
        foreign, layout = self.layout(name)
        info = replace(info, embedder=None, index=info.index if asked_index else layout.index or info.index)
        check_holds(layout, info)
        try:
            mapping = foreign.create(layout, info)
        except NotFound as error:  # of a name that leads elsewhere
            raise InvalidInput(f"the database has no collections with names such as {info.name!r}") from error
        except AlreadyExists as error:
            if not exist_ok:
                error.hint = error.hint or "Open it with get_collection(mapping=), or pass exist_ok=True."
                raise
            proposed = self.reached("layout=").propose(info.name, name) if isinstance(name, str) else layout.mapping
            mapping = completed(proposed, layout, info.metric, info.dimension)
        return self._opened(info.name, mapping, layout)

    def drop(self, name: str, layout: RecordMapping | str) -> None:
        """Delete a collection of a layout."""
        foreign, known = self.layout(layout)
        foreign.drop(name, known)

    def _opened(self, name: str, mapping: RecordMapping, layout: Layout | None, *, read_only: str = "") -> Found:
        from vstore.core._sync.mapped import MappedCollection  # a tenth of the time of importing vstore
        from vstore.core._sync.mapped_writing import MappedWriter

        foreign = self.reached("mapping=")
        table = foreign.open(name, mapping)
        reader = MappedCollection(table, partial(foreign.open, name))
        reader.look()
        nested = self._capabilities.nested_metadata
        if layout is not None and nested and not layout.nested:
            nested = no(f"the layout of {layout.package} has none")
        capabilities = replace(
            self._capabilities, matches=where_installed(_ONE_BY_ONE), nested_metadata=nested, **_READING
        )
        writer = None
        if mapping.vectors:
            read_only = read_only or _FURTHER
        reader.read_only = read_only or (table.read_only if isinstance(table, ForeignWriter) else NOT_WRITTEN)
        if isinstance(table, ForeignWriter) and not reader.read_only:
            writer = MappedWriter(reader, table, layout)
        return Found(reader, writer, capabilities)


def _package(name: object) -> str | None:
    if name == "auto":
        return None
    if name not in LAYOUTS:
        raise InvalidInput(
            f"mapping= takes a RecordMapping, 'auto' or one of {', '.join(map(repr, LAYOUTS))}, not {brief(name)}",
            hint=did_you_mean(name, LAYOUTS)
            or "store.propose_mapping(name) makes one; RecordMapping.from_json reads a saved one.",
        )
    return str(name)
