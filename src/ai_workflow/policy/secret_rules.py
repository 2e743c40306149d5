"""What secrets look like: the rules of the secret gate (spec §7.8, ADR 0032). Pure.

The formats of tokens are facts that their issuers publish; lengths and alphabets were compared with the public rules of
gitleaks (https://github.com/gitleaks/gitleaks, MIT licence). The expressions are our own.
"""

from __future__ import annotations

import functools
import re

from ai_workflow.models.base import Record


class Rule(Record, frozen=True, kw_only=True):
    """One kind of secret."""

    id: str
    words: tuple[bytes, ...]
    """In lower case; a text with none of them cannot match, and is not searched."""
    pattern: bytes
    """Over bytes; group 1, where there is one, is the secret itself."""
    entropy: float = 2.5
    """Bits per byte that the secret must have."""
    is_guess: bool = False
    """Whether a name beside the value gives it away and not its own form; not looked for in binary files."""
    is_token: bool = False
    """Whether it must not be the end of a longer word. Not said by the expression: that would hide the letters that it
    begins with, by which the search is fast."""
    is_password: bool = False
    """Whether people choose the value: held against words that nobody keeps secret instead of entropy."""


@functools.lru_cache(maxsize=128)
def compiled(rule: Rule) -> re.Pattern[bytes]:
    """The rule's expression, compiled when it is first needed."""
    return re.compile(rule.pattern)


_END = rb"(?![A-Za-z0-9_-])"


def _token(rule_id: str, pattern: bytes, *words: bytes, entropy: float = 2.5) -> Rule:
    return Rule(id=rule_id, words=words, pattern=b"(" + pattern + b")" + _END, entropy=entropy, is_token=True)


_OPERATOR = rb"[\"'`\])]{0,3}[ \t]{0,8}(?:=>|:=|\?=|={1,3}|:|,)[ \t]{0,8}"
_QUOTED = rb"[bru]{0,2}([\"'`])([^\s\"'`<>{}\\]{8,300})\1"
# Bare values end at more signs; else a text like `token:token:token:` would take a time that grows with its square.
_BARE = rb"([^\s\"'`<>(){}\[\],;:=&\\]{8,300}={0,3})(?![(\[.])"
_ASSIGNMENT = rb"[\w.-]{0,20}" + _OPERATOR + b"(?:" + _QUOTED + b"|" + _BARE + b")"

FIXED: tuple[Rule, ...] = (
    Rule(
        id="private-key",
        words=(b"private key",),
        pattern=rb"-----BEGIN[ A-Z0-9_-]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        rb"(?:[\s\"'+,]|\\[nr])*(?:[A-Za-z-]+: [^\n]{0,200}[\s]+)*([A-Za-z0-9+/=\s\\\"',]{48,})",
        entropy=3.0,
    ),
    _token("age-secret-key", rb"AGE-SECRET-KEY-1[A-Z0-9]{58}", b"age-secret-key-1"),
    _token("anthropic-api-key", rb"sk-ant-[a-z]{3,8}\d{2}-[A-Za-z0-9_-]{80,120}", b"sk-ant-"),
    _token("aws-access-key-id", rb"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", b"a3t", b"akia", b"asia", b"abia",
           b"acca", entropy=3.0),
    Rule(
        id="aws-secret-access-key",
        words=(b"aws", b"secret_access_key", b"secretaccesskey"),
        pattern=rb"(?i:aws[\w.-]{0,20}(?:secret|key)[\w.-]{0,20}|secret_?access_?key)" + _OPERATOR
        + rb"[\"'`]?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        entropy=3.8,
    ),
    Rule(
        id="azure-storage-key",
        words=(b"accountkey=", b"sharedaccesskey="),
        pattern=rb"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{43,86}={1,2})",
        entropy=3.5,
    ),
    Rule(
        id="azure-client-secret",
        words=(b"q~",),
        pattern=rb"(?<![A-Za-z0-9_~.])([A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34})(?![A-Za-z0-9_~.-])",
        entropy=3.0,
    ),
    _token("databricks-token", rb"dapi[a-f0-9]{32}(?:-\d)?", b"dapi"),
    _token("digitalocean-token", rb"do[opr]_v1_[a-f0-9]{64}", b"_v1_"),
    Rule(
        id="discord-webhook",
        words=(b"/api/webhooks/",),
        pattern=rb"discord(?:app)?\.com/api/webhooks/(\d{16,20}/[A-Za-z0-9_-]{60,80})",
    ),
    _token("docker-token", rb"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,36}", b"dckr_"),
    _token("doppler-token", rb"dp\.(?:pt|st|ct|sa)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}", b"dp."),
    _token("github-token", rb"gh[pousr]_[A-Za-z0-9]{36,255}", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"),
    _token("github-fine-grained-token", rb"github_pat_[A-Za-z0-9_]{82}", b"github_pat_"),
    _token("gitlab-token", rb"gl(?:pat|ptt|dt|rt|soat|agent|cbt|imt|ft)-[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]{2,}){0,3}",
           b"glpat-", b"glptt-", b"gldt-", b"glrt-", b"glsoat-", b"glagent-", b"glcbt-", b"glimt-", b"glft-"),
    _token("google-api-key", rb"AIza[A-Za-z0-9_-]{35}", b"aiza", entropy=3.5),
    _token("google-oauth-secret", rb"GOCSPX-[A-Za-z0-9_-]{28}", b"gocspx-"),
    _token("grafana-token", rb"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", b"glsa_"),
    _token("hashicorp-vault-token", rb"hv[sb]\.[A-Za-z0-9_-]{24,300}", b"hvs.", b"hvb.", entropy=3.5),
    _token("terraform-token", rb"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}", b".atlasv1."),
    _token("huggingface-token", rb"hf_[A-Za-z0-9]{34,40}", b"hf_"),
    _token("jwt", rb"ey[A-Za-z0-9_-]{15,}\.ey[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{16,}={0,2}", b".ey", entropy=3.5),
    _token("linear-api-key", rb"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}", b"lin_"),
    Rule(id="mailgun-key", words=(b"key-",), pattern=rb"(?<![A-Za-z0-9_-])(key-[a-f0-9]{32})(?![A-Za-z0-9])"),
    _token("newrelic-key", rb"NRAK-[A-Z0-9]{27}", b"nrak-"),
    _token("npm-token", rb"npm_[A-Za-z0-9]{36}", b"npm_"),
    Rule(
        id="npmrc-token",
        words=(b"_authtoken",),
        pattern=rb"_authToken[ \t]*=[ \t]*[\"']?([A-Za-z0-9_+/=-]{20,200})",
        entropy=3.0,
    ),
    _token("openai-api-key", rb"sk-(?:(?:proj|svcacct|admin)-)?[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20,100}",
           b"t3blbkfj", entropy=3.5),
    _token("postman-key", rb"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", b"pmak-"),
    _token("pypi-token", rb"pypi-AgE[A-Za-z0-9_-]{50,1000}", b"pypi-age"),
    _token("rubygems-key", rb"rubygems_[a-f0-9]{48}", b"rubygems_"),
    _token("sendgrid-key", rb"SG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}", b"sg.", entropy=3.5),
    _token("shopify-token", rb"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", b"shpat_", b"shpca_", b"shppa_", b"shpss_"),
    _token("slack-token", rb"xox[abeoprs]-(?:\d-)?[A-Za-z0-9-]{20,250}", b"xoxa-", b"xoxb-", b"xoxe-", b"xoxo-",
           b"xoxp-", b"xoxr-", b"xoxs-"),
    _token("slack-app-token", rb"xapp-\d-[A-Z0-9]+-\d+-[A-Za-z0-9]{20,}", b"xapp-"),
    Rule(
        id="slack-webhook",
        words=(b"hooks.slack.com",),
        pattern=rb"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{40,60})",
        entropy=3.0,
    ),
    _token("square-token", rb"(?:EAAA|sq0[a-z]{3}-)[A-Za-z0-9_-]{22,60}", b"sq0", b"eaaa", entropy=3.5),
    _token("stripe-key", rb"(?:sk|rk)_(?:test|live|prod)_[A-Za-z0-9]{16,247}", b"sk_test_", b"sk_live_", b"sk_prod_",
           b"rk_test_", b"rk_live_", b"rk_prod_"),
    _token("stripe-webhook-secret", rb"whsec_[A-Za-z0-9+/=]{32,64}", b"whsec_"),
    _token("telegram-token", rb"\d{8,10}:AA[A-Za-z0-9_-]{33}", b":aa", entropy=3.5),
    _token("twilio-key", rb"SK[0-9a-f]{32}", b"sk", entropy=3.0),
    Rule(
        id="url-password",
        words=(b"://",),
        pattern=rb"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/@\"'`<>{}$%()\[\]]{0,80}:"
        rb"([^\s:/@\"'`<>{}$()\[\]\\]{4,200})@[A-Za-z0-9\[]",
        is_password=True,
    ),
    Rule(
        id="authorization-header",
        words=(b"authorization",),
        pattern=rb"(?i:authorization)[\"']?[ \t]*[:=,][ \t]*[\"']?(?i:basic|bearer|token)[ \t]+"
        rb"([A-Za-z0-9+/=._~-]{16,1000})",
        entropy=3.3,
    ),
)  # fmt: skip
"""Known by their own form."""

GUESSES: tuple[Rule, ...] = (
    Rule(
        id="password",
        words=(b"password", b"passwd", b"pwd", b"passphrase"),
        pattern=_ASSIGNMENT,
        is_guess=True,
        is_password=True,
    ),
    Rule(
        id="secret-value",
        words=(b"secret", b"token", b"credential", b"auth", b"key"),
        pattern=_ASSIGNMENT,
        entropy=3.2,
        is_guess=True,
    ),
)
"""Known by the name that they are assigned to; the expression is that of what follows the word."""

KEY_NAMES = re.compile(
    rb"(?i)(?:api|access|private|encryption|encrypt|signing|master|client|service|account|deploy|webhook|shared|session"
    rb"|cookie|secret|auth)[_.-]?$"
)
"""What stands before `key` in the name of one that is secret."""
