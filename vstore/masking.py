"""Secrets in the texts of errors: masked where they can come from, which is what others have said.

A password may be a word, such as ``Milvus`` for a user ``root``. Where vstore's own constant texts use that word they
tell nobody anything, and masking it there would spoil them.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["mask", "said_by_others"]

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
    patterns = [re.compile(rf"(?<!\w){re.escape(form)}(?!\w)") for form in _forms(words)]
    pieces: list[str] = []
    end = 0
    for start, stop in _spans(text, others):
        part = text[start:stop]
        for pattern in patterns:
            part = pattern.sub(_MASK, part)
        pieces += [text[end:start], part]
        end = stop
    return "".join([*pieces, text[end:]])


def said_by_others(error: BaseException | None) -> list[str]:
    """The texts of all exceptions in a chain that are not vstore's own."""
    found: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if not hasattr(error, "redact"):
            values = [*error.args, *getattr(error, "__dict__", {}).values()]
            found += [_text(error), *(value for value in values if isinstance(value, str))]
        error = error.__cause__ or error.__context__
    return found


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # it is the client's code
        return ""


def _forms(secrets: Iterable[str]) -> list[str]:
    """What clients make of a secret: in a URL, in a quoted text, in a header; the longest first."""
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
