"""Runs the suite on one store from a program: what ``vstore conform`` does."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from vstore.conformance.report import Outcome, Report
from vstore.conformance.session import shown
from vstore.core.connecting import connect
from vstore.core.settings import store_url
from vstore.errors import Unsupported

__all__ = ["Progress", "run"]

Progress = Callable[[int, int, str, Outcome], None]
_HERE = Path(__file__).parent
_ASSERTS_NEEDED = "the suite decides by assert statements, which Python runs without here"


def run(
    url: str,
    *,
    filters: int = 2000,
    sequences: int = 200,
    mode: Literal["sync", "async", "both"] = "both",
    seed: int = 0,
    clauses: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> Report:
    """Runs the suite on the store behind ``url``, in this process.

    It makes collections of its own names and removes them; others are not touched. No configuration and
    no pytest plugin of the place it is called from takes part, and nothing is printed.

    Args:
        url: The store; also its name in ``vstore.toml``.
        filters: How many generated filters to compare with the reference.
        sequences: How many generated sequences of calls.
        mode: Which form of the library.
        seed: Of what is generated.
        clauses: Only the tests of these clauses; all if empty.
        on_progress: Called after each test: number done, number in all, test, outcome.

    Returns:
        The report; ``report.passed`` is the verdict.

    Raises:
        Unsupported: pytest or pytest-timeout is not installed, or Python runs without assertions.
        VStoreError: The store cannot be connected to, as ``vstore.connect`` says it.
    """
    _check_needs()
    import pytest

    from vstore.conformance import plugin

    url = store_url(url)
    report = Report(url=shown(url), mode=mode)
    connect(url).close()  # what is wrong with the URL or the server is said once, not by every test
    done = 0

    def on_test(test: str, outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, reporter.planned, test, outcome)

    reporter = plugin.Reporter(on_test=on_test)
    arguments = [
        str(_HERE),
        f"-c={_HERE / 'pytest.ini'}",
        f"--rootdir={_HERE}",
        f"--confcutdir={_HERE}",
        "--import-mode=importlib",
        "-pno:cacheprovider",
        "-ppytest_timeout",  # nothing loads by itself, see _alone
        f"--vstore-url={url}",
        f"--vstore-filters={filters}",
        f"--vstore-sequences={sequences}",
        f"--vstore-mode={mode}",
        f"--vstore-seed={seed}",
        *(f"--vstore-clause={name}" for name in clauses),
    ]
    printed = io.StringIO()
    with _alone(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = pytest.main(arguments, plugins=[plugin, reporter])
    for found in reporter.reports.values():
        report = found
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        said = printed.getvalue().replace(url, report.url)[-2000:]
        report.trouble = f"pytest ended with {pytest.ExitCode(code).name}: {said}"
    return report


def _check_needs() -> None:
    for module, package in (("pytest", "pytest"), ("pytest_timeout", "pytest-timeout")):
        if find_spec(module) is None:
            raise Unsupported(
                f"the suite needs {package}", hint="Install it with pip install 'vstore-db[conformance]'."
            )
    if not __debug__:
        raise Unsupported(_ASSERTS_NEEDED, hint="Run Python without -O and without PYTHONOPTIMIZE.")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keeps pytest from loading the plugins and options of its surroundings, and their time limits."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(before)
