# Generated from adapters/vstore_milvus/_async/creation.py by tools/unasync.py: do not edit.
"""Requests on one creation of a collection, and on no other that has or had its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from vstore.errors import BackendError, NotFound, VStoreError
from vstore.info import CollectionInfo
from vstore_milvus._sync.session import Session
from vstore_milvus.codec import deleted
from vstore_milvus.columns import Columns
from vstore_milvus.compile import with_ids
from vstore_milvus.errors import answered, not_loaded, vanished
from vstore_milvus.messages import Upsert, shows_records
from vstore_milvus.schema import layout_of, partition_of, token_of

__all__ = ["Creation"]

_ATTEMPTS: Final = 5
_MOST_UNFLUSHED: Final = 500


class Creation:
    """What was created at one time under some name.

    Milvus knows a collection by its name, and answers a handle from whatever has that name now. So the records stand
    in a partition that no other collection has, and every request names it: a server refuses one whose partition
    is not there, in the same step in which it would have carried it out.

    Milvus Lite refuses such writes, but answers such reads as if there were no records, and counts those of every
    partition. So it is looked at after an answer without records; and at every request where earlier
    versions created it, without a partition.

    Attributes:
        token: Which creation it is.
        layout: Where everything stands in it.
    """

    def __init__(self, session: Session, info: CollectionInfo, described: dict[str, Any]) -> None:
        self.token = token_of(described)
        self.layout = layout_of(info.name, described)
        self._session = session
        self._client = session.client
        self._info = info
        self._partition = partition_of(described)
        self._requests = session.locks[self.token]

    @property
    def name(self) -> str:
        """The last name of it that this store knows."""
        return self._session.names.get(self.token, self._info.name)

    def read(self, method: Callable[..., Any], **kwargs: Any) -> Any:
        """Makes one query or search, which sees what this store has written (``Session.level``)."""
        if self._partition:
            kwargs["partition_names"] = [self._partition]
        with self._requests.read:
            self._check()
            level, missed = self._session.level(self.token)
            for left in reversed(range(_ATTEMPTS)):
                try:
                    found = self._sent(method, consistency_level=level, **kwargs)
                    break
                except VStoreError as error:
                    if not left or not (not_loaded(error) or vanished(error)):
                        raise
                    if not_loaded(error):
                        self._sent(self._client.load_collection)
                level = "Strong"
            if not self._partition or (self._session.lite and not shows_records(found)):
                self._verify()
            self._session.seen(self.token, missed)
        return found

    def columns(self) -> Columns | None:
        """Return the columns in memory, if they are as the records are."""
        held = self._session.held
        if held is None:
            return None
        with self._requests.read:  # a write that they are to follow is applied to them before it ends
            return held.get(self.token, self.name)

    def upsert(self, request: Upsert) -> None:
        """Writes records, in one request."""
        records, message = request
        with self._requests.write():
            self._writable()
            message.collection_name, message.partition_name = self.name, self._partition
            with self._followed(len(records), partial(Columns.put, records=records)):
                self._sent(self._session.upsert, message)
            if self._session.lite:
                unflushed = self._session.unflushed
                unflushed[self.token] = unflushed.get(self.token, 0) + len(records)

    @contextmanager
    def _followed(self, numbers: int, change: Callable[[Columns], None]) -> Iterator[None]:
        """Has the columns in memory follow the write within, for which the engine gives out so many numbers."""
        held = self._session.held
        before = None if held is None else held.before_write(self.token, self.name)
        yield
        if held is not None and before is not None:
            held.follow(self.token, self.name, before, numbers, change)

    def put_away(self) -> None:
        """Has Milvus Lite put away what was written, before a search, once it is much; it does so when it closes.

        What it holds in memory it makes into arrays anew for every search: among 10,000 records of 384 components that
        takes 0.4 s of processor time, and 0.02 s once they are flushed, which takes 0.7 s (milvus-lite 3.2.2).
        Postings of 20,000 sparse vectors of 100 values take 6 s, and 0.2 s then.
        """
        unflushed = self._session.unflushed
        if unflushed.get(self.token, 0) > _MOST_UNFLUSHED:
            with self._requests.write():
                if unflushed.get(self.token, 0):  # else another search came first
                    self._sent(self._client.flush)
                    unflushed[self.token] = 0

    def delete(self, ids: list[str]) -> None:
        """Deletes records, in one request."""
        condition = with_ids(ids)
        with self._requests.write():
            self._writable()
            try:
                with self._followed(1, partial(Columns.remove, ids=ids)):
                    answer = self._sent(self._client.delete, filter=condition, **self._written())
            finally:
                self._session.hidden(self.token)
        # MilvusClient 3.0.2 passes over what the server says of a delete that it refuses: nothing is counted
        if not deleted(answer) and self.read(self._client.query, filter=condition, output_fields=["id"], limit=1):
            raise BackendError("Milvus has not deleted the records, and its client reports no reason")

    def rename(self, name: str) -> None:
        """Gives it another name. Milvus renames whatever has the old one, so it is looked at before."""
        with self._requests.write():
            self._check()
            self._verify()
            if name != self.name:
                self._session.call(self._client.rename_collection, self.name, name)
                self._session.moved(self.token, name)

    def drop(self) -> None:
        """Deletes it."""
        with self._requests.write():
            self._session.call(self._client.drop_collection, self.name)
            self._session.dropped.add(self.token)
            if self._session.held is not None:
                self._session.held.forget(self.token)

    def known_as(self, name: str, moves: int) -> bool:
        """Takes in the name under which it was found; False where this store has renamed something since ``moves``."""
        with self._requests.read:
            if self._session.moves != moves:
                return False
            self._session.names[self.token] = name
            return True

    def _written(self) -> dict[str, str]:
        return {"partition_name": self._partition} if self._partition else {}

    def _writable(self) -> None:
        self._check()
        if not self._partition:
            self._verify()

    def _sent(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Makes one request. An error that the server sends may be about another collection of the same name."""
        try:
            return self._session.call(method, self.name, *args, **kwargs)
        except NotFound as error:
            raise _gone() from error
        except VStoreError as error:
            if answered(error):
                self._verify()
            raise

    def _verify(self) -> None:
        """Raises ``NotFound`` where the name belongs to another collection, or to none."""
        try:
            described = self._session.call(self._client.describe_collection, self.name)
        except NotFound as error:
            raise _gone() from error
        if token_of(described) != self.token:
            raise _gone()

    def _check(self) -> None:
        if self.token in self._session.dropped:
            raise _gone()


def _gone() -> NotFound:
    return NotFound(
        "the collection was deleted, or another client has renamed it",
        hint="list_collections() names those that are there.",
    )
