"""Texts to terms: words with their stems, and runs of Chinese, Japanese and Korean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from threading import local
from typing import Any, Final

from vstore.errors import BackendError, InvalidInput, brief
from vstore.optional import load

__all__ = ["CJK_FORMS", "Terms", "index_of"]

MODULUS: Final = 999_999_937
"""The largest prime below 10**9, which is as far as the indices of ``sparsevec`` in PostgreSQL go."""

CJK_FORMS: Final = ("bigrams", "jieba")

# Han, Hiragana, Katakana, Bopomofo and Hangul, by their blocks
_CJK: Final = (
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_ASCII: Final = re.compile("[a-z0-9]+")
_LAST_MARK: Final = 0x1FFFF  # the combining marks beyond select among glyphs


@dataclass(frozen=True, slots=True)
class Terms:
    """Turns a text into terms. Two of them with one ``name`` give one text the same terms.

    A text is brought into the Unicode form NFKC and case-folded. Its words are runs of letters and digits, each reduced
    to its stem. Runs of Chinese, Japanese and Korean characters have no spaces to go by: they become pairs of
    neighbouring characters, or words of a dictionary.

    Attributes:
        stemmer: A language of the Snowball stemmers, e.g. ``"english"``; None keeps words as they are.
        cjk: ``"bigrams"`` or ``"jieba"``.
        split: A function of the user's in place of all this: from a text to its terms.
        split_name: Names ``split``.
    """

    stemmer: str | None = "english"
    cjk: str = "bigrams"
    split: Callable[[str], Sequence[str]] | None = None
    split_name: str = ""

    @property
    def name(self) -> str:
        """Whatever changes the terms of a text, as options of an embedder's name."""
        if self.split is not None:
            return f"tokenizer={self.split_name}"
        return f"stemmer={self.stemmer or 'none'}&cjk={self.cjk}"

    def check(self) -> None:
        """Loads what it needs.

        Raises:
            InvalidInput: There is no such stemmer, or no such form.
            Unsupported: A package is not installed.
        """
        if self.split is not None:
            return
        if self.cjk not in CJK_FORMS:
            raise InvalidInput(f"cjk must be 'bigrams' or 'jieba', not {brief(self.cjk)}")
        if self.cjk == "jieba":
            _dictionary()
        if self.stemmer is not None:
            known = load("Stemmer", "bm25").algorithms()
            if self.stemmer not in known:
                raise InvalidInput(
                    f"there is no stemmer {brief(self.stemmer)}", hint=f"Pass None, or one of {', '.join(known)}."
                )

    def of(self, text: str) -> list[str]:
        """The terms of a text, in its order, repeated ones too."""
        if self.split is not None:
            return _checked(self.split_name, self.split(text))
        words, runs = _plain(text) if text.isascii() else _any(text)
        found = [term for run in runs for term in self._cut(run)]
        if self.stemmer is not None:
            words = _stemmer(self.stemmer).stemWords(words)
        return words + found

    def _cut(self, run: str) -> list[str]:
        if self.cjk == "jieba":
            return [word for word in _dictionary().cut_for_search(run) if not word.isspace()]
        return [run] if len(run) == 1 else [run[place : place + 2] for place in range(len(run) - 1)]


def _checked(name: str, terms: object) -> list[str]:
    listed = list(terms) if isinstance(terms, list | tuple) else None
    if listed is None or not all(isinstance(term, str) for term in listed):
        raise BackendError(f"the tokenizer {name!r} answered {brief(terms)} instead of a list of str")
    return listed


def _plain(text: str) -> tuple[list[str], list[str]]:
    return _ASCII.findall(text.lower()), []


def _any(text: str) -> tuple[list[str], list[str]]:
    """The words and the runs of CJK, each in their order."""
    words: list[str] = []
    runs: list[str] = []
    for run in _runs().finditer(unicodedata.normalize("NFKC", text).casefold()):
        (words if run.lastgroup == "word" else runs).append(run.group())
    return words, runs


@lru_cache(maxsize=1)
def _runs() -> re.Pattern[str]:
    """Runs of CJK, and words; the vowel signs of Indic scripts, and accents, are parts of words, which re denies."""
    marks = "".join(c for c in map(chr, range(0x300, _LAST_MARK)) if unicodedata.category(c) in ("Mn", "Mc"))
    return re.compile(rf"(?P<cjk>[{_CJK}]+)|(?P<word>[^\W_{_CJK}](?:[^\W_{_CJK}]|[{marks}])*)")


_stemmers = local()  # one a thread: a stemmer is not safe to share


def _stemmer(language: str) -> Any:
    made = _stemmers.__dict__.get(language)
    if made is None:
        made = _stemmers.__dict__[language] = load("Stemmer", "bm25").Stemmer(language)
    return made


@lru_cache(maxsize=1)
def _dictionary() -> Any:
    jieba = load("jieba", "jieba")
    jieba.setLogLevel("WARNING")
    jieba.initialize()
    return jieba


@lru_cache(maxsize=1 << 17)
def index_of(term: str) -> int:
    """The index that stands for a term in a sparse vector, 0 to 999,999,936: its BLAKE2b hash, the same everywhere.

    Of 200,000 terms about 20 pairs share an index; such terms are one to the embedder.
    """
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % MODULUS
