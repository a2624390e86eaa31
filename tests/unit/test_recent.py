import pytest

from vstore.spi import recent


def test_a_value_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(recent, "monotonic", lambda: now[0])
    kept = recent.Recent[int]()
    assert kept.get("a") is None
    assert kept.keep("a", 3) == 3
    now[0] += 10
    assert (kept.get("a"), kept.get("b")) == (3, None)
    now[0] += 0.1
    assert kept.get("a") is None


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "_MOST", 2)
    kept = recent.Recent[int]()
    for key in range(3):
        kept.keep(key, key)
    assert [kept.get(key) for key in range(3)] == [None, None, 2]
