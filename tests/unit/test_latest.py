"""A filter that is asked again is neither checked nor translated again."""

import pytest

from vstore import F, InvalidInput, connect
from vstore.core import validate
from vstore.filters.tree import And, Eq
from vstore.spi.latest import Latest


def test_the_function_is_called_for_another_object_only() -> None:
    made = []
    latest = Latest[object, int](lambda given: made.append(given) or len(made))
    one, equal = (1, 2.0), (1.0, 2)
    assert one == equal
    assert [latest(one), latest(one), latest(equal), latest(one)] == [1, 1, 2, 3]


def test_what_the_function_raises_is_raised_again() -> None:
    def refuse(given: object) -> None:
        raise InvalidInput(str(given))

    latest = Latest[object, None](refuse)
    for _ in range(2):
        with pytest.raises(InvalidInput):
            latest("a")


def test_filters_that_are_equal_in_python_are_told_apart() -> None:
    with connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        docs.add(["a", "b"], [[1, 0], [0, 1]], metadatas=[{"a": True}, {"a": 1}])
        assert Eq(("a",), True) == Eq(("a",), 1)
        for where, expected in ((F("a") == True, "a"), (F("a") == 1, "b"), (F("a") == True, "a")):  # noqa: E712
            assert docs.query([1, 1], where=where).ids == [expected]


def test_a_filter_is_checked_once_and_a_dict_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    normalize = validate.normalize
    monkeypatch.setattr(validate, "normalize", lambda node: checked.append(node) or normalize(node))
    with connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        docs.add(["a", "b"], [[1, 0], [0, 1]], metadatas=[{"a": 1}, {"a": 2}])
        where = F("a") == 1
        assert [docs.query([1, 1], where=where).ids for _ in range(3)] == [["a"]] * 3
        assert len(checked) == 1
        changing = {"a": 1}
        assert docs.query([1, 1], where=changing).ids == ["a"]
        changing["a"] = 2
        assert docs.query([1, 1], where=changing).ids == ["b"]


def test_operands_of_a_filter_do_not_change_with_the_list_they_came_in() -> None:
    operands = [F("a") == 1, F("b") == 2]
    both = And(operands)  # type: ignore[arg-type]
    operands.clear()
    assert both == (F("a") == 1) & (F("b") == 2)
