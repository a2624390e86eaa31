"""The typed options of ``connect`` are those that the adapters declare."""

from __future__ import annotations

from typing import get_type_hints

import pytest

import vstore
from vstore import options
from vstore.core.registry import factory_for_scheme


@pytest.mark.parametrize("scheme", ["chroma", "milvus", "pgvector", "qdrant"])
def test_the_typed_options_are_those_of_the_adapter(scheme: str) -> None:
    typed = get_type_hints(getattr(options, f"{scheme.capitalize()}Options"))
    assert typed == {name: type(option.default) for name, option in factory_for_scheme(scheme).options.items()}


def test_options_travel_as_a_dict() -> None:
    given: options.ChromaOptions = {"tenant": "default_tenant"}
    with vstore.connect("chroma::memory:", **given) as store:
        assert list(store) == []
