"""How results show themselves: in one bounded line, and as a table in notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

__all__ = ["columns", "field", "html_table", "listing"]

_TEXT: Final = 60
_NAMED: Final = 3
_ROWS: Final = 20


def field(value: object) -> str:
    """Return one value in at most about 60 characters: an array by its shape, a long text or dict cut."""
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {'×'.join(map(str, value.shape))}>"
    if isinstance(value, str):
        return repr(value) if len(value) <= _TEXT else f"{value[:_TEXT]!r}…"
    text = repr(value)
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"


def listing(ids: Sequence[str]) -> str:
    """Return the number of records and the first three ids, e.g. ``1,000 records: 'a', 'b', 'c', …``."""
    named = ", ".join(field(one) for one in ids[:_NAMED])
    more = ", …" if len(ids) > _NAMED else ""
    head = f"{len(ids):,} record{'' if len(ids) == 1 else 's'}"
    return f"{head}: {named}{more}" if ids else head


def columns(values: Mapping[str, object]) -> str:
    """Return the columns of one record that were fetched, each led by a comma, e.g. ``, document='x'``."""
    return "".join(f", {name}={field(value)}" for name, value in values.items() if value is not None)


def html_table(columns: Mapping[str, Any], total: int) -> str:
    """Return an HTML table of the first 20 rows; columns that are None are left out, every text is escaped.

    Args:
        columns: Heading to values, a list or an array.
        total: How many rows there are.
    """
    shown = {name: values for name, values in columns.items() if values is not None}
    from html import escape  # with its table of names 2 ms, which importing vstore does not need

    head = "".join(f"<th>{escape(name)}</th>" for name in shown)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(values[row]))}</td>" for values in shown.values()) + "</tr>"
        for row in range(min(total, _ROWS))
    )
    rest = f"<p>{total - _ROWS:,} more</p>" if total > _ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}…"
    return "" if value is None else field(value)
