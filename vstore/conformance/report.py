"""What a run of the suite found on one store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import vstore
from vstore.capabilities import Capabilities
from vstore.conformance.clauses import CLAUSES

__all__ = ["ClauseResult", "Failure", "FeatureResult", "Outcome", "Report"]

Outcome = Literal["passed", "failed", "no"]


@dataclass(slots=True)
class ClauseResult:
    """How the tests of one clause ended.

    Attributes:
        passed: Tests that passed.
        failed: Tests that failed.
        no: Tests that passed by seeing a feature refused that the store declares NO.
    """

    passed: int = 0
    failed: int = 0
    no: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed test: its name, its clauses and the end of what it said."""

    test: str
    clauses: list[str]
    text: str


@dataclass(frozen=True, slots=True)
class FeatureResult:
    """One feature of the capability record in plain JSON terms."""

    support: str
    note: str


@dataclass(slots=True, kw_only=True)
class Report:
    """A run of the suite on one store.

    Attributes:
        url: The store's URL with every secret hidden.
        mode: ``"sync"``, ``"async"`` or ``"both"``.
        suite_version: Version of vstore.
        backend: The adapter's name; empty where no connection was made. The next three likewise.
        reached: ``"memory"``, ``"embedded"`` or ``"server"``.
        server_version: The database's version.
        client_version: The client library's version.
        limits: The limits as numbers.
        features: The capability record, feature by feature.
        clauses: Outcomes by clause id, every clause of the contract present.
        failures: The failed tests.
        trouble: What kept the suite from running at all; empty where it ran.
    """

    url: str
    mode: str
    suite_version: str = vstore.__version__
    backend: str = ""
    reached: str = ""
    server_version: str = ""
    client_version: str = ""
    limits: dict[str, int] = field(default_factory=dict)
    features: dict[str, FeatureResult] = field(default_factory=dict)
    clauses: dict[str, ClauseResult] = field(default_factory=lambda: {name: ClauseResult() for name in CLAUSES})
    failures: list[Failure] = field(default_factory=list)
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """Whether tests ran and none failed."""
        ran = sum(result.passed + result.no for result in self.clauses.values())
        return not self.trouble and not self.failures and ran > 0

    def describe(self, capabilities: Capabilities) -> None:
        """Takes in what the live connection says of itself."""
        self.backend = capabilities.backend
        self.reached = capabilities.mode
        self.server_version = capabilities.server_version
        self.client_version = capabilities.client_version
        self.limits = asdict(capabilities.limits)
        self.features = {name: FeatureResult(f.support.value, f.note) for name, f in capabilities.features()}

    def count(self, test: str, clauses: list[str], outcome: Outcome, text: str) -> None:
        """Takes in how one test ended."""
        for name in clauses:
            result = self.clauses[name]
            setattr(result, outcome, getattr(result, outcome) + 1)
        if outcome == "failed":
            self.failures.append(Failure(test, clauses, text))

    def merge(self, other: Report) -> None:
        """Takes in another part of the same run on the same store."""
        for name, result in other.clauses.items():
            mine = self.clauses[name]
            mine.passed, mine.failed, mine.no = (
                mine.passed + result.passed,
                mine.failed + result.failed,
                mine.no + result.no,
            )
        self.failures += other.failures

    def to_json(self) -> str:
        """JSON that ``from_json`` reads."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``."""
        data: dict[str, Any] = json.loads(text)
        data["features"] = {name: FeatureResult(**value) for name, value in data["features"].items()}
        data["clauses"] = {name: ClauseResult(**value) for name, value in data["clauses"].items()}
        data["failures"] = [Failure(**value) for value in data["failures"]]
        return cls(**data)

    def to_markdown(self) -> str:
        """A page for people: the verdict, clause by clause, and every failure."""
        verdict = self.trouble or ("conforms" if self.passed else f"{len(self.failures)} tests failed")
        versions = f"server {self.server_version or '-'}, client {self.client_version or '-'}"
        lines = [
            f"# {self.backend or 'store'}: {verdict}",
            "",
            f"`{self.url}` ({self.reached or 'not reached'}; {versions}), {self.mode}, vstore {self.suite_version}",
            "",
            "| clause | | passed | failed | declared NO |",
            "|---|---|---:|---:|---:|",
            *(
                f"| {name} | {CLAUSES.get(name, '')} | {result.passed} | {result.failed} | {result.no} |"
                for name, result in self.clauses.items()
            ),
        ]
        for failure in self.failures:
            lines += ["", f"## {failure.test} ({', '.join(failure.clauses)})", "", "```", failure.text, "```"]
        return "\n".join(lines) + "\n"
