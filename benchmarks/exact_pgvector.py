"""The floor under vstore on PostgreSQL: the raw path with all that the contract promises of the same answers."""

from __future__ import annotations

import json
import math
import select
from collections.abc import Callable
from typing import Any

import numpy as np
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool
from raw_pgvector import PAGE, RawPgvector

from vstore import Records

__all__ = ["EF_FILTERED", "PATIENCE", "YEARS", "ExactPgvector", "is_readable"]

# What PostgreSQL's search has beside the 100 candidates so that a filter with 43 % of the records costs no recall.
EF_FILTERED = 132
PATIENCE = 30.5  # seconds, behind the server's own timeout
YEARS = "coalesce(metadata @@ 'strict $.\"year\" >= 2010', false)"


class BoundedConnection(Connection[Any]):
    """A connection that waits for no server longer than ``PATIENCE``."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Consumes a generator of psycopg."""
        return super().wait(gen, interval, PATIENCE if timeout is None else timeout)


def is_readable(connection: Any) -> bool:
    """Return whether an idle connection has something to say, as where the server has closed it."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def check(connection: Any) -> None:
    """Raises where the server has closed a connection of the pool."""
    if is_readable(connection):
        connection.execute("")


class ExactPgvector(RawPgvector):
    """psycopg by hand for these records, under l2, with the guarantees of vstore.

    Guarantees, and what is done for each:

    - What is no id, vector, text or JSON is refused before anything is sent: ``_checked`` and ``_vector``.
    - A batch is written whole or not at all, and an id that exists refuses it: one COPY, by ascending id so that two
      of them cannot deadlock.
    - An int, a float and a datetime come back as such: jsonb keeps the first two, ``moments`` marks the third.
    - A text year, a missing one and a list are no match: a strict jsonpath, unknown where raw casts fail.
    - Ids are ordered by bytes, whatever the database's collation: ``collate "C"``.
    - Hits are ordered by true distance and id. pgvector sums in float32: where its error leaves the order of two hits
      open, or which is the last, their vectors are compared again in float64 (``_settled``, ``_compared``).
    - A filtered search brings k hits wherever so many match, and costs no recall: an iterative scan over as many more
      candidates, and the exact statement where that ends early.
    - A statement ends within a timeout: the server's own, and of a stopped one that of ``BoundedConnection``.
    - A connection that the server has closed, as where it was started again, fails no query: ``check``.
    - A scan meets each record once while others write: pages by id.
    """

    def __init__(self, conninfo: str, dimension: int, *, hnsw: bool) -> None:
        super().__init__(conninfo, dimension, hnsw=hnsw)
        self._pool.close()
        self._pool = ConnectionPool(
            conninfo,
            min_size=1,
            max_size=2,
            connection_class=BoundedConnection,
            configure=self._configure,
            check=check,
            kwargs={"autocommit": True},
            open=True,
        )
        self._error = 1.01 * (dimension + 6) * 2.0**-24  # of a sum of so many products in float32, relative
        self._lost = 2 * dimension * 2.0**-149  # products below float32's smallest number are lost whole
        self._tiny = 1e17 * self._lost  # a millionth of a vector whose square is this is lost in a hundred thousandth
        self._binary = np.dtype([("head", "V4"), ("vector", ">f4", (dimension,))])
        self._ef: dict[int, int] = {}  # the setting in force, by connection

    @staticmethod
    def _configure(connection: Any) -> None:
        register_vector(connection)
        connection.execute("set hnsw.ef_search = 100")
        connection.execute("set hnsw.iterative_scan = strict_order")
        connection.execute("set statement_timeout = 30000")

    def create(self, name: str) -> None:
        self._table = sql.Identifier(name)
        table = self._table.as_string(None)
        columns = (
            f'id text collate "C" primary key, embedding vector({self._dimension}) not null, '
            'document text collate "C", metadata jsonb not null, moments jsonb'
        )
        statements = [
            f"create table {table} ({columns})",
            f"alter table {table} alter column embedding set storage plain",
            f"create index on {table} using gin (metadata jsonb_path_ops)",
        ]
        if self._hnsw:
            options = "(m = 16, ef_construction = 100)"
            statements.append(f"create index on {table} using hnsw (embedding vector_l2_ops) with {options}")
        with self._pool.connection() as connection:
            for statement in statements:
                connection.execute(statement)
        # Numbers and names stand in the text, so that prepared plans know them. The vector is a parameter, packed.
        columns, picked = "id, document, metadata::text, moments::text", "id, document, metadata, moments"
        distance = "(embedding <-> %b::vector)"
        self.by_index = lambda where, k: (
            f"select {columns}, d from (select {picked}, {distance} as d from {table}{where} "
            f"order by d limit {k}) as near"
        )
        # No index serves the sum. A sort copies each row, so that it gets no more than it needs.
        self.exactly = lambda where, k: (
            f"select {columns}, d from (select ctid as place, {distance} + 0 as d from {table}{where} "
            f"order by d limit {k}) as near join {table} as t on t.ctid = near.place order by d, id"
        )
        self.vectors = f"select id, vector_send(embedding) from {table} where id = any(%s)"
        self.within = lambda where: (
            f"select id, vector_send(embedding) from {table} where {distance} <= %s{where.replace(' where', ' and')}"
        )
        self.get = f"select {columns} from {table} where id = any(%s)"
        self._page = (
            f"select id, vector_send(embedding), document, metadata::text, moments::text from {table} "
            f"where id > %s order by id limit {PAGE}"
        )

    def _checked(self, records: Records) -> np.ndarray:
        vectors, ids = np.asarray(records.vectors, dtype=np.float32), records.ids
        if vectors.shape != (len(ids), self._dimension) or not np.isfinite(vectors).all():
            raise ValueError("vectors")
        if len(set(ids)) < len(ids) or not all(0 < len(one.encode()) <= 512 and "\0" not in one for one in ids):
            raise ValueError("ids")
        if not all(type(one) is str and "\0" not in one for one in records.documents or ()):
            raise ValueError("documents")
        return vectors

    def ingest(self, records: Records) -> None:
        vectors = self._checked(records)
        assert records.documents is not None
        assert records.metadatas is not None
        order = sorted(range(len(records)), key=records.ids.__getitem__)
        packed = np.zeros(len(records), dtype=[("d", ">i2"), ("_", ">i2"), ("vector", ">f4", (self._dimension,))])
        packed["d"], packed["vector"] = self._dimension, vectors
        data, size = packed.tobytes(), packed.itemsize
        rows = [b"PGCOPY\n\xff\r\n\x00" + bytes(8)]
        for place in order:
            metadata = records.metadatas[place]
            text = json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            cells = (
                records.ids[place].encode(),
                data[place * size : (place + 1) * size],
                records.documents[place].encode(),
                b"\x01" + text.encode(),
            )
            rows.append(b"\x00\x05")
            rows += [piece for cell in cells for piece in (len(cell).to_bytes(4, "big"), cell)]
            rows.append(b"\xff\xff\xff\xff")  # no datetime among the values
        rows.append(b"\xff\xff")
        columns = "(id, embedding, document, metadata, moments)"
        statement = f"copy {self._table.as_string(None)} {columns} from stdin (format binary)"
        with self._pool.connection() as connection, connection.cursor().copy(statement) as copy:
            for start in range(0, len(rows), 5_000):
                copy.write(b"".join(rows[start : start + 5_000]))

    def query(self, vector: np.ndarray, k: int) -> Any:
        return self._answer("", 100, vector, k)

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        return self._answer(f" where {YEARS}", EF_FILTERED, vector, k)

    def _answer(self, where: str, ef: int, vector: np.ndarray, k: int) -> Any:
        checked, packed = self.vector(vector)
        with self._pool.connection() as connection:
            if self.is_tiny(checked):
                return self._compared(connection, checked, packed, where, math.inf, k)
            if self._hnsw:
                if self._ef.get(id(connection), 100) != ef:
                    connection.execute(f"set hnsw.ef_search = {ef}")
                    self._ef[id(connection)] = ef
                rows = self._fetch(connection, self.by_index(where, k), (packed,))
                if len(rows) == k:
                    return self.hits(rows, self._settled(connection, checked, rows)[0])
            rows = self._fetch(connection, self.exactly(where, k + 1), (packed,))
            if len(rows) <= k:
                return self.hits(rows, self._settled(connection, checked, rows)[0])
            rest = self.bounds(np.array([rows.pop()[4]]))[0][0]  # no record that did not come is nearer
            known, high = self._settled(connection, checked, rows)
            if (limit := float(high.max())) >= rest:
                return self._compared(connection, checked, packed, where, limit, k)
            return self.hits(rows, known)

    @staticmethod
    def _fetch(connection: Any, statement: str, values: tuple[Any, ...]) -> list[Any]:
        found: list[Any] = connection.cursor(binary=True).execute(statement, values, prepare=True).fetchall()
        return found

    def _settled(self, connection: Any, vector: np.ndarray, rows: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Distances, in float64 where float32 leaves the order open, and the most that each may be."""
        distance, high, places = self.doubts(rows)
        if places:
            self.settle(vector, self._fetch(connection, self.vectors, (list(places),)), places, distance, high)
        return distance, high

    def _compared(self, connection: Any, vector: np.ndarray, packed: Vector, where: str, limit: float, k: int) -> Any:
        """The k nearest of all that may be among them."""
        nearest = self.nearest(vector, self._fetch(connection, self.within(where), (packed, self.reach(limit))), k)
        return self.joined(nearest, self._fetch(connection, self.get, ([one for _, one in nearest],)))

    # What needs no connection, for the async floor as well.

    def vector(self, vector: np.ndarray) -> tuple[np.ndarray, Vector]:
        """Return a checked vector, and what is sent of it."""
        checked = np.asarray(vector, dtype=np.float32)
        if checked.shape != (self._dimension,) or not np.isfinite(checked).all():
            raise ValueError("vector")
        return checked, Vector(checked)

    def is_tiny(self, vector: np.ndarray) -> bool:
        """Return whether float32 may lose what distances from a vector are made of."""
        return float(vector @ vector) < self._tiny

    def bounds(self, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the most that distances may be in truth."""
        square = distance * distance
        low = np.sqrt(np.maximum(square * (1 - self._error) - self._lost, 0))
        return low, np.sqrt(square * (1 + self._error) + self._lost)

    def reach(self, limit: float) -> float:
        """Return the most that pgvector may say of a record within a distance."""
        return math.sqrt((limit * limit + self._lost) / (1 - self._error))

    def doubts(self, rows: list[Any]) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
        """Return distances, the most that each may be, and the places of those whose order float32 leaves open."""
        distance = np.array([row[4] for row in rows])
        low, high = self.bounds(distance)
        meets = np.flatnonzero(high[:-1] >= low[1:])
        places = {*meets.tolist(), *(meets + 1).tolist()} if len(meets) else ()
        return distance, high, {rows[place][0]: place for place in places}

    def settle(
        self, vector: np.ndarray, found: list[Any], places: dict[str, int], distance: np.ndarray, high: np.ndarray
    ) -> None:
        """Puts true distances in the place of doubtful ones."""
        for record_id, data in found:
            distance[places[record_id]] = high[places[record_id]] = self._true(vector, [data])[0]

    def _true(self, vector: np.ndarray, stored: list[bytes]) -> np.ndarray:
        vectors = np.frombuffer(b"".join(stored), self._binary)["vector"].astype(np.float64)
        found: np.ndarray = np.sqrt(((vectors - vector.astype(np.float64)) ** 2).sum(axis=1))
        return found

    def nearest(self, vector: np.ndarray, found: list[Any], k: int) -> list[tuple[float, str]]:
        """Return true distances and ids of the k nearest records."""
        distance = self._true(vector, [data for _, data in found])
        return sorted(zip(distance.tolist(), (record_id for record_id, _ in found), strict=True))[:k]

    def joined(self, nearest: list[tuple[float, str]], found: list[Any]) -> Any:
        """Return hits of distances and of the rows with these ids."""
        rows = {row[0]: row for row in found}
        there = [(distance, rows[one]) for distance, one in nearest if one in rows]
        return self.hits([row for _, row in there], np.array([distance for distance, _ in there]))

    @staticmethod
    def hits(rows: list[Any], distance: np.ndarray) -> Any:
        """Return ids, distances, documents and metadata, by distance and id."""
        taken = distance.tolist()
        order = sorted(range(len(rows)), key=lambda place: (taken[place], rows[place][0]))
        chosen = [rows[place] for place in order]
        load: Callable[[str], Any] = json.loads
        assert not any(row[3] for row in chosen)  # no record of these has a datetime
        return [row[0] for row in chosen], distance[order], [row[1] for row in chosen], [load(row[2]) for row in chosen]

    def scan(self) -> int:
        """Pages by key, binary."""
        after, number = "", 0
        while True:
            with self._pool.connection() as connection:
                page = self._fetch(connection, self._page, (after,))
            if not page:
                return number
            vectors = np.frombuffer(b"".join([row[1] for row in page]), self._binary)["vector"].astype(np.float32)
            metadatas = [json.loads(row[3]) for row in page]
            number += len(vectors)
            assert len(metadatas) == len(vectors)
            after = page[-1][0]
