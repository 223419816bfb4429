"""Secrets: found in texts however they are written, and nothing else masked."""

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.errors import InvalidWorkflow
from scheduler.masking import MASK, Masker, holds_secret, looks_secret, masked, tells_secret
from scheduler.workflow import Task

SECRET = "p@ss w0rd/ÿ"
SECRETIVE = (
    *("DB_PASSWORD", "PGPASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "APIKEY", "api-key"),
    *("MYSQL_PWD", "COOKIE", "OPENAI_API_KEY", "SSH_KEY", "PRIVATE_KEY", "MY_CREDENTIALS"),
    *("Authorization", "x-auth", "passphrase"),
)
HARMLESS = (
    *("TOKENIZERS_PARALLELISM", "MAX_TOKENS", "DB_PASSWORD_FILE", "SORT_KEY", "MONKEY", "AUTHOR"),
    *("PASSENGER", "HOME", "TOKEN_LIMIT", "SECRET_NAME", "KEYBOARD", "PATH"),
)


@pytest.mark.parametrize("name", SECRETIVE)
def test_names_that_look_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_names_that_do_not(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        repr(SECRET)[1:-1],
    ],
)
def test_a_known_secret_is_masked_however_it_is_written(written: str) -> None:
    assert Masker([SECRET]).masked(f"it is {written}, is it?") == f"it is {MASK}, is it?"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgres://ann:hunter2@db/x", "postgres://ann:***@db/x"),
        ("redis://:hunter2@cache", "redis://:***@cache"),
        ("amqp://u:p@ss@host/", "amqp://u:***@host/"),
        ("https://ghp_0123456789abcdef0123@host/x", "https://***@host/x"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"),
        ("curl -H 'bearer abcdef123'", "curl -H 'bearer ***'"),
        ("password=hunter2&x=1", "password=***&x=1"),
        ('{"api_key": "abcd1234"}', '{"api_key": "***"}'),
        ("client_secret: abcd1234", "client_secret: ***"),
        ("token=abcdef", "token=***"),
        ("id AKIA0123456789ABCDEF.", "id ***."),
        ("-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nok", "***\nok"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", "***"),
    ],
)
def test_what_has_the_form_of_a_secret_is_masked(text: str, left: str) -> None:
    assert masked(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/path?x=1",
        "at 12:30@noon",
        "tokens: 512",
        "unexpected token: found ')'",
        "passed 12 tests",
        "bearer of news",
        "https://user@host/x",
        "",
        "🜁\udcff\x00",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert masked(text) == text


def test_what_is_too_short_to_be_a_secret_is_not_masked() -> None:
    assert Masker(["", "a", "abc"]).masked("abcabc") == "abcabc"


def test_every_line_of_a_secret_with_many_is_masked() -> None:
    assert Masker(["first line 1\nsecond line"]).masked("got second line") == f"got {MASK}"


@given(
    st.lists(st.text(min_size=4, max_size=20), min_size=1, max_size=4),
    st.lists(st.text(max_size=30), max_size=6),
    st.randoms(use_true_random=False),
)
def test_no_known_secret_is_left(secrets: list[str], texts: list[str], random: object) -> None:
    told = "".join(f"{text}{secrets[i % len(secrets)]}" for i, text in enumerate(texts))
    left = Masker(secrets).masked(told)
    for secret in secrets:
        assert secret not in left.replace(MASK, "\x00" if "*" in secret else "")


@pytest.mark.parametrize(
    "part",
    ["a", "eyJ", "://", "://a:", "password", "Bearer ", "token=", "authorization: ", "sk-"],
)
def test_no_text_takes_long(part: str) -> None:
    text = part * (150_000 // len(part))
    began = time.process_time()
    masked(text)
    assert time.process_time() - began < 20  # quadratic would be minutes


@pytest.mark.parametrize(
    "fields",
    [
        {"command": ["run", "--password=hunter22"]},
        {"command": ["run", "postgres://a:hunter22@db"]},
        {"command": ["run", "Bearer abcdef123"]},
        {"command": ["run"], "environment": {"API_TOKEN": "abcdef"}},
        {"command": ["run"], "environment": {"URL": "amqp://a:hunter22@q"}},
        {"environment": {"API_TOKEN": "abcdef"}},
        {"action": "a:b", "arguments": {"password": "hunter22"}},
        {"action": "a:b", "arguments": {"deep": [{"api_key": "hunter22"}]}},
    ],
)
def test_a_task_may_not_hold_a_secret_itself(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidWorkflow, match=r"must not hold a secret.*`secrets`"):
        Task(id="t", kind="k", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"command": ["run", "--password-file=/run/pw", "--token=12"]},
        {"command": ["run"], "environment": {"DB_PASSWORD_FILE": "/run/pw", "MAX_TOKENS": "5"}},
        {"command": ["run"], "environment": {"USE_TOKEN": "true"}},
        {"command": ["run"], "secrets": frozenset({"DB_PASSWORD"})},
        {"action": "a:b", "arguments": {"token": 5, "tokens": "many"}},
    ],
)
def test_what_only_points_to_a_secret_may_be_there(fields: dict[str, object]) -> None:
    Task(id="t", kind="k", **fields)  # type: ignore[arg-type]


def test_numbers_and_yes_are_no_secrets() -> None:
    assert not holds_secret("TOKEN", "1234")
    assert not holds_secret("TOKEN", "true")
    assert holds_secret("TOKEN", "abcd")
    assert tells_secret("x://a:bcde@f")
