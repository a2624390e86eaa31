"""What is logged of a call that one statement does not hold."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import vstore


def test_splits_are_logged(store: vstore.Store, caplog: pytest.LogCaptureFixture) -> None:
    docs = store.create_collection("docs", dimension=2, index=vstore.Flat())
    rows = store.capabilities.limits.max_batch_rows
    ids = [f"geheim{n}" for n in range(2 * rows + 1)]
    with caplog.at_level(logging.DEBUG, "vstore"):
        docs.upsert(ids[:rows], np.ones((rows, 2)))
        assert [one for one in caplog.records if one.name == "vstore.splits"] == []
        docs.upsert(ids, np.ones((len(ids), 2)))
    found = [one.getMessage().partition(": ")[2] for one in caplog.records if one.name == "vstore.splits"]
    assert [text.partition(" ")[0] for text in found] == [str(rows), str(2 * rows)]
    assert "geheim" not in caplog.text
