"""What PostgreSQL's catalogue says of a table: its columns, its keys, its indexes of vectors. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vstore_pgvector.statements import bare

__all__ = [
    "COLUMNS",
    "DERIVED",
    "EXISTS",
    "HEIRS",
    "INDEXES",
    "INTS",
    "JSONS",
    "KEYS",
    "LANGCHAIN_COLLECTIONS",
    "LANGCHAIN_RECORDS",
    "NAMES",
    "SEARCH_PATH",
    "TEXTS",
    "Column",
    "bare",
    "qualified",
]

# One row a column: name, type, type for casts, typmod (a vector's dimension), whether it is never null, the type of
# an array's elements, whether PostgreSQL counts it up, and whether the user may read it. format_type with -1 names the
# type without its length.
COLUMNS: Final = """
select a.attname, t.typname, pg_catalog.format_type(t.oid, -1), a.atttypmod, a.attnotnull, e.typname,
       a.attidentity <> '' or coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid) like 'nextval(%%', false),
       pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')
  from pg_catalog.pg_attribute as a
  left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  join pg_catalog.pg_class as c on c.oid = a.attrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  left join pg_catalog.pg_type as e on e.oid = t.typelem and t.typcategory = 'A'
 where n.nspname = %s::text and c.relname = %s::text and c.relkind in ('r', 'p', 'm', 'v', 'f')
   and a.attnum > 0 and not a.attisdropped
 order by a.attnum
"""
# Whether there is such a table. Names are compared as texts: as names PostgreSQL would cut them to 63 bytes first.
EXISTS: Final = """
select exists(select from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
               where n.nspname = %s::text and c.relname = %s::text)
"""
# The columns of every unique index on columns alone, the primary key first.
KEYS: Final = """
select array(select a.attname::text
               from unnest(i.indkey::int2[]) with ordinality as k(number, place)
               join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.number
              where k.place <= i.indnkeyatts order by k.place)
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where n.nspname = %s::text and c.relname = %s::text
   and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
 order by not i.indisprimary, i.indnkeyatts, i.indexrelid
"""
# The tables that inherit from a table without being partitions of it: their rows have keys of their own.
HEIRS: Final = """
select n2.nspname || '.' || c2.relname
  from pg_catalog.pg_inherits as i
  join pg_catalog.pg_class as c on c.oid = i.inhparent
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_class as c2 on c2.oid = i.inhrelid
  join pg_catalog.pg_namespace as n2 on n2.oid = c2.relnamespace
 where n.nspname = %s and c.relname = %s and c.relkind = 'r'
 order by 1
"""
# Every index of pgvector on a column: column, method, operator class, settings.
INDEXES: Final = """
select a.attname, m.amname, o.opcname, coalesce(x.reloptions, '{}')
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_class as x on x.oid = i.indexrelid
  join pg_catalog.pg_am as m on m.oid = x.relam
  join pg_catalog.pg_opclass as o on o.oid = i.indclass[0]
  join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
 where n.nspname = %s::text and c.relname = %s::text and m.amname in ('hnsw', 'ivfflat')
   and i.indisvalid and i.indpred is null
 order by i.indexrelid
"""
# The tables of a schema that have a vector.
NAMES: Final = """
select distinct c.relname
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_class as c on c.oid = a.attrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_type as t on t.oid = a.atttypid
 where n.nspname = %s::text and c.relkind in ('r', 'p', 'm', 'v', 'f') and t.typname in ('vector', 'halfvec')
   and a.attnum > 0 and not a.attisdropped
"""
# The schemas that a session finds tables in before vstore has set its own search path, and those it finds them in now.
SEARCH_PATH: Final = """
select n.nspname
  from pg_catalog.pg_settings as s
 cross join unnest(pg_catalog.string_to_array(s.reset_val, ',')) with ordinality as p(entry, place)
  join pg_catalog.pg_namespace as n
    on n.nspname = replace(replace(trim(both '"' from trim(p.entry)), '""', '"'), '$user', current_user)
 where s.name = 'search_path' and pg_catalog.has_schema_privilege(n.oid, 'usage')
 order by p.place
"""
# Two tables that langchain_postgres shares among all its collections.
LANGCHAIN_COLLECTIONS: Final = "langchain_pg_collection"
LANGCHAIN_RECORDS: Final = "langchain_pg_embedding"

_VECTORS: Final = ("vector", "halfvec")
INTS: Final = ("int2", "int4", "int8")
TEXTS: Final = ("text", "varchar")
JSONS: Final = ("json", "jsonb")
# What is neither a value nor a vector of the record: search terms that PostgreSQL derives from a text.
DERIVED: Final = ("tsvector",)
_AS_THEY_ARE: Final = frozenset((*INTS, *TEXTS, *JSONS, "bool", "float8", "timestamptz"))


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as ``COLUMNS`` tells."""

    name: str
    type: str
    cast: str
    typmod: int
    not_null: bool
    element: str | None
    counted: bool = False
    readable: bool = True

    @property
    def left(self) -> str:
        """Why it is not metadata, unless it is named as such; empty where it may be."""
        if self.vector or self.sparse:
            return f"a further vector ({self.type})"
        if not self.readable:
            return "the user may not read it"
        return "search terms that PostgreSQL makes of a text" if self.type in DERIVED else ""

    @property
    def vector(self) -> bool:
        """Whether it may hold a collection's vectors."""
        return self.type in _VECTORS

    @property
    def sparse(self) -> bool:
        """Whether it holds sparse vectors."""
        return self.type == "sparsevec"

    def selected(self) -> str:
        """Return the column in a form of which JSON changes nothing."""
        kind, brackets = (self.element, "[]") if self.element else (self.type, "")
        if kind in _AS_THEY_ARE:
            return qualified(self.name)
        return f"{qualified(self.name)}::{'float8' if kind == 'float4' else 'text'}{brackets} as {bare(self.name)}"


def qualified(column: str) -> str:
    """Return a column of the table, qualified: a bare ``order by id`` would order by the result's text."""
    return f"t.{bare(column)}"
