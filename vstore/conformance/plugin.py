"""The pytest plugin: the options of the suite and its report. It does nothing in other test runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from vstore.conformance.report import Outcome, Report
    from vstore.conformance.session import Session, Target

__all__ = ["Hooks", "Reporter"]

PACKAGE: Final = "vstore.conformance"

pytest.register_assert_rewrite(f"{PACKAGE}.checks")


class Hooks:
    """The hook that this plugin adds."""

    @pytest.hookspec
    def pytest_vstore_connected(self, session: Session) -> None:
        """Called when the suite has connected to a store."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declares ``Hooks``."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the suite's options."""
    group = parser.getgroup("vstore", "vstore conformance suite")
    group.addoption(
        "--vstore-url", action="append", default=[], metavar="URL", help="a store to test; may be given more than once"
    )
    group.addoption(
        "--vstore-mode", choices=("sync", "async", "both"), default="both", help="which form of the library (both)"
    )
    group.addoption(
        "--vstore-filters", type=int, default=2000, metavar="N", help="generated filters for each store (2000)"
    )
    group.addoption(
        "--vstore-sequences", type=int, default=200, metavar="N", help="generated sequences of calls for each (200)"
    )
    group.addoption(
        "--vstore-hybrid", type=int, metavar="N", help="generated hybrid questions for each (half as many as filters)"
    )
    group.addoption("--vstore-seed", type=int, default=0, metavar="N", help="seed of what is generated (0)")
    group.addoption(
        "--vstore-clause", action="append", default=[], metavar="ID", help="only the tests of this clause, e.g. UPD-2"
    )
    group.addoption("--vstore-report", metavar="FOLDER", help="write a report for each store into this folder")


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker that names a test's clauses; counts outcomes where a report is wanted."""
    config.addinivalue_line("markers", "clause(*ids): the clauses of the vstore contract that a test checks")
    config.addinivalue_line("markers", "many_filters: asks hundreds of filters, which takes long where none is indexed")
    config.addinivalue_line("markers", "much: compares many records, or the answers to many questions")
    if config.getoption("--vstore-report"):
        config.pluginmanager.register(Reporter(Path(config.getoption("--vstore-report"))))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Chooses by clause, and hands each test's clauses on to its reports."""
    mine = [item for item in items if item.get_closest_marker("clause")]
    if any(_shipped(item) for item in mine):
        if not config.getoption("--vstore-url"):
            raise pytest.UsageError(
                "the vstore conformance suite needs a store: pass --vstore-url URL, for example --vstore-url memory:"
            )
        if not __debug__:
            raise pytest.UsageError("the vstore conformance suite decides by assert: run Python without -O")
    wanted = set(config.getoption("--vstore-clause"))
    if wanted:
        dropped = {item for item in mine if not wanted & set(_clauses(item))}
        config.hook.pytest_deselected(items=list(dropped))
        items[:] = [item for item in items if item not in dropped]
    for item in mine:
        item.user_properties.append(("vstore_clauses", _clauses(item)))
        if (target := _target(item)) is not None:
            item.user_properties.append(("vstore_target", target.name))


def _shipped(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and item.module.__name__.startswith(f"{PACKAGE}.")


def _target(item: pytest.Item) -> Target | None:
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        target: Any = item.callspec.params.get("target")  # see fixtures.spread
        return target if hasattr(target, "url") else None  # pytest's placeholder where there is no store at all
    return None


def _clauses(item: pytest.Item) -> list[str]:
    return [name for mark in item.iter_markers("clause") for name in mark.args]


class Reporter:
    """Makes one report for each target from what pytest tells."""

    def __init__(self, folder: Path | None = None, on_test: Callable[[str, Outcome], None] | None = None) -> None:
        """Args say where reports go and who hears of each test.

        Args:
            folder: Where to write the reports at the end, as ``NAME.json``.
            on_test: Called after each test with its name and outcome.
        """
        self.reports: dict[str, Report] = {}
        self.planned = 0
        self._folder = folder
        self._on_test = on_test
        self._mode = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learns what will run."""
        from vstore.conformance.report import Report
        from vstore.conformance.session import shown

        self._mode = session.config.getoption("--vstore-mode")
        self.planned = len(session.items)
        for item in session.items:
            target = _target(item)
            if target is not None and target.name not in self.reports:
                self.reports[target.name] = Report(url=shown(target.url) if target.url else "", mode=self._mode)

    def pytest_vstore_connected(self, session: Session) -> None:
        """Takes in the capability record."""
        from vstore.conformance.session import shown

        report = self.reports[session.target.name]
        report.url = shown(session.target.url)
        report.describe(session.store.capabilities)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts one outcome."""
        properties = dict(report.user_properties)
        if properties.get("vstore_target") not in self.reports or (report.when != "call" and not report.failed):
            return  # none of the suite's, or a worker of pytest-xdist counts it
        outcome: Outcome = "failed" if report.failed else "no" if "vstore_no" in properties else "passed"
        clauses: Sequence[str] = properties["vstore_clauses"]  # type: ignore[assignment]  # set above
        target = str(properties["vstore_target"])
        self.reports[target].count(report.nodeid, list(clauses), outcome, _short(report) if report.failed else "")
        if self._on_test is not None:
            self._on_test(report.nodeid, outcome)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Takes in what a worker of pytest-xdist counted."""
        from vstore.conformance.report import Report

        for name, text in getattr(node, "workeroutput", {}).get(PACKAGE, {}).items():
            counted = Report.from_json(text)
            if name in self.reports:
                self.reports[name].merge(counted)
            else:
                self.reports[name] = counted

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the reports; a worker of pytest-xdist hands them over."""
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output[PACKAGE] = {name: report.to_json() for name, report in self.reports.items() if report.backend}
        elif self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, report in self.reports.items():
                safe = "".join(c if c.isalnum() or c in "-._" else "_" for c in name)
                (self._folder / f"{safe}.json").write_text(report.to_json(), encoding="utf-8")


def _short(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    return text if len(text) <= 2000 else text[:2000] + " …"
