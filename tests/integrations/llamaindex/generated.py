"""Nodes and filters made at random, and what LlamaIndex's own in-memory store says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from vstore.capabilities import Capabilities

KEYS = ("year", "title", "tags", "odd", "a.b", "doc_id", "$price", 'say "hi"')
ILLEGAL_KEYS = ("$price", 'say "hi"')
NUMBERS = (0, 1, 1.0, 0.5, -3, 2020, 2**40, 2**70, 2.0**70)
TEXTS = ("", "rag", "Rag and bone", "STRASSE", "Kelvin \u212a", "\u0130zmir", "多语言检索", "1", "d0", "None")
LISTS = (["rag"], ["rag", "eval"], ["1", "多语言检索"], [1, 2], [1.0, 0.5], [True, False], [], ["rag", 1], [None, 1.0])
OTHERS = (None, True, False, {"rag": {"deep": None}}, [["rag"]], float("inf"), "nul\x00", "lone \ud800")


def nodes(random: Random, number: int) -> list[BaseNode]:
    return [_node(random, place) for place in range(number)]


def _node(random: Random, place: int) -> BaseNode:
    pool = (*NUMBERS, *TEXTS, *LISTS, *OTHERS)
    usual = {"year": NUMBERS, "title": TEXTS, "tags": LISTS}
    metadata = {
        key: random.choice(usual.get(key, pool) if random.random() < 0.8 else pool)
        for key in KEYS
        if random.random() < 0.8
    }
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"d{place % 3}")} if place % 4 else {}
    return TextNode(
        id_=f"n{place}",
        text=f"text {place}",
        embedding=[random.gauss(0, 1) for _ in range(4)],
        metadata=metadata,
        relationships=source,
    )


def filters(random: Random, capabilities: Capabilities, depth: int = 2) -> MetadataFilters:
    parts: list[MetadataFilter | MetadataFilters] = [
        filters(random, capabilities, depth - 1) if depth and random.random() < 0.3 else _leaf(random, capabilities)
        for _ in range(random.randint(1, 3))
    ]
    return MetadataFilters(filters=parts, condition=random.choice([*FilterCondition, None]))


def _leaf(random: Random, capabilities: Capabilities) -> MetadataFilter:
    operator = random.choice([*FilterOperator])
    value: Any = random.choice(NUMBERS[:7] + TEXTS)
    key = random.choice(KEYS)
    match operator:
        case FilterOperator.IN | FilterOperator.NIN | FilterOperator.ANY | FilterOperator.ALL:
            pool: tuple[Any, ...] = random.choice((TEXTS, tuple(n for n in NUMBERS if isinstance(n, int))))
            value = random.sample(pool, random.randint(1, 3))
        case FilterOperator.GT | FilterOperator.GTE | FilterOperator.LT | FilterOperator.LTE:
            key = random.choice(KEYS[:6])
            value = random.choice((*NUMBERS[:7], *(TEXTS if capabilities.string_ordering else ())))
        case FilterOperator.TEXT_MATCH | FilterOperator.TEXT_MATCH_INSENSITIVE:
            key = random.choice(KEYS[:6])
            value = random.choice(("", "rag", "RAG", "ss", "k", "i", "izm", "检索", "a"))
            if not capabilities.matches and not (value and operator is FilterOperator.TEXT_MATCH):
                operator = FilterOperator.EQ
        case FilterOperator.EQ | FilterOperator.NE if random.random() < 0.1:
            value = None
    return MetadataFilter(key=key, value=value, operator=operator)


def metadata_of(some: list[BaseNode]) -> dict[str, Mapping[str, Any]]:
    """By node, what LlamaIndex's in-memory store filters."""
    simple = SimpleVectorStore()
    simple.add(some)
    return simple.data.metadata_dict


def matches(group: MetadataFilters, metadata: Mapping[str, Any]) -> bool:
    """LlamaIndex's own function for each leaf; it refuses groups in groups, and they mean what they do at the top."""
    found = [
        matches(part, metadata) if isinstance(part, MetadataFilters) else _leaf_matches(part, metadata)
        for part in group.filters
    ]
    combine: dict[FilterCondition | None, Callable[[list[bool]], bool]] = {
        FilterCondition.OR: any,
        FilterCondition.NOT: lambda parts: not any(parts),
    }
    return combine.get(group.condition, all)(found)


_ORDER = (FilterOperator.GT, FilterOperator.GTE, FilterOperator.LT, FilterOperator.LTE)
_IN_LISTS = (FilterOperator.CONTAINS, FilterOperator.ANY, FilterOperator.ALL)
_IN_TEXTS = (FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE)


def _leaf_matches(leaf: MetadataFilter, metadata: Mapping[str, Any]) -> bool:
    found = metadata.get(leaf.key)
    if leaf.operator in _IN_LISTS and not isinstance(found, list):
        return False  # as FilterOperator describes them, they look into lists
    if leaf.operator in (*_ORDER, *_IN_TEXTS) and (leaf.key in ILLEGAL_KEYS or _is_beyond(found)):
        return False  # no database holds it: it can be compared whole only
    try:
        return build_metadata_filter_fn(lambda _: metadata, MetadataFilters(filters=[leaf]))("")
    except TypeError:  # a record that LlamaIndex refuses to compare
        return False


def _is_beyond(value: object) -> bool:
    return value in ("nul\x00", "lone \ud800") or (isinstance(value, int) and abs(value) >= 2**63)
