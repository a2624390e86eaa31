"""Values of pandas in metadata and filters: taken as the moments that they are, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import vstore
from vstore import F, InvalidInput, Records

MOMENT = datetime(2024, 2, 29, 12, 30, 0, 123456, UTC)
TAKEN = [
    (pd.Timestamp(MOMENT), MOMENT),
    (pd.Timestamp(MOMENT).tz_convert("Asia/Kolkata"), MOMENT),
    (pd.Timestamp(MOMENT).as_unit("ns"), MOMENT),
    (pd.Timestamp("1600-01-01", tz="UTC"), datetime(1600, 1, 1, tzinfo=UTC)),
    # the second of the two times that a clock shows half past two
    (
        pd.Timestamp("2024-10-27 02:30").tz_localize("Europe/Berlin", ambiguous=False),
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC),
    ),
]


@pytest.mark.parametrize(("given", "moment"), TAKEN)
def test_a_timestamp_with_a_zone_is_its_moment(given: pd.Timestamp, moment: datetime) -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=1)
        metadata = {"when": given, "list": [given, given]}
        docs.add(["a"], [[1.0]], metadatas=[metadata])
        assert metadata == {"when": given, "list": [given, given]}, "the caller's own stays"
        (found,) = docs.get(["a"]).metadatas or []
        assert found == {"when": moment, "list": [moment, moment]}
        assert type(found["when"]) is datetime
        assert docs.count(F("when") == given) == docs.count(F("when") >= moment) == 1
        assert docs.count(F("when") < given) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pd.Timestamp("2024-02-29"), "has no time zone.*tz_localize"),
        (pd.Timestamp("2024-02-29 00:00:00.000000001", tz="UTC"), r"no whole number of microseconds.*\.round"),
        (pd.NaT, "NaT is no value.*Leave the key out"),
        (pd.NA, "<NA> is no value.*Leave the key out"),
        (float("nan"), "nan is not a finite number.*Leave the key out"),
        (pd.Timestamp(np.datetime64("12024-01-01", "s")), "has no time zone"),
        (pd.Timedelta(1), r"has a value of type pandas\.\S*Timedelta"),
    ],
)
def test_what_is_no_moment_is_refused(given: object, said: str) -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=1)
        with pytest.raises(InvalidInput, match=rf"metadatas\[0\]: .*{said}"):
            docs.add(["a"], [[1.0]], metadatas=[{"when": given}])
        assert docs.count() == 0


def test_a_frame_of_an_application_is_written_with_its_times() -> None:
    times = pd.date_range("2024-01-01", periods=3, freq="D", tz="Europe/Berlin")
    frame = pd.DataFrame({"id": ["a", "b", "c"], "vector": [[1.0], [2.0], [3.0]]})
    frame["metadata"] = pd.DataFrame({"when": times, "n": [1, 2, 3]}).to_dict("records")
    records = Records.from_pandas(frame)
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=1)
        docs.upsert(records.ids, records.vectors, metadatas=records.metadatas)
        found = docs.get(["b"]).metadatas
        assert found == [{"when": datetime(2024, 1, 1, 23, tzinfo=UTC), "n": 2}]
