"""Finds secrets in text and masks them; nothing that leaves here holds one (spec §7.8, ADR 0032). Pure."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import pairwise

from ai_workflow.models.base import Record
from ai_workflow.policy.secret_rules import FIXED, GUESSES, KEY_NAMES, Rule, compiled

PRAGMAS = (b"aiw:allow-secret", b"pragma: allowlist secret")
"""In the line of a false alarm, usually in a comment. The second is the word of detect-secrets."""
_ROUNDS = 20_000
"""Some 10 ms for each fingerprint, so that a weak password cannot be guessed from one quickly."""

_PLACEHOLDER = re.compile(
    rb"(?i)example|placeholder|change[-_]?(?:me|it|this)|your[-_]|replace|redacted|dummy|sample|insert|x{4}|\*{3}|\.{3}"
    rb"|0123456789|1234567890|abcdefgh|deadbeef|notasecret|not[-_]a[-_]|not[-_]?real|fake|^\$|\$\{|\{\{|%\(|^%|^<|lorem"
)
_NOT_SECRET_NAME = re.compile(
    rb"(?i)(?:public|primary|foreign|partition|sort|cache|csrf|xsrf|anti_?forgery|next|page|continuation|idempotency"
    rb"|author|design)[\w.-]*$"
)
_NOT_SECRET_TAIL = re.compile(
    rb"(?i)[_.-]?(?:hash(?:ed)?|sha\d*|digest|checksum|etag|ids?|ur[il]s?|files?(?:name)?|path|dir|name|length|size|type"
    rb"|count|limit|expir\w*|field|label|hint|help|text|message|msg|error|title|regex|pattern|policy|version|vault"
    rb"|provider|endpoint|class|method|mode|format|prefix|suffix|header|param\w*|ttl|age|env|ref|store|arn|integrity"
    rb"|ors?|ority|orization|ored|ize\w*)$"
)
_EXAMPLE_HOST = re.compile(
    rb"@(?:(?:[\w-]+\.){0,5}(?:example|invalid|test)(?:[.:/\s\"']|$)|(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/\s\"']|$))"
)
"""A name that nobody has, or this very machine: what is started for a test there is reached from nowhere else."""
_DIGIT = re.compile(rb"[0-9]")
_IN_WORD = re.compile(rb"[A-Za-z0-9_]")
_ID = re.compile(rb"\{?(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?|01[0-9A-HJKMNP-TV-Z]{24}")
"""A UUID, or a ULID of these decades."""
_CHAIN = re.compile(rb"[&*!$@]{0,2}[A-Za-z_]\w*(?:(?:\.|->|::|\?\.)\w+)+|[A-Za-z_]+|[\d.,_:-]+|v?\d+\.\d+[.-].*")
"""An expression, a word, a number or a version: nothing that was drawn at random."""
_PATH = re.compile(rb"(?:[A-Za-z]:)?[./~@]*(?:[\w.@-]+/)+[\w.@-]*|[a-z]+://.*")
_HASH = re.compile(
    rb"(?i)(?:sha\d{1,3}|md5|blake2\w?|pbkdf2\w*|bcrypt|scrypt|argon2\w*)[-:$=].*|\$(?:2[aby]|5|6|argon2\w*)\$.*"
)
_WEAK = frozenset(
    b"admin administrator bar baz changeit default demo dev empty false foo foobar guest hello hunter letmein localhost"
    b" mongo mysql none null passwd password passwords pass passphrase postgres postgresql pw pwd qwerty rabbitmq redis"
    b" required root secret secrets string test tester testing testpass testpassword testsecret testuser testtoken"
    b" token true undefined user username userpass value welcome world correcthorsebatterystaple mypassword supersecret"
    b" wrongpassword newpassword oldpassword badpassword invalid".split()
)
"""What is left of a password that nobody keeps secret, without digits and signs."""
_WEAK_PARTS = re.compile(
    rb"(?:my|your|our|the|a|db|app|ci|api|dev|local|test|testing|demo|user|admin|root|super|very|strong|weak|new|old|good|bad"
    rb"|wrong|long|default|pass|passwd|password|pwd|pw|phrase|secure|secret|key|token)+"
)
"""Of such words together nobody keeps secret what they make either: `dev-password-1`, `YourStrong!Passw0rd`."""


_TELLING = tuple((word, rule.id) for rule in (*FIXED, *GUESSES) for word in rule.words)
"""Most texts hold none of these words: one quick pass over them, instead of one for each rule."""


class Found(Record, frozen=True, kw_only=True):
    """A place in a text that looks like a secret. It holds no part of it."""

    rule: str
    start: int
    end: int
    """Bytes; of the secret alone."""


class Finding(Record, frozen=True, kw_only=True):
    """A secret in a change set, as people are told of it."""

    path: str
    line: int
    """1-based; 0 in a binary file."""
    rule: str
    fingerprint: str
    """What allows exactly this value, wherever it stands."""


def find_secrets(data: bytes, *, is_binary: bool = False) -> tuple[Found, ...]:
    """What looks like a secret, in order and without overlaps; in binary data only what is known by its own form."""
    lower = data.lower()
    found: list[Found] = []
    taken = bytearray()
    met = {rule_id for word, rule_id in _TELLING if word in lower}
    for rule in FIXED if is_binary else (*FIXED, *GUESSES):
        if rule.id not in met:
            continue
        for start, end in _matches(rule, data, lower):
            taken = taken or bytearray(len(data))
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                found.append(Found(rule=rule.id, start=start, end=end))
    return tuple(sorted(found, key=lambda one: one.start))


def _matches(rule: Rule, data: bytes, lower: bytes) -> Iterator[tuple[int, int]]:
    if rule.is_guess:
        yield from _guess(rule, data, lower)
        return
    for match in compiled(rule).finditer(data):
        start, end = match.span(1)
        if rule.is_token and _IN_WORD.match(data, start - 1, start):
            continue
        secret = match.group(1)
        if rule.is_password:
            if not _is_weak(secret) and not _PLACEHOLDER.search(secret) and not _is_user(match):
                yield start, end
        elif _entropy(secret) >= rule.entropy and (rule.id == "private-key" or not _PLACEHOLDER.search(secret)):
            yield start, end


def _guess(rule: Rule, data: bytes, lower: bytes) -> Iterator[tuple[int, int]]:
    """Looks only where one of the words is: a search for the whole expression would take five times as long."""
    pattern = compiled(rule)
    for word in rule.words:
        at = lower.find(word)
        while at >= 0:
            after = at + len(word)
            match = pattern.match(data, after)
            if match is not None and _is_likely(rule, data, match, at):
                yield match.span(2 if match.group(2) is not None else 3)
            at = lower.find(word, after)


def _is_user(match: re.Match[bytes]) -> bool:
    """Whether a URL's password is the name before it, as in `postgres:postgres`, or its host is an example."""
    user = match.group(0)[: match.start(1) - match.start(0) - 1].rpartition(b"/")[2]
    return user == match.group(1) or _EXAMPLE_HOST.match(match.string, match.end(1)) is not None


def _is_likely(rule: Rule, data: bytes, match: re.Match[bytes], at: int) -> bool:
    """Whether a value beside a telling name is one that was drawn at random, or a password that is worth keeping.

    Args:
        at: where the telling word begins; the match begins after it.
    """
    is_quoted = match.group(2) is not None
    value = (match.group(2) or match.group(3)).rstrip(b".,;:")
    if not (rule.is_password and is_quoted) and not _DIGIT.search(value):
        return False
    if _PLACEHOLDER.search(value) or _ID.fullmatch(value) or _CHAIN.fullmatch(value) or _HASH.fullmatch(value):
        return False
    before = _NAME.search(data, max(0, at - 40), at)
    first = before.group(0) if before else b""
    word = data[at : match.start()]
    name = first + word + _NAME_END.split(match.group(0), maxsplit=1)[0]
    if _NOT_SECRET_TAIL.search(name) or _NOT_SECRET_NAME.search(first):
        return False
    if word.lower() == b"key" and not KEY_NAMES.search(first):
        return False
    if _PATH.fullmatch(value) and (value.count(b"/") > 1 or not _is_random(value, rule.entropy)):
        return False
    if rule.is_password:
        has_other = any(not chr(byte).isalpha() for byte in value)
        return (
            has_other and not _is_weak(value) and _entropy(value) >= rule.entropy and not _WORDS.fullmatch(value)
        )  # fmt: skip
    return len(value) >= 16 and _is_random(value, rule.entropy)


_NAME_END = re.compile(rb"[\"'`\])=:, \t?]")
_NAME = re.compile(rb"[\w.-]{0,40}$")
_WORDS = re.compile(rb"[A-Za-z]+(?:[-_. /:#][A-Za-z]+)+[-_.!?:]*\d?")
"""Words joined by signs: a name or a phrase of a user interface."""


def _is_random(value: bytes, entropy: float) -> bool:
    """Whether the value has digits, and changes between kinds of characters, as only drawn ones do."""
    digits = sum(48 <= byte <= 57 for byte in value)
    letters = sum(chr(byte).isalpha() for byte in value)
    if not digits or letters < 2 or digits + letters < 0.7 * len(value):
        return False
    if sum(len(word) for word in _LETTERS.findall(value)) >= 0.5 * len(value):
        return False
    kinds = [_kind(byte) for byte in value]
    changes = sum(one != other for one, other in pairwise(kinds))
    is_mixed = digits >= 2 or changes >= 0.4 * len(value)
    is_varied = _entropy(value) >= (min(entropy, 2.8) if len(value) < 20 else entropy)
    return is_mixed and is_varied and changes >= 0.25 * len(value)


_LETTERS = re.compile(rb"[A-Z]?[a-z]{4,}")
"""What words of a name look like; of drawn characters they are rarely half."""


def _kind(byte: int) -> str:
    return "0" if 48 <= byte <= 57 else "A" if 65 <= byte <= 90 else "a" if 97 <= byte <= 122 else "-"


def _is_weak(value: bytes) -> bool:
    lower = value.lower()
    plain, spelled = (_NO_LETTERS.sub(b"", text) for text in (lower, lower.translate(_SPELLING)))
    if len(plain) < 2 or len(set(value)) <= 3:
        return True
    return any(core in _WEAK or _WEAK_PARTS.fullmatch(core) is not None for core in (plain, spelled))


_NO_LETTERS = re.compile(rb"[^a-z]")
_SPELLING = bytes.maketrans(b"01345@$", b"oieasas")
"""Signs that stand for letters, as in `s3cr3t` and `Passw0rd`."""


def _entropy(value: bytes) -> float:
    """Shannon's, in bits per byte; white space and escapes of it count for nothing."""
    cleaned = value.translate(None, b" \t\r\n\\")
    size = len(cleaned)
    return -sum(count / size * math.log2(count / size) for count in Counter(cleaned).values()) if size else 0.0


def fingerprint(secret: bytes) -> str:
    """16 hexadecimal digits that name the value and from which it cannot be told; the same in every file."""
    return hashlib.pbkdf2_hmac("sha256", b"".join(secret.split()), b"aiw secret fingerprint", _ROUNDS)[:8].hex()


def line_of(data: bytes, at: int) -> tuple[int, bytes]:
    """The 1-based number of the line around a position, and the line."""
    start = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    return data.count(b"\n", 0, at) + 1, data[start : end if end >= 0 else len(data)]


def is_marked(data: bytes, found: Found) -> bool:
    """Whether the line in which the secret begins, or for a key the line that announces it, has a pragma."""
    _, line = line_of(data, found.start)
    if found.rule == "private-key":
        begin = data.rfind(b"-----BEGIN", 0, found.start)
        line += line_of(data, max(begin, 0))[1]
    return any(pragma in line for pragma in PRAGMAS)


def find_in_text(
    text: str, *, path: str, first_line: int = 1, allowed: Collection[str] = frozenset()
) -> tuple[Finding, ...]:
    """What looks like a secret in a text, as people are told of it; without what its line, or a person, allows.

    Args:
        path: how findings call the text.
        first_line: 1-based line of the source that the text begins in.
        allowed: fingerprints.
    """
    data = text.encode("utf-8", "surrogatepass")
    found = []
    for one in find_secrets(data):
        mark = "" if is_marked(data, one) else fingerprint(data[one.start : one.end])
        if mark and mark not in allowed:
            line = line_of(data, one.start)[0] + first_line - 1
            found.append(Finding(path=path, line=line, rule=one.rule, fingerprint=mark))
    return tuple(found)


def mask(text: str) -> str:
    """The text with `[secret:<rule>]` in the place of every secret."""
    data = text.encode("utf-8", "surrogatepass")
    masked = mask_bytes(data)
    return text if masked is data else masked.decode("utf-8", "surrogatepass")


def mask_bytes(data: bytes) -> bytes:
    """As `mask`, for bytes in whatever encoding; those without a secret are returned as they are."""
    found = find_secrets(data)
    if not found:
        return data
    parts: list[bytes] = []
    at = 0
    for one in found:
        parts += [data[at : one.start], f"[secret:{one.rule}]".encode()]
        at = one.end
    return b"".join((*parts, data[at:]))


def format_findings(findings: Collection[Finding], *, most: int = 20) -> str:
    """One indented line for each, and how many more there are."""
    shown = [
        f"  {one.path}{f':{one.line}' if one.line else ''}: {one.rule}, fingerprint {one.fingerprint}"
        for one in list(findings)[:most]
    ]
    return "\n".join([*shown, *([f"  … and {len(findings) - most} more"] if len(findings) > most else [])])
