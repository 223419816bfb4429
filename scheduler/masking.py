"""Secrets: which names and texts hold one, and texts without them."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4  # characters: what is shorter is no secret, and would mask half of every text
LONGEST_SECRET = 8192  # bytes that one found by its form may have
_SHORTEST_LINE = 8  # of a secret with many lines, whose lines may be written one by one

_WORDS = r"pass(?:word|wd|phrase)|secret|credential|api[_-]?key|(?:access|private|signing)[_-]?key"
_NAME = re.compile(
    rf"{_WORDS}|(?:encryption|session|master|ssh)_?key"
    r"|(?:^|[^a-z])(?:token|pwd|auth|authorization|cookie)(?:$|[^a-z])",
    re.IGNORECASE,
)
_POINTER = re.compile(
    r"[_-](?:file|path|dir|folder|name|id|arn|limit|length|count|size|ttl|timeout)$", re.IGNORECASE
)
_PLAIN = re.compile(r"(?i:\d{0,8}|true|false|yes|no|on|off|none|null)")
# Every pattern begins with something fixed and is bounded, so that no text takes long to search.
_FORMS = tuple(
    re.compile(form)
    for form in (
        rb"://[^\s/:@]{0,256}:(?P<secret>[^\s/]{1,1024})@",
        rb"://(?P<secret>[^\s/:@]{16,1024})@",
        rb"(?i:\bbearer)\s{1,8}(?P<secret>[\w.~+/=-]{6,4096})",
        rb"(?i:\bauthorization)[\"']?\s{0,8}[:=]\s{0,8}[\"']?"
        rb"(?:[A-Za-z]{3,12}\s{1,8})?(?P<secret>[^\s\"',;]{4,4096})",
        rb"(?i:" + _WORDS.encode() + rb")[\"']?\s{0,8}[:=]\s{0,8}[\"']?"
        rb"(?P<secret>[^\s\"',;&]{4,4096})",
        rb"(?i:token)[\"']?(?:=|\s{0,8}:\s{0,8}[\"'])[\"']?(?P<secret>[^\s\"',;&]{4,4096})",
        rb"(?P<secret>\bAKIA[0-9A-Z]{16}|\bgh[pousr]_\w{20,255}|\bsk-[\w-]{16,255}"
        rb"|\bxox[abprs]-[\w-]{10,255}|\beyJ[\w-]{8,2048}\.[\w-]{2,4096}\.[\w-]{2,1024})",
        rb"(?P<secret>-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.){0,4000}?"
        rb"(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z))",
    )
)
_CLEAR = tuple(re.compile(each.pattern.decode()) for each in (*_FORMS[:4], *_FORMS[6:]))


def looks_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret: `DB_PASSWORD`, not `DB_PASSWORD_FILE`."""
    return _NAME.search(name) is not None and _POINTER.search(name) is None


def holds_secret(name: str, text: str) -> bool:
    """Whether a text that is called so would tell a secret: not where it is a number or yes."""
    return tells_secret(text) or (looks_secret(name) and _PLAIN.fullmatch(text) is None)


def tells_secret(text: str) -> bool:
    """Whether a text has the form of one: a URL with a password, a bearer token, a private key."""
    return any(MASK not in found["secret"] for form in _CLEAR for found in form.finditer(text))


class Masker:
    """Finds secrets in texts: those that it is told, however written, and all of a known form."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form.encode() for each in secrets for form in _written(each)}
        longest_first = sorted(known, key=lambda each: (-len(each), each))
        self._known = re.compile(b"|".join(map(re.escape, longest_first))) if known else None
        self.longest = max([LONGEST_SECRET, *map(len, known)])

    def masked(self, text: str) -> str:
        """The text with every secret in it replaced."""
        data = text.encode("utf-8", "surrogatepass")
        return self.cover(data, 0, len(data)).decode("utf-8", "surrogatepass")

    def masked_end(self, text: str, most: int) -> str:
        """As much as that of its end, in bytes; a secret that is cut there is masked whole."""
        data = text.encode("utf-8", "surrogatepass")
        first = max(0, len(data) - most)
        while first and data[first] & 0xC0 == 0x80:  # inside a letter
            first -= 1
        return self.cover(data, first, len(data)).decode("utf-8", "surrogatepass")

    def cover(self, data: bytes, first: int, last: int) -> bytes:
        """The bytes from `first` to `last`; one that crosses these borders is masked whole."""
        told, at = [], first
        for start, end in self._spans(data):
            if end > at and start < last:
                told += [data[at : max(at, start)], MASK.encode()]
                at = max(at, end)
        return b"".join([*told, data[at : max(at, last)]])

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        found = [each.span("secret") for form in _FORMS for each in form.finditer(data)]
        if self._known is not None:
            found += [each.span() for each in self._known.finditer(data)]
        start = end = -1
        for first, last in sorted(found):
            if first > end:
                if end > 0:
                    yield start, end
                start = first
            end = max(end, last)
        if end > 0:
            yield start, end


def masked(text: str) -> str:
    """The text without what has the form of a secret."""
    return Masker().masked(text)


def _written(secret: str) -> Iterator[str]:
    """The forms in which a program may write it."""
    lines = [each.strip() for each in secret.splitlines()]
    forms = [secret, secret.strip(), *(each for each in lines if len(each) >= _SHORTEST_LINE)]
    for each in forms:
        if len(each) >= SHORTEST:
            coded = base64.b64encode(each.encode()).decode()
            yield from (each, quote(each, safe=""), quote(each), quote_plus(each), coded)
            yield from (json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1])
            yield repr(each)[1:-1]
