"""The option ``--where`` of the commands."""

from __future__ import annotations

import json

from vstore.errors import InvalidInput
from vstore.filters.dictform import parse
from vstore.filters.tree import Filter

__all__ = ["read_filter"]


def read_filter(text: str | None) -> Filter | None:
    """A filter from its dict form in JSON; None where there is none.

    Raises:
        InvalidInput: It is no JSON, or no filter.
    """
    if text is None:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"--where is not JSON: {error}", hint='Write --where \'{"year": {"$gte": 2020}}\'.'
        ) from None
    if not isinstance(data, dict):
        raise InvalidInput(f"--where must be a JSON object, not {text!r:.80}")
    return parse(data)
