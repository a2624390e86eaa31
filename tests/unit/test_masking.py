"""Secrets are masked in what others said, in every form, and vstore's own words stay."""

from __future__ import annotations

import base64
import json
import pickle
import traceback
from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest

import vstore
from vstore.core.operation import CallContext, connecting
from vstore.errors import BackendError, PartialWrite, Unavailable, VStoreError, partial_write_context
from vstore.masking import mask

OURS = "the Milvus server at root level cannot be reached: "
HINT = "Check that the Milvus server runs; a root needs 1 or 5432 more."


def told(said: str, secrets: Sequence[str]) -> VStoreError:
    calls = CallContext("milvus", lambda error: Unavailable(f"{OURS}{str(error)[:500]}", hint=HINT), secrets)
    with pytest.raises(VStoreError) as caught, calls.operation("ping"):
        raise RuntimeError(said)
    return caught.value


@pytest.mark.parametrize("word", ["the", "Milvus", "a", "server", "root", "1", "5432", "reached", ":", "e"])
def test_our_own_words_stay_though_a_password_is_one_of_them(word: str) -> None:
    error = told(f"no such user, password {word} is wrong", [word])
    assert error.hint == HINT
    assert error.message == f"{OURS}no such user, password *** is wrong"


def test_an_error_that_nobody_else_had_a_part_in_stays_whole() -> None:
    calls = CallContext("milvus", lambda error: BackendError(str(error)), ["the", "collection", "closed"])
    calls.shut()
    with pytest.raises(vstore.Closed) as caught, calls.operation("ping"):
        pass
    assert caught.value.message == "the store is closed"


SECRETS = ["the", "Milvus", "root:Milvus", "p/w @:%+é", 'it\'s "quoted" \\ back', "s3cr3t-Zx9", "geheim", "\u0130x\n"]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_form_of_a_secret_is_shown(secret: str) -> None:
    forms = {
        "plain": secret,
        "url": quote(secret, safe=""),
        "repr": repr(secret),
        "json": json.dumps(secret),
        "bytes": repr(secret.encode()),
        "base64": base64.b64encode(secret.encode()).decode(),
    }
    for name, form in forms.items():
        error = told(f"beginning ({form}) end", [secret])
        assert error.message.startswith(f"{OURS}beginning (")
        assert form not in error.message.removeprefix(OURS), name


def test_what_the_client_said_is_found_again_though_it_was_made_shorter_or_one_line() -> None:
    said = "line one is long enough\n   then: password  the  is wrong " + "x" * 1000
    calls = CallContext("m", lambda error: Unavailable(f"the server: {' '.join(str(error).split())[:500]}"), ["the"])
    with pytest.raises(VStoreError) as caught, calls.operation("ping"):
        raise RuntimeError(said)
    assert caught.value.message.startswith("the server: line one is long enough then: password *** is wrong xxx")


def test_what_cannot_be_found_again_is_masked_everywhere_but_in_the_hint() -> None:
    calls = CallContext("m", lambda _: Unavailable("the parts: user=the", hint="Ask the owner."), ["the"])
    with pytest.raises(VStoreError) as caught, calls.operation("ping"):
        raise RuntimeError("nothing of this")
    assert (caught.value.message, caught.value.hint) == ("*** parts: user=***", "Ask the owner.")


def test_errors_inside_errors_are_masked_too_and_once() -> None:
    def write() -> None:
        with partial_write_context(["a"]):
            try:
                raise RuntimeError("the password is the one")
            except RuntimeError as error:
                raise Unavailable(f"the server said: {error}") from error

    calls = CallContext("m", lambda error: BackendError(str(error)), ["the"])
    with pytest.raises(PartialWrite) as caught, calls.operation("add"), calls.operation("add"):
        write()
    assert caught.value.message == "1 records are done; the next part failed: the server said: *** password is *** one"
    inner = caught.value.__cause__
    assert isinstance(inner, Unavailable)
    assert inner.message == "the server said: *** password is *** one"


class Answer(Exception):
    """Makes its text of attributes, as clients of HTTP do."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.content, self.headers = said.encode(), {"echo": [said]}

    def __str__(self) -> str:
        return f"{self.content!r} {self.headers}"


class State(Exception):
    """Makes its text of another object's attributes, as gRPC does."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.state = type("Details", (), {"details": said})()

    def __str__(self) -> str:
        return str(self.state.details)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kind", [RuntimeError, Answer, State, lambda said: ExceptionGroup("two", [Answer(said)])])
def test_no_error_that_is_chained_shows_a_secret(kind: Callable[[str], Exception], secret: str) -> None:
    calls = CallContext("m", lambda _: BackendError("it failed; the cause is chained"), [secret])

    def fail() -> None:
        try:
            raise kind(f"password {secret} is wrong")
        except Exception as inner:
            outer = ValueError("it did not work")
            outer.add_note(f"with {secret}")
            raise outer from inner

    with pytest.raises(BackendError) as caught, calls.operation("ping"), connecting("m", [secret]):
        fail()
    printed = "".join(traceback.format_exception(caught.value)).replace("vstore", "")
    forms = {secret, repr(secret)[1:-1], repr(secret.encode())[2:-1]}
    assert not [form for form in forms if f"password {form}" in printed or f"with {form}" in printed]
    assert "it failed" in printed or "while connecting" in printed


def test_an_error_keeps_no_secret_where_it_goes() -> None:
    error = told("password s3cr3t-Zx9 and the", ["s3cr3t-Zx9", "the"])
    assert "s3cr3t" not in repr(vars(error)) + repr(vars(error.__cause__))
    assert "'the'" not in repr(vars(error))
    assert b"s3cr3t" not in pickle.dumps(error)


def test_a_url_is_never_repeated() -> None:
    for url in ("milvus://root:Milvus@127.0.0.1:1", "postgresql://root:the@127.0.0.1:1/db"):
        with pytest.raises(VStoreError) as caught:
            vstore.connect(url, timeout=3)
        assert "***" not in caught.value.hint
        assert "root:" not in "".join(traceback.format_exception(caught.value))


def test_masking_takes_no_long_time() -> None:
    text = "the " * 20_000
    assert mask(text, ["the", "xs3cr3t"], [text, "nowhere"]) == "*** " * 20_000
