"""Regular expressions of filters: RE2's, in linear time, and nothing on stderr."""

from __future__ import annotations

import random
import re
import subprocess
import sys

import pytest

import vstore
from vstore import F, InvalidInput, Unsupported
from vstore.filters import regex
from vstore.spi.evaluate import predicate


def found(pattern: str, text: str) -> bool:
    return predicate(F("s").matches(pattern))({"s": text}, None)


def common(rng: random.Random, depth: int = 3) -> str:
    """A pattern that means the same to Python's engine, of ASCII text without line breaks."""
    if depth == 0:
        return rng.choice(["a", "b", "1", ".", "[ab]", "[^a]", r"\d", r"\w", r"\s", r"\b", "^", " "])
    parts = "".join(common(rng, depth - 1) for _ in range(rng.randint(1, 3)))
    return rng.choice(
        [parts, f"(?:{parts}|{common(rng, depth - 1)})", f"({parts}){rng.choice(['*', '+', '?', '{1,2}'])}"]
    )


def test_it_agrees_with_pythons_engine_on_what_both_have() -> None:
    rng = random.Random(1)
    for _ in range(500):
        pattern = common(rng)
        text = "".join(rng.choice("ab1 ") for _ in range(rng.randint(0, 8)))
        assert found(pattern, text) == (re.search(pattern, text, re.ASCII) is not None), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"ab(c)\1", r"at character 6, '\\1'"),
        ("ab(?=c)", r"at character 3, '(?='"),
        ("(?<!a)b", r"at character 1, '(?<!'"),
        ("a{1001}", r"at character 2, '{1001}'"),
        ("(abc", "missing )"),
        ("a" * 5000, "4,096"),
        (r"(\pL{0,1000})z", "too large"),
    ],
)
def test_what_is_refused_names_the_place(pattern: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        F("s").matches(pattern)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


def test_backreferences_and_lookaround_are_explained() -> None:
    for pattern in (r"(a)\1", "a(?=b)", "(?<=a)b"):
        with pytest.raises(InvalidInput, match="neither lookaround nor backreferences"):
            F("s").matches(pattern)


def test_nothing_is_written_to_stderr() -> None:
    code = (
        "import random\nfrom vstore import F, InvalidInput\nfrom vstore.spi.evaluate import predicate\n"
        "rng = random.Random(1)\n"
        "for pattern in ('(', '(a)\\\\1', '(\\\\pL{0,1000})z'):\n"
        "    try: F('s').matches(pattern)\n"
        "    except InvalidInput: pass\n"
        "text = ''.join(rng.choice('ab') for _ in range(3000))\n"  # more states than the automaton has memory for
        "predicate(F('s').matches('(a|b)*a(a|b){900}c'))({'s': text}, None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_without_the_package_the_capability_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex, "_installed", lambda: False)
    with vstore.connect("memory:") as store:
        assert not store.capabilities.matches
        docs = store.create_collection("docs", dimension=2)
        with pytest.raises(Unsupported, match=r"pip install 'vstore-db\[regex\]'"):
            docs.count(F("s").matches("a"))
