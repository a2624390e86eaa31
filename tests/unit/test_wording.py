"""Errors name types with the right article, and offer the name that was probably meant."""

from __future__ import annotations

import pytest

import vstore
from vstore import InvalidInput, Records
from vstore.core.validate import check_ids
from vstore.wording import a_type, did_you_mean


@pytest.mark.parametrize(
    ("kind", "said"), [(int, "an int"), (str, "a str"), (Records, "a Records"), (object, "an object")]
)
def test_a_type_has_its_article(kind: type, said: str) -> None:
    assert a_type(kind) == said


def test_the_error_for_an_id_has_the_article() -> None:
    with pytest.raises(InvalidInput, match=r"ids\[0\] is an int, not a str: 7"):
        check_ids([7])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cosin", "Did you mean cosine?"),
        ("Cosine", "Did you mean cosine?"),
        ("ef-construction", "Did you mean ef_construction?"),
        ("nothing like it", ""),
        (7, ""),
        ("x" * 10_000_000, ""),
    ],
)
def test_a_name_that_is_near_is_offered(name: object, said: str) -> None:
    assert did_you_mean(name, ["cosine", "dot", "l2", "ef_construction"]) == said


def test_several_names_may_be_offered() -> None:
    assert did_you_mean("postgre", ["postgres", "postgresql"], most=2) == "Did you mean postgres or postgresql?"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vstore.connect("chrom:"), "Did you mean chroma?"),
        (lambda: vstore.connect("chroma::memory:", tennant="t"), "Did you mean tenant?"),
        (lambda: vstore.connect("chroma::memory:?tennant=t"), "Did you mean tenant?"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(call, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput) as caught:
        call()
    assert said in str(caught.value)
