"""The SQL of one collection. A table name enters quoted by ``bare``, everything else is bound."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from psycopg import sql

from vstore.indexing import Metric
from vstore.records import Include

__all__ = [
    "Statements",
    "bare",
    "columns",
    "doubled",
    "literal",
    "quoted",
]

_OPERATOR: Final = {Metric.COSINE: "<=>", Metric.L2: "<->", Metric.DOT: "<#>"}
_TYPES: Final = {
    "id": "text",
    "embedding": "vector",
    "document": "text",
    "metadata": "jsonb",
    "moments": "jsonb",
    "touched": "jsonb",
}


def quoted(*parts: str) -> str:
    """Return a qualified name as SQL, by itself: a value, such as for ``to_regclass``."""
    return sql.Identifier(*parts).as_string(None)


def bare(*parts: str) -> str:
    """Return a qualified name for the text of a statement, in which psycopg takes a lone ``%`` for a parameter."""
    return doubled(quoted(*parts))


def doubled(text: str) -> str:
    """Return a piece of SQL such that a statement's text may contain it."""
    return text.replace("%", "%%")


def literal(text: str) -> str:
    """Return a text as SQL."""
    return sql.Literal(text).as_string(None)


def columns(include: Include) -> str:
    """Return the columns after the id, each in a form that does not depend on what the client has registered."""
    chosen: list[str] = []
    if include.vectors:
        chosen.append("vector_send(embedding)")
    if include.documents:
        chosen.append("document")
    if include.metadatas:
        chosen += ["metadata::text", "moments::text"]
    return "".join(f", {column}" for column in chosen)


def _and(condition: str | None) -> str:
    return "" if condition is None else f" where {condition}"


class Statements:
    """The statements on one table; they differ only by the columns and conditions asked for."""

    def __init__(self, schema: str, table: str, metric: Metric) -> None:
        self.name = quoted(schema, table)
        self.table = bare(schema, table)
        self._operator = _OPERATOR[metric]
        self._dot = metric is Metric.DOT
        self._norm = "0::float8" if metric is Metric.COSINE else "vector_norm(embedding)"
        self.nearest = lru_cache(maxsize=256)(self._nearest)

    def _given(self, names: Iterable[str]) -> str:
        names = list(names)
        arrays = ", ".join(f"%s::{_TYPES[name]}[]" for name in names)
        return f"unnest({arrays}) as g({', '.join(names)})"

    def insert(self, names: Iterable[str]) -> str:
        """Inserts arrays of columns."""
        names = list(names)
        if "metadata" in names:
            return f"insert into {self.table} ({', '.join(names)}) select * from {self._given(names)}"
        head = f"insert into {self.table} ({', '.join(names)}, metadata)"
        return f"{head} select g.*, '{{}}'::jsonb from {self._given(names)}"

    @property
    def copy(self) -> str:
        """Takes in rows of ``codec.copy_rows``."""
        return f"copy {self.table} (id, embedding, document, metadata, moments) from stdin (format binary)"

    def upsert(self, names: Iterable[str]) -> str:
        """Inserts arrays of columns or replaces whole rows."""
        replaced = ", ".join(f"{c} = excluded.{c}" for c in ("embedding", "document", "metadata", "moments"))
        return f"{self.insert(names)} on conflict (id) do update set {replaced}"

    def update(self, names: Iterable[str]) -> str:
        """Changes the columns given; with ``touched`` metadata is merged, without it replaced."""
        names = list(names)
        changes = [f"{name} = g.{name}" for name in names if name in ("embedding", "document")]
        if "touched" in names:
            keys = "array(select jsonb_array_elements_text(g.touched))"
            changes.append(f"metadata = (t.metadata - {keys}) || g.metadata")
            # A key that changes its type loses its mark: marks go by key like the values.
            old = f"(coalesce(t.moments, '{{}}') - {keys})"
            changes.append(f"moments = nullif({old} || coalesce(g.moments, '{{}}'), '{{}}')")
        elif "metadata" in names:
            changes += ["metadata = g.metadata", "moments = g.moments"]
        return f"update {self.table} as t set {', '.join(changes)} from {self._given(names)} where t.id = g.id"

    @property
    def lock(self) -> str:
        """Locks rows by ascending id and says which there are."""
        return f"select id from {self.table} where id = any(%s::text[]) order by id for update"

    @property
    def existing(self) -> str:
        """Which of these ids there are."""
        return f"select id from {self.table} where id = any(%s::text[])"

    @property
    def delete_ids(self) -> str:
        """Deletes by id."""
        return f"delete from {self.table} where id = any(%s::text[])"

    def get(self, include: Include) -> str:
        """Reads by id."""
        return f"select id{columns(include)} from {self.table} where id = any(%s::text[])"

    def _raw(self, include: Include) -> str:
        chosen = ["document"] if include.documents else []
        chosen += ["metadata", "moments"] if include.metadatas else []
        return "".join(f", {name}" for name in chosen)

    def _nearest(self, k: int, include: Include, exact: bool, condition: str | None, many: bool) -> str:
        """Return SQL for the k nearest of each vector: id, distance, vector's number from 1, norm or 0, columns.

        Parameters: the vector, or the array of ``many``; for an exact query under dot its slack, or theirs; the
        condition's. The inner query picks rows, the outer one converts their columns, which else happens before the
        sort, for every row. ``k`` stands in the text so that a prepared plan knows it. ``+ 0`` keeps an exact
        query from the index: planner settings do not reach plans that psycopg has prepared.
        """
        given = ["%s::vector"] + (["%s::float8"] if exact and self._dot else [])
        names = "query, slack, number" if len(given) > 1 else "query, number"
        if many:
            source = f"unnest({', '.join(f'{one}[]' for one in given)}) with ordinality as q({names})"
        else:
            source = f"(select {', '.join(given)}, 1) as q({names})"
        order = f"{self._measure('q.query', 'q.slack')} + 0, id" if exact else self._distance("q.query")
        return (
            f"select id, {self._distance('query')}, number, {self._norm}{columns(include)} from {source} "
            f"cross join lateral (select id, embedding{self._raw(include)} "
            f"from {self.table}{_and(condition)} order by {order} limit {k:d}) as near"
        )

    def _distance(self, query: str) -> str:
        return f"(embedding {self._operator} {query})"

    def _measure(self, query: str, slack: str) -> str:
        """Return a bound below each true distance, less what ``ErrorBounds.limit`` adds; long products are coarse."""
        return f"({self._distance(query)} - {slack} * vector_norm(embedding))" if self._dot else self._distance(query)

    def within(self, rows: int, after: bool, condition: str | None) -> str:
        """Return ids and vectors of records that may be near enough, by ascending id.

        Parameters: the vector, its slack under dot, the limit, the last id, the condition's.
        """
        parts = [f"{self._measure('%s::vector', '%s::float8')} <= %s::float8"]
        parts += (["id > %s::text"] if after else []) + ([condition] if condition is not None else [])
        return (
            f"select id, vector_send(embedding) from {self.table}{_and(' and '.join(parts))} order by id limit {rows:d}"
        )

    def scan(self, rows: int, include: Include, after: bool, condition: str | None) -> str:
        """Return SQL for one page by ascending id. Parameters: the last id, the condition's."""
        parts = (["id > %s::text"] if after else []) + ([condition] if condition is not None else [])
        return (
            f"select id{columns(include)} from {self.table}{_and(' and '.join(parts) or None)} "
            f"order by id limit {rows:d}"
        )

    def count(self, condition: str | None) -> str:
        """Counts."""
        return f"select count(*) from {self.table}{_and(condition)}"

    def delete_where(self, condition: str) -> str:
        """Deletes by condition."""
        return f"delete from {self.table}{_and(condition)}"

    @property
    def vectors(self) -> str:
        """The vectors of these ids."""
        return f"select id, vector_send(embedding) from {self.table} where id = any(%s::text[])"

    @property
    def clear(self) -> str:
        """Empties the table and its indexes at once; deleted rows would stay in an HNSW graph until a vacuum."""
        return f"truncate {self.table}"
