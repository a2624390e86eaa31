"""The SQL of one collection. A table name enters quoted by ``bare``, everything else is bound."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from psycopg import sql

from vstore.fields import Dense, Field
from vstore.info import CollectionInfo
from vstore.records import Include
from vstore_pgvector.vectors import column_names, dense_fields

__all__ = [
    "Statements",
    "bare",
    "doubled",
    "field_columns",
    "half_unit",
    "literal",
    "on_condition",
    "quoted",
    "sent",
    "signs",
]

_TYPES: Final = {
    "id": "text",
    "document": "text",
    "metadata": "jsonb",
    "moments": "jsonb",
    "touched": "jsonb",
}


def quoted(*parts: str) -> str:
    """Return a qualified name as SQL, by itself: a value, such as for ``to_regclass``."""
    return sql.Identifier(*parts).as_string(None)


@lru_cache(maxsize=1024)
def bare(*parts: str) -> str:
    """Return a qualified name for the text of a statement, in which psycopg takes a lone ``%`` for a parameter."""
    return doubled(quoted(*parts))


def doubled(text: str) -> str:
    """Return a piece of SQL such that a statement's text may contain it."""
    return text.replace("%", "%%")


def literal(text: str) -> str:
    """Return a text as SQL."""
    return sql.Literal(text).as_string(None)


def half_unit(vector: str, dimension: int) -> str:
    """Return SQL for a vector's direction in half precision, which an index and its queries must write alike."""
    return f"(l2_normalize({vector})::halfvec({dimension:d}))"


def signs(vector: str, dimension: int) -> str:
    """Return SQL for the signs of a vector's components, a bit each: 1 above zero."""
    return f"(binary_quantize({vector})::bit({dimension:d}))"


def field_columns(name: str, field: Field) -> list[str]:
    """Return the columns of a field as SQL."""
    return [bare(column) for column in column_names(name, field)]


def sent(name: str, field: Field) -> str:
    """Return SQL for a field's vector in binary form: a bytea, or a bytea[] with one for each band."""
    columns = field_columns(name, field)
    if isinstance(field, Dense):
        return f"vector_send({columns[0]})"
    return f"array[{', '.join(f'sparsevec_send({column})' for column in columns)}]"


def on_condition(*conditions: str | None) -> str:
    """Return the WHERE clause of some conditions, or nothing."""
    given = [condition for condition in conditions if condition is not None]
    return f" where {' and '.join(given)}" if given else ""


class Statements:
    """The statements on one table; they differ only by the columns and conditions asked for."""

    def __init__(self, schema: str, table: str, info: CollectionInfo) -> None:
        self.name = quoted(schema, table)
        self.table = bare(schema, table)
        self.info = info
        fields: dict[str, Field] = {**dense_fields(info), **info.fields}
        self._vectors = [column for name, field in fields.items() for column in field_columns(name, field)]
        self._types = _TYPES | {
            column: "vector" if isinstance(field, Dense) else "sparsevec"
            for name, field in fields.items()
            for column in column_names(name, field)
        }

    def columns(self, include: Include) -> str:
        """Return the columns after the id, each in a form that does not depend on what the client has registered."""
        chosen = [sent("", self.info.field())] if include.vectors else []
        chosen += ["document"] if include.documents else []
        chosen += ["metadata::text", "moments::text"] if include.metadatas else []
        chosen += [sent(name, self.info.fields[name]) for name in include.fields]
        return "".join(f", {column}" for column in chosen)

    def raw_columns(self, include: Include, field: str) -> str:
        """Return the columns that ``columns`` and a query of ``field`` are made of."""
        chosen = ["document"] if include.documents else []
        chosen += ["metadata", "moments"] if include.metadatas else []
        names = [field, *([""] if include.vectors else []), *include.fields]
        for name in dict.fromkeys(names):
            chosen += field_columns(name, self.info.field(name))
        return "".join(f", {column}" for column in chosen)

    def _given(self, names: Iterable[str]) -> str:
        names = list(names)
        arrays = ", ".join(f"%s::{self._types[name]}[]" for name in names)
        return f"unnest({arrays}) as g({_listed(names)})"

    def insert(self, names: Iterable[str]) -> str:
        """Inserts arrays of columns."""
        names = list(names)
        if "metadata" in names:
            return f"insert into {self.table} ({_listed(names)}) select * from {self._given(names)}"
        head = f"insert into {self.table} ({_listed(names)}, metadata)"
        return f"{head} select g.*, '{{}}'::jsonb from {self._given(names)}"

    def copy(self, names: Iterable[str]) -> str:
        """Takes in rows of ``codec.copy_rows``."""
        return f"copy {self.table} ({_listed(names)}) from stdin (format binary)"

    def upsert(self, names: Iterable[str]) -> str:
        """Inserts arrays of columns or replaces whole rows."""
        columns = [*self._vectors, "document", "metadata", "moments"]
        replaced = ", ".join(f"{column} = excluded.{column}" for column in columns)
        return f"{self.insert(names)} on conflict (id) do update set {replaced}"

    def update(self, names: Iterable[str]) -> str:
        """Changes the columns given; with ``touched`` metadata is merged, without it replaced."""
        names = list(names)
        columns = [bare(name) for name in names if name == "document" or bare(name) in self._vectors]
        changes = [f"{column} = g.{column}" for column in columns]
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
        return f"select id{self.columns(include)} from {self.table} where id = any(%s::text[])"

    def scan(self, rows: int, include: Include, after: bool, condition: str | None) -> str:
        """Return SQL for one page by ascending id. Parameters: the last id, the condition's."""
        parts = (["id > %s::text"] if after else []) + ([condition] if condition is not None else [])
        return f"select id{self.columns(include)} from {self.table}{on_condition(*parts)} order by id limit {rows:d}"

    def count(self, condition: str | None) -> str:
        """Counts."""
        return f"select count(*) from {self.table}{on_condition(condition)}"

    def is_small(self, rows: int) -> str:
        """Return SQL for whether a partition has at most so many records."""
        found = f"select from {self.table} where partition = %s::text limit {rows + 1:d}"
        return f"select count(*) <= {rows:d} from ({found}) as found"

    def explain(self, condition: str | None) -> str:
        """Return SQL for what the planner expects of reading the records that match: the first row has the whole."""
        return f"explain select from {self.table}{on_condition(condition)}"

    def sample(self, percent: float, condition: str) -> str:
        """Return SQL that counts the records of some pages, and those of them that match."""
        pages = f"tablesample system ({percent:f})"
        return f"select count(*), count(*) filter (where {condition}) from {self.table} {pages}"

    def delete_where(self, condition: str) -> str:
        """Deletes by condition."""
        return f"delete from {self.table}{on_condition(condition)}"

    @property
    def clear(self) -> str:
        """Empties the table and its indexes at once; deleted rows would stay in an HNSW graph until a vacuum."""
        return f"truncate {self.table}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(bare, names))
