"""One table of a benchmark: printed, and with ``--out DIR`` also as JSON and as a picture of its ratios."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Row", "add_out", "report"]


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        case: What is compared, such as a backend with an index.
        what: Which work.
        theirs: Seconds that the other side takes; None where it cannot do it.
        ours: Seconds that vstore takes.
        bar: The least ratio that is wanted, or None.
        floor: Seconds of the same work with the same guarantees, written by hand; None where nobody wrote it.
    """

    case: str
    what: str
    theirs: float | None
    ours: float
    bar: float | None = None
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """Above 1 vstore is faster; None without another side."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def of_floor(self) -> float | None:
        """Likewise beside the work by hand."""
        return None if self.floor is None else self.floor / self.ours

    @property
    def is_within(self) -> bool:
        """Whether the bar is met beside either, which is so where there is none."""
        found = [ratio for ratio in (self.ratio, self.of_floor) if ratio is not None]
        return self.bar is None or not found or max(found) >= self.bar


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of the files."""
    parser.add_argument("--out", type=Path, help="a folder for the table as JSON and, with the extra bench, as PNG")


def report(name: str, title: str, versus: str, rows: list[Row], out: Path | None, ours: str = "vstore") -> None:
    """Print a table, and write it where that is asked.

    Args:
        name: Of the files, without suffix.
        title: What was measured.
        versus: What the other side is called.
        rows: The comparisons.
        out: The folder, which is made where it is missing; None writes nothing.
        ours: What this side is called.
    """
    table = Table("case", "what", title=title)
    has_floors = any(row.floor is not None for row in rows)
    floors = ("by hand", f"by hand / {ours}") if has_floors else ()
    for heading in (versus, *floors[:1], ours, f"{versus} / {ours}", *floors[1:]):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        times = (row.theirs, row.floor, row.ours) if has_floors else (row.theirs, row.ours)
        ratios = (row.ratio, row.of_floor) if has_floors else (row.ratio,)
        shown = ["" if one is None else _shown(one) for one in times]
        shown += ["" if one is None else f"{one:.2f}" for one in ratios]
        table.add_row(row.case, row.what, *shown, "" if row.is_within else f"below {row.bar:.2f}")
    Console(width=120).print(table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        found = [{**asdict(row), "ratio": row.ratio, "of_floor": row.of_floor, "within": row.is_within} for row in rows]
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        text = json.dumps(
            {"title": title, "versus": versus, "ours": ours, **machine, "rows": found}, indent=2, ensure_ascii=False
        )
        (out / f"{name}.json").write_text(text + "\n")
        _draw(out / f"{name}.png", title, versus, {row: row.ratio for row in rows if row.ratio is not None})


def _shown(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1000:.3g} ms"


def _draw(path: Path, title: str, versus: str, compared: dict[Row, float]) -> None:
    from matplotlib.figure import Figure

    rows, ratios = list(compared), list(compared.values())
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    colours = ["tab:blue" if row.is_within else "tab:orange" for row in rows]
    names, beyond = [f"{row.case}: {row.what}" for row in rows], [ratio - 1.0 for ratio in ratios]
    bars = axes.barh(names, beyond, left=1.0, color=colours)  # twice and half as fast are bars of one length
    axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=3)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}")
    axes.set_xlim(min(0.5, 0.8 * min(ratios)), max(2.0, 1.25 * max(ratios)))
    axes.invert_yaxis()
    axes.set_xlabel(f"{versus} / vstore: to the right of 1 vstore is faster")
    axes.set_title(title)
    figure.savefig(path, dpi=120)
