"""The names that collections get in a target: rules that are told before anything is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vstore.errors import InvalidInput, brief
from vstore.wording import did_you_mean

__all__ = ["NameRules", "check_natives", "target_names"]

_SHOWN: Final = 20
_HINT: Final = (
    "Pass --rename PATTERN=REPLACEMENT, as --rename '[^A-Za-z0-9]+=_' --rename '^(?=[0-9])=c_', "
    "or --name-map FILE with a name for each."
)

_RENAMED: Final = (
    "Pass --rename PATTERN=REPLACEMENT, as --rename '[^A-Za-z0-9-]+=_', or --name-map FILE with other names, or false "
    "for what is to stay."
)


@dataclass(frozen=True, slots=True)
class NameRules:
    """How the name of a collection becomes that of its copy.

    Attributes:
        names: The name in the target of each collection named here; None leaves the collection out.
        renames: For all others: every match of a pattern is replaced, one rule after the other.
    """

    names: Mapping[str, str | None] = field(default_factory=dict)
    renames: tuple[tuple[re.Pattern[str], str], ...] = ()

    @classmethod
    def of(cls, renames: Iterable[str] = (), names: Mapping[str, Any] | None = None) -> NameRules:
        """Makes rules of texts.

        Args:
            renames: ``PATTERN=REPLACEMENT`` each: a regular expression of Python, and what ``re.sub`` takes. The last
                ``=`` parts the two, since no name has one.
            names: As ``names``; ``False`` stands for None, which TOML does not have.

        Raises:
            InvalidInput: A rule that is not legal.
        """
        rules: list[tuple[re.Pattern[str], str]] = []
        for text in renames:
            pattern, sign, replacement = text.rpartition("=")
            if not sign or not pattern:
                raise InvalidInput(f"--rename takes PATTERN=REPLACEMENT, not {text!r}")
            try:
                compiled = re.compile(pattern)
                compiled.sub(replacement, "")
            except (re.error, IndexError, RecursionError, OverflowError) as error:
                raise InvalidInput(f"--rename: {text!r} is no rule: {error}") from error
            rules.append((compiled, replacement))
        for name, value in (names or {}).items():
            if value is not None and value is not False and (type(value) is not str or not value):
                raise InvalidInput(
                    f"--name-map: the name for {name!r} must be a text, not {brief(value)}",
                    hint="Write false to leave a collection out.",
                )
        return cls({name: value or None for name, value in (names or {}).items()}, tuple(rules))

    def __bool__(self) -> bool:
        return bool(self.names or self.renames)

    def target_name(self, name: str) -> str | None:
        """Return the name in the target; None for a collection that is left out."""
        if name in self.names:
            return self.names[name]
        for pattern, replacement in self.renames:
            name = pattern.sub(replacement, name)
        return name


def target_names(names: Sequence[str], rules: NameRules, check: Callable[[str], object]) -> dict[str, str]:
    """Return the name in the target of each collection that is not left out.

    Args:
        names: The collections of the source.
        rules: How their names become those of the target.
        check: Raises ``InvalidInput`` for a name that the target does not take.

    Raises:
        InvalidInput: Names that the target does not take, several collections of one name, or a name in the map that
            no collection has. The error lists all of them.
    """
    if unknown := [name for name in rules.names if name not in names]:
        raise InvalidInput(
            f"--name-map names collections that there are not: {_listed(unknown)}", hint=did_you_mean(unknown[0], names)
        )
    found = {name: target for name in names if (target := rules.target_name(name)) is not None}
    refused: list[str] = []
    for name, target in found.items():
        try:
            check(target)
        except InvalidInput:
            refused.append(repr(name) if name == target else f"{name!r} (as {target!r})")
    if refused:
        raise InvalidInput(
            f"the target takes no collections of the names {_listed(refused, shown=str)}; nothing was written",
            hint=f"A name is 3 to 48 of A-Z a-z 0-9 _, beginning with a letter. {_HINT}",
        )
    by_target: dict[str, list[str]] = {}
    for name, target in found.items():
        by_target.setdefault(target, []).append(name)
    several = {target: sources for target, sources in by_target.items() if len(sources) > 1}
    if several:
        told = "; ".join(f"{target!r} from {_listed(sources)}" for target, sources in [*several.items()][:_SHOWN])
        raise InvalidInput(
            f"several collections would have one name in the target: {told}; nothing was written",
            hint="Name one of them in --name-map FILE, or change the pattern of --rename.",
        )
    return found


def check_natives(targets: Mapping[str, Callable[[], str]]) -> None:
    """Raises ``InvalidInput`` for collections without a name of their own in the database; it lists all of them.

    Args:
        targets: What tells the name in the database, or raises ``InvalidInput``, by the name in the target.
    """
    refused: list[str] = []
    by_native: dict[str, list[str]] = {}
    for name, native in targets.items():
        try:
            by_native.setdefault(native(), []).append(name)
        except InvalidInput as error:
            told, hint = error.message, error.hint
            refused.append(name)
    if refused:
        raise InvalidInput(f"{told}: {_listed(refused)}; nothing was written", hint=f"{hint} {_RENAMED}")
    if several := {native: names for native, names in by_native.items() if len(names) > 1}:
        told = "; ".join(f"{native!r} from {_listed(names)}" for native, names in [*several.items()][:_SHOWN])
        raise InvalidInput(
            f"several collections would be one in the database: {told}; nothing was written",
            hint=_RENAMED,
        )


def _listed(names: Sequence[str], shown: Callable[[str], str] = repr) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(shown, names[:_SHOWN])) + more
