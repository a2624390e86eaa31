"""The reports of a comparison and of a copy: data classes with a JSON form and an exit code."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from vstore.errors import BackendError
from vstore.transfer.loss import Loss

__all__ = ["EmbeddingFigures", "Report", "SearchAgreement", "Status", "Verification", "VerifyMode"]

_NAMED: Final = 10


class VerifyMode(StrEnum):
    """How much a verification reads."""

    FULL = "full"
    """Everything."""
    SAMPLE = "sample"
    """All ids, and some records whole."""
    NONE = "none"
    """Nothing."""


@dataclass(slots=True)
class SearchAgreement:
    """Whether both sides find the same.

    Attributes:
        queries: How many queries were asked, without a filter and, if there was one, with. Of named fields without.
        k: Hits of each.
        exact_disagreements: Exact queries whose hits differ by more than ties. Records at equal distances may
            change places.
        filter: The filter, in its dict form, or None if no metadata offered one.
        recall: Share of the true nearest that approximate queries found, by side, without and with the filter; None
            where there was no filter. A named field stands behind the side: ``"left image"``.
    """

    queries: int
    k: int
    exact_disagreements: int = 0
    filter: dict[str, Any] | None = None
    recall: dict[str, float | None] = field(default_factory=dict)


@dataclass(slots=True)
class Verification:
    """What a comparison of two sources found.

    Attributes:
        mode: How much was read.
        compared: Records whose columns were compared.
        rows: Records of the left and of the right.
        missing: Records of the left that the right lacks.
        extra: Records of the right that the left lacks.
        doubled: Records that one side gives more than once.
        vectors: Records whose vectors differ.
        documents: Records whose documents differ.
        metadatas: Records whose metadata differ, in a value or in a type.
        fields: For each named field that both sides have, the records whose vectors of it differ.
        examples: Some of the ids concerned.
        exactness: The class by which vectors were compared.
        bitwise: Whether all vectors compared are equal bit for bit.
        digest: The digest of all records, where both sides have the same; else None.
        confidence: What a sample that shows no difference is worth, in words; empty where everything was read.
        excluded: Rejected records, which were left out of the comparison.
        settings: What differs of the collections themselves (index, metric, user metadata, …), in words.
        comparable: Whether dimension and metric agree, those of named fields included; if not, no record was read, and
            the two are not equal.
        search_agreement: Whether both sides find the same; None where they were not asked.
        not_compared: What one side has that is not read, and so was not compared.
        unequal: The names among these that were not allowed: with them the two are not equal.
        notes: What else is to be known, in words, as of a filter that nothing matches.
    """

    mode: VerifyMode
    exactness: str
    compared: int = 0
    rows: tuple[int, int] = (0, 0)
    missing: int = 0
    extra: int = 0
    doubled: int = 0
    vectors: int = 0
    documents: int = 0
    metadatas: int = 0
    examples: list[str] = field(default_factory=list)
    bitwise: bool = True
    digest: str | None = None
    confidence: str = ""
    excluded: int = 0
    settings: list[str] = field(default_factory=list)
    comparable: bool = True
    search_agreement: SearchAgreement | None = None
    not_compared: list[Loss] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fields: dict[str, int] = field(default_factory=dict)

    @property
    def differences(self) -> int:
        """How many differences were found in what is stored."""
        counted = self.missing + self.extra + self.doubled + self.vectors + self.documents + self.metadatas
        return counted + sum(self.fields.values())

    @property
    def equal(self) -> bool:
        """Whether no record differs, exact queries agree, and what was not compared is accepted.

        Another index or user metadata is no difference here.
        """
        agree = self.search_agreement is None or not self.search_agreement.exact_disagreements
        return self.comparable and not self.differences and agree and not self.unequal

    def name(self, ids: list[str]) -> None:
        """Takes some ids as examples."""
        self.examples += ids[: max(0, _NAMED - len(self.examples))]

    def lines(self) -> list[str]:
        """What was found, for people."""
        left, right = self.rows
        said = [f"{self.compared:,} records compared, {left:,} and {right:,} there; vectors {self.exactness}"]
        for number, what in (
            (self.missing, "missing on the right"),
            (self.extra, "only on the right"),
            (self.doubled, "there twice"),
            (self.vectors, "with other vectors"),
            (self.documents, "with other documents"),
            (self.metadatas, "with other metadata"),
            *((number, f"with other vectors of {name!r}") for name, number in self.fields.items()),
            (self.excluded, "rejected by the target, and left out"),
        ):
            if number:
                said.append(f"{number:,} {what}")
        if self.examples:
            said.append(f"for example {', '.join(map(repr, self.examples))}")
        said += self.settings
        said += self.notes
        said += [f"not compared: {loss.kind}: {loss.text}" for loss in self.not_compared]
        if self.digest:
            said.append(f"digest {self.digest}")
        if self.confidence:
            said.append(self.confidence)
        if self.search_agreement is not None:
            recall = ", ".join(
                f"{name} {'none' if r is None else f'{r:.3f}'}" for name, r in self.search_agreement.recall.items()
            )
            wrong = self.search_agreement.exact_disagreements
            agree = f"{wrong} exact queries disagree" if wrong else "exact queries agree"
            said.append(f"{agree}; recall@{self.search_agreement.k} of approximate ones: {recall}")
        return said

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {"equal": self.equal, **asdict(self)}

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)


class Status(StrEnum):
    """How a copy ended."""

    PLANNED = "planned"
    """A dry run: nothing was written."""
    VERIFIED = "verified"
    """Copied, and compared: nothing differs."""
    COPIED = "copied"
    """Copied; a comparison was not asked for."""
    DIFFERENT = "different"
    """Copied, but the comparison found differences."""
    REJECTED = "rejected"
    """The target has rejected records. The others are copied, or the run ended with too many."""
    INCOMPLETE = "incomplete"
    """Interrupted or failed; the same call resumes."""
    FAILED = "failed"
    """Failed, and not resumable."""
    REFUSED = "refused"
    """One of several collections, of which nothing was written: a loss that is not allowed, or a wrong option."""


_EXIT: Final = {
    Status.PLANNED: 0,
    Status.VERIFIED: 0,
    Status.COPIED: 0,
    Status.FAILED: 1,
    Status.REFUSED: 2,
    Status.DIFFERENT: 3,
    Status.INCOMPLETE: 4,
    Status.REJECTED: 5,
}


@dataclass(slots=True)
class EmbeddingFigures:
    """What embedding the texts of a copy takes: in a dry run the estimate, after a copy what this run did.

    Attributes:
        embedder: Name of the embedder.
        dimension: Of the target.
        metric: Of the target.
        texts: Records with a text.
        embedded: Texts that the embedder is asked for, each once.
        characters: Characters of these.
        calls: Requests to an endpoint, or batches of another embedder, in which it is asked. Repeated requests count
            once. With several workers two chunks may share a text, and the number depend on which comes first.
        cached: Records whose vector is in the cache when its turn comes, also as that of an earlier record.
        without_text: Records without a text.
        examples: The ids of some of these.
    """

    embedder: str
    dimension: int
    metric: str
    texts: int = 0
    embedded: int = 0
    characters: int = 0
    calls: int = 0
    cached: int = 0
    without_text: int = 0
    examples: list[str] = field(default_factory=list)

    def line(self) -> str:
        """What was embedded, for people."""
        said = (
            f"{self.texts:,} texts for {self.embedder}, {self.dimension:,} dimensions, {self.metric}: "
            f"{self.embedded:,} embedded ({self.characters:,} characters, {self.calls:,} calls), "
            f"{self.cached:,} from the cache"
        )
        if self.without_text:
            said += f"; {self.without_text:,} records have no text, for example {', '.join(map(repr, self.examples))}"
        return said


@dataclass(slots=True)
class Report:
    """What a copy did.

    Attributes:
        source: Identity of the source, or what kind of store it is.
        target: Likewise.
        collection: Name of the collection in the source.
        status: How it ended.
        resumed: Whether it resumed an earlier run.
        planned: Records of the plan.
        chunks: Pieces of work of the plan.
        copied: Records that the target has acknowledged, in all runs.
        size: Bytes of them, as hashed.
        digest: The order-independent digest of what was sent and acknowledged.
        rejected: Records that the target has rejected.
        rejected_file: The file they are in, or empty.
        checkpoint: The file of the checkpoint, or empty.
        retries: Calls retried in this run.
        losses: What the target does not have as the source has it, each allowed, or chosen by name.
        plan: Of a dry run, what the source is like, the target's limits, and estimates.
        verification: What the comparison found.
        embedding: What embedding takes, where texts are embedded anew.
        notes: What else is to be known, in words, as of a filter that nothing matches.
        error: What ended the run, in words; empty if nothing did.
        seconds: How long this run took, by phase.
        target_collection: Name of the collection in the target, where the copy was one of a location's collections.
        mapping: Likewise, how it was read if vstore did not create it, as plain data.
    """

    source: str
    target: str
    collection: str
    status: Status = Status.FAILED
    resumed: bool = False
    planned: int = 0
    chunks: int = 0
    copied: int = 0
    size: int = 0
    digest: str = ""
    rejected: int = 0
    rejected_file: str = ""
    checkpoint: str = ""
    retries: int = 0
    losses: list[Loss] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    verification: Verification | None = None
    notes: list[str] = field(default_factory=list)
    error: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    target_collection: str = ""
    mapping: dict[str, Any] | None = None
    embedding: EmbeddingFigures | None = None

    @property
    def exit_code(self) -> int:
        """0 verified or copied, 1 failed, 2 refused, 3 different, 4 incomplete and resumable, 5 records rejected.

        Of a dry run 0, or 2 where its plan has problems, which no option gets over.
        """
        if self.status is Status.PLANNED and self.plan is not None and self.plan.get("problems"):
            return _EXIT[Status.REFUSED]
        return _EXIT[self.status]

    def check(self) -> None:
        """Raises ``BackendError`` where the copy did not end well."""
        if self.exit_code:
            raise BackendError(f"the copy ended as {self.status.value}: {self.error or 'see the report'}")

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain data."""
        found = {"exit_code": self.exit_code, **asdict(self)}
        return found | {"verification": None if self.verification is None else self.verification.as_dict()}

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)
