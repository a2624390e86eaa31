"""Numbers as they reach a server over REST, read by a model of its JSON reader (tests/serde_json.py)."""

from __future__ import annotations

import json
import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models

from tests.serde_json import load, read_float
from vstore_qdrant.codec import decode_metadata, encode_payload
from vstore_qdrant.conditions import Number
from vstore_qdrant.filter_fields import LEAST, halves, survives
from vstore_qdrant.vectors import stacked

floats = st.floats(allow_nan=False, allow_infinity=False)


def _any_float(rng: random.Random) -> float:
    while True:
        value: float = struct.unpack("<d", rng.randbytes(8))[0]
        if value - value == 0:
            return value


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("2250580799194995.0", 0x431FFB90B44C1DCD),
        ("2250580799194994.0", 0x431FFB90B44C1DC8),
        ("2.7715077941825975e-163", 0x1E2FEB89414C343D),
        ("0.1", 0x3FB999999999999A),
        ("1.7976931348623157e308", 0x7FEFFFFFFFFFFFFF),
        ("123456789012345678901234567890.5e-9", 0x441AC53A7E04BCD9),
        ("9007199254740993.0", 0x4340000000000001),
        ("4.9e-324", 0x0000000000000001),
        ("-2.2790121708605243e274", 0xF8E510617311D8A4),
    ],
)
def test_the_model_reads_as_serde_json_does(text: str, bits: int) -> None:
    """What serde_json 1.0.154 gives. The first was seen on a server: one too much."""
    assert struct.pack(">d", read_float(text)).hex() == f"{bits:016x}"


def test_a_number_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        read_float("1e400")


@pytest.mark.parametrize("op", ["==", "<", "<=", ">", ">="])
def test_every_bound_arrives_as_it_was_meant(op: str) -> None:
    rng = random.Random(9)
    holds = {
        "==": lambda a, b: a == b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }[op]
    ends = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }
    extremes = [1.7e308, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 2**63 - 1, -(2**63), 0, 1]
    for value in [*extremes, *(_any_float(rng) for _ in range(20_000))]:
        for bound in (*halves(value), LEAST):
            asked = models.Range(**Number(("k",), "high", op, bound).limits)  # type: ignore[arg-type]
            read = load(asked.model_dump_json(exclude_none=True))
            for near in range(bound - 2, bound + 3):
                assert all(ends[end](near, limit) for end, limit in read.items()) == holds(near, bound), (value, bound)


@given(floats | st.integers(-(2**53), 2**53).map(float) | st.decimals(-(10**7), 10**7, places=6).map(float))
def test_what_is_kept_as_a_plain_number_is_read_right(value: float) -> None:
    if survives(value):
        assert read_float(repr(value)) == value
        assert load(models.Range(gte=value).model_dump_json(exclude_none=True))["gte"] == value


@given(floats)
def test_metadata_survives_the_server_s_reader(value: float) -> None:
    payload = load(json.dumps(encode_payload("i", None, {"k": value, "l": [value], "d": {"k": value}}, {})))
    assert decode_metadata(payload) == {"k": value, "l": [value], "d": {"k": value}}
    assert (payload["high"]["k"], payload.get("low", {}).get("k", 0)) == halves(value)


def test_vectors_are_sent_and_read_bit_for_bit() -> None:
    """All float32 were tried: none is sent wrong, and one is read wrong that is rounded twice."""
    bits = np.random.default_rng(4).integers(0, 0x7F80_0000, 20_000, dtype=np.uint32)
    given = np.concatenate([bits, bits | 0x8000_0000, [0x15AE43FD, 0x95AE43FD, 1]]).astype(np.uint32).view(np.float32)
    sent = [read_float(repr(number)) for number in given.tolist()]
    answered = [float(str(number)) for number in np.array(sent, np.float32)]
    back = stacked([answered], len(given))
    assert (back[0].view(np.uint32) == given.view(np.uint32)).all()
