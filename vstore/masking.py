"""Secrets in the texts of errors: masked where they can come from, which is what others have said.

A password may be a word, such as ``Milvus`` for a user ``root``. Where vstore's own constant texts use that word they
tell nobody anything, and masking it there would spoil them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

__all__ = ["chained", "mask", "mask_others", "said_by_others"]

_MASK: Final = "***"
_WORD: Final = re.compile(r"[^\W\d_]{1,20}|\d{1,20}|.{1,3}", re.DOTALL)
_CUTS: Final = (None, 500, 300, 200)  # where adapters cut what a client says
_LEAST: Final = 12  # characters of a part by which others' words are found again


def mask(text: str, secrets: Sequence[str], others: Sequence[str]) -> str:
    """``text`` without the secrets, in whatever form.

    Args:
        text: Of an error.
        secrets: What is not to be shown. One that could be a word of vstore's own is masked in what others said only.
        others: What others said, of which ``text`` may hold a part.
    """
    words = [secret for secret in secrets if _WORD.fullmatch(secret)]
    for form in _forms(secret for secret in secrets if secret not in words):
        text = text.replace(form, _MASK)
    if not words or not others:
        return text
    patterns = _standing_alone(words)
    pieces: list[str] = []
    end = 0
    for start, stop in _spans(text, others):
        pieces += [text[end:start], _without(text[start:stop], patterns)]
        end = stop
    return "".join([*pieces, text[end:]])


def chained(error: BaseException) -> list[BaseException]:
    """An error and all that it chains, groups taken apart."""
    found: dict[int, BaseException] = {}
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in found:
            found[id(one)] = one
            todo += [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]
    return list(found.values())


def mask_others(chain: Sequence[BaseException], secrets: Sequence[str]) -> None:
    """Masks the secrets in the texts of those errors in a chain that are not vstore's own.

    A traceback prints them below vstore's, and what collects errors keeps their attributes. One that shows a secret all
    the same, because its text is made of something else, is replaced by a stand-in that tells its type.
    """
    others = _Others(secrets)
    for error in chain:
        for link in ("__cause__", "__context__"):
            inner, suppressed = getattr(error, link), error.__suppress_context__
            if inner is not None and not _is_own(inner) and not others.clean(inner):
                setattr(error, link, _stand_in(inner))
                error.__suppress_context__ = suppressed


class _Others:
    """What is not to be shown of errors that others raised."""

    def __init__(self, secrets: Sequence[str]) -> None:
        words = [secret for secret in secrets if _WORD.fullmatch(secret)]
        self._patterns = _standing_alone(words)
        self._forms = _forms(secret for secret in secrets if secret not in words)
        self._clean: dict[int, bool] = {}

    def clean(self, error: BaseException) -> bool:
        """Masks what an error holds; says whether nothing is left to be seen."""
        if id(error) not in self._clean:
            with suppress(Exception):  # it is the client's class, and may refuse
                error.args = tuple(map(self._masked, error.args))
            for name, value in list(getattr(error, "__dict__", {}).items()):
                if (masked := self._masked(value)) is not value:
                    with suppress(Exception):
                        setattr(error, name, masked)
            shown = [_text(error), *_shown(error), *map(str, getattr(error, "__notes__", ()))]
            inside = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
            members = [self.clean(one) for one in inside]
            self._clean[id(error)] = all(members) and all(self._masked(text) == text for text in shown)
        return self._clean[id(error)]

    def _masked(self, value: Any) -> Any:
        match value:
            case str():
                text = value
                for form in self._forms:
                    text = text.replace(form, _MASK)
                text = _without(text, self._patterns)
                return value if text == value else text
            case bytes():
                text = value.decode(errors="surrogateescape")
                masked = self._masked(text)
                return value if masked is text else masked.encode(errors="surrogateescape")
            case dict() if type(value) is dict:
                copy: Any = {key: self._masked(inner) for key, inner in value.items()}
            case list() | tuple() if type(value) in (list, tuple):
                copy = type(value)(map(self._masked, value))
            case _:
                return value
        return value if copy == value else copy


def _is_own(error: BaseException) -> bool:
    return hasattr(error, "redact")


def _shown(error: BaseException) -> list[str]:
    try:
        return [repr(error)]
    except Exception:  # noqa: BLE001  # it is the client's code
        return []


def _stand_in(error: BaseException) -> Exception:
    made = RuntimeError(f"{type(error).__module__}.{type(error).__qualname__}, whose text shows a secret")
    made.__traceback__ = error.__traceback__
    return made


def said_by_others(error: BaseException) -> list[str]:
    """The texts of all exceptions in a chain that are not vstore's own."""
    found: list[str] = []
    for one in chained(error):
        if not _is_own(one):
            values = [*one.args, *getattr(one, "__dict__", {}).values()]
            found += [_text(one), *(value for value in values if isinstance(value, str))]
    return found


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # it is the client's code
        return ""


def _standing_alone(words: Sequence[str]) -> list[re.Pattern[str]]:
    return [re.compile(rf"(?<!\w){re.escape(form)}(?!\w)") for form in _forms(words)]


def _without(text: str, patterns: Sequence[re.Pattern[str]]) -> str:
    for pattern in patterns:
        text = pattern.sub(_MASK, text)
    return text


def _forms(secrets: Iterable[str]) -> list[str]:
    """What clients make of a secret: in a URL, in a quoted text, in a header; the longest first."""
    from base64 import b64encode  # with urllib.parse what importing vstore does not need
    from urllib.parse import quote, quote_plus

    forms: set[str] = set()
    for secret in secrets:
        data = secret.encode(errors="surrogatepass")
        forms |= {
            secret,
            quote(data, safe=""),
            quote(data),
            quote_plus(data),
            repr(secret)[1:-1],
            ascii(secret)[1:-1],
            repr(data)[2:-1],
            json.dumps(secret)[1:-1],
            b64encode(data).decode(),
        }
    return sorted(filter(None, forms), key=len, reverse=True)


def _spans(text: str, others: Sequence[str]) -> list[tuple[int, int]]:
    """Where in ``text`` others' words are; all of it where they are not found again."""
    found: list[tuple[int, int]] = []
    for said in others:
        for whole in (said.strip(), " ".join(said.split())):
            for part in {whole[:cut] for cut in _CUTS} | set(whole.splitlines()):
                start = text.find(part) if len(part) >= min(_LEAST, len(whole)) > 0 else -1
                if start >= 0:
                    found.append((start, start + len(part)))
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(found) or [(0, len(text))]:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged
