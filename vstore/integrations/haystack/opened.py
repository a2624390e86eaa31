"""What Haystack's document store is made from: opened at the first call, written to YAML, closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from haystack import default_from_dict, default_to_dict
from haystack.utils import Secret

from vstore.aio import AsyncCollection, AsyncStore
from vstore.core.connecting import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from vstore.core.registry import factory_for_scheme, plan, schemes
from vstore.core.settings import is_name
from vstore.errors import InvalidInput
from vstore.indexing import Index, Metric, index_from_dict, index_to_dict
from vstore.integrations.closing import Closing
from vstore.integrations.door import AsyncDoor, Door
from vstore.integrations.haystack._async.calls import AsyncCalls
from vstore.integrations.haystack._sync.calls import Calls
from vstore.integrations.haystack.filters import HAYSTACK, OWNER
from vstore.integrations.target import Given, Target
from vstore.spi.urls import OptionValue

__all__ = ["OpenedStore"]

_FROM_ENVIRONMENT: Final = Secret.from_env_var("VSTORE_URL")


@dataclass(frozen=True)
class _Opened:
    """The two forms of one store's calls."""

    door: AsyncDoor
    calls: Calls
    async_calls: AsyncCalls


class OpenedStore(Closing):
    """The settings of a document store and what they open; ``VStoreDocumentStore`` has the calls."""

    def __init__(
        self,
        store: Given | Secret = _FROM_ENVIRONMENT,
        collection_name: str = "haystack_documents",
        *,
        async_store: AsyncStore | AsyncCollection | None = None,
        embedding_dimension: int | None = None,
        metric: Metric | str | None = None,
        index: Index | Mapping[str, Any] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        options: Mapping[str, OptionValue | Secret] | None = None,
    ) -> None:
        self.store = store
        self.collection_name = collection_name
        self.async_store = async_store
        self.embedding_dimension = embedding_dimension
        self.metric = metric
        self.index = index_from_dict(index) if isinstance(index, Mapping) else index
        self.timeout = timeout
        self.retries = retries
        self.options = dict(options or {})
        self._open: _Opened | None = None
        if not isinstance(store, Secret):
            self._opened()  # checks the arguments; nothing is connected

    def _opened(self) -> _Opened:
        if self._open is None:
            target = Target(
                given=_resolved(self.store),
                given_async=self.async_store,
                name=self.collection_name,
                metric=self.metric,
                dimension=self.embedding_dimension,
                index=self.index,
                metadata={OWNER: HAYSTACK},
                timeout=self.timeout,
                retries=self.retries,
                options={name: _resolved(value) for name, value in self.options.items()},
            )
            door = Door(target)
            async_door = AsyncDoor(door)
            self._open = _Opened(async_door, Calls(door), AsyncCalls(async_door))
        return self._open

    @property
    def _calls(self) -> Calls:
        return self._opened().calls

    @property
    def _async_calls(self) -> AsyncCalls:
        return self._opened().async_calls

    def to_dict(self) -> dict[str, Any]:
        """Return the store as a dict for YAML.

        Raises:
            InvalidInput: It was made from a store or collection, or holds a secret that is no ``Secret``.
        """
        if not isinstance(self.store, str | Secret | None) or self.async_store is not None:
            raise InvalidInput("a store that was given cannot be serialised", hint="Pass its URL.")
        plain = {name for name, value in self.options.items() if not isinstance(value, Secret)}
        if _shows_a_secret(self.store) or plain & _secret_options():
            raise InvalidInput(
                "the URL or an option holds a secret, which is not serialised",
                hint='Pass it as Secret.from_env_var("VSTORE_URL").',
            )
        return default_to_dict(
            self,
            store=self.store,
            collection_name=self.collection_name,
            embedding_dimension=self.embedding_dimension,
            metric=None if self.metric is None else str(self.metric),
            index=None if self.index is None else index_to_dict(self.index),
            timeout=self.timeout,
            retries=self.retries,
            options={
                name: value.to_dict() if isinstance(value, Secret) else value for name, value in self.options.items()
            },
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the store that ``to_dict`` was called of."""
        parameters = dict(data.get("init_parameters", {}))
        parameters["options"] = {
            name: Secret.from_dict(value) if isinstance(value, dict) else value
            for name, value in (parameters.get("options") or {}).items()
        }
        return default_from_dict(cls, {**data, "init_parameters": parameters})

    def _door_to_close(self) -> AsyncDoor | None:
        return None if self._open is None else self._open.door

    async def close_async(self) -> None:
        """Does what ``close`` does, in the event loop that made the async calls."""
        await self._close_async()


def _shows_a_secret(store: object) -> bool:
    """Whether it is a URL that holds a secret; the name of a store in ``vstore.toml`` holds none."""
    if not isinstance(store, str) or is_name(store):
        return False
    return bool(plan(store, None, DEFAULT_TIMEOUT, DEFAULT_RETRIES, {}).settings.secrets)


def _secret_options() -> set[str]:
    """The options of any adapter that must not be shown; which adapter a ``Secret`` names is not known before use."""
    factories = map(factory_for_scheme, schemes())
    return {name for factory in factories for name, option in factory.options.items() if option.secret}


def _resolved(value: Any) -> Any:
    return value.resolve_value() if isinstance(value, Secret) else value
