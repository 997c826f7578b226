"""Credentials that are known by their form, wherever they stand: in code, strings, comments, JSON or requirement lines."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .credential_names import is_chosen, is_generated, is_stand_in


def _is_login(value: str) -> bool:
    """Whether a value is "user:password" in base64."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        return False


def _in_full(value: str) -> bool:
    return not is_stand_in(value)


def _is_url_password(value: str) -> bool:
    """Whether it is more than the word that documents put there; "secret" and "pass" have been real ones."""
    return _in_full(value) and value.lower() not in ("password", "passwd", "pwd")


@dataclass(frozen=True)
class Format:
    """A form that credentials have.

    Attributes:
        kind: What it is, with its article.
        hints: Lower-case texts; without any of them there is no need to look.
        pattern: The form; its last group, if it has one, is the part that must be a credential.
        counts: Whether that part is one.
    """

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    counts: Callable[[str], bool] = _in_full


def _format(kind: str, hints: str, pattern: str, counts: Callable[[str], bool] = _in_full, flags: int = 0) -> Format:
    return Format(kind, tuple(hints.split()), re.compile(pattern, flags | re.VERBOSE), counts)


def _prefixed(kind: str, hints: str, pattern: str) -> Format:
    return _format(kind, hints, rf"(?<![A-Za-z0-9_])(?:{pattern})(?![A-Za-z0-9])")


# The more telling kinds first: where two overlap, the first counts. Lengths are bounded, so that no text takes quadratic time.
_FORMATS = (
    _format(
        "a private key",
        "-----begin",
        # With its first letters (of DER, OpenSSH, PGP, or a header): code that looks for keys has the marker alone.
        r"""-----BEGIN[ ][A-Z0-9 ]{0,30}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----(?:\\[nr]|[\s"'+\\]){1,80}
        (?:M[A-Z][A-Za-z0-9+/]{6}|b3BlbnNza|l[IQ]|x[VX]|Proc-Type|Version:|Comment:|[A-Za-z0-9+/=]{16,}(?=\\[nr]|[\n"']))""",
    ),
    _prefixed("an AWS access key", "akia asia abia acca", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    _prefixed("a Garage access key", "gk", r"GK[0-9a-f]{24}"),
    _prefixed("a ResonTech platform key", "rsk_", r"rsk_(?:live|dev|test|beta)_[A-Za-z0-9_-]{8,}"),
    _prefixed("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,}"),
    _prefixed("a GitLab token", "gl", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas|imt)-[\w-]{20,}"),
    _prefixed("a Slack token", "xox xapp-", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}"),
    _format("a Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9]+/[A-Za-z0-9/]{16,}"),
    _format("a Discord webhook", "/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{10,}/[\w-]{30,}"),
    _prefixed("a Stripe key", "_live_ _test_ whsec_", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,}"),
    _prefixed("an Anthropic key", "sk-ant-", r"sk-ant-[\w-]{20,}"),
    _prefixed("an OpenAI key", "sk-", r"sk-(?:[a-z]+(?:-v\d)?-)?[A-Za-z0-9_]{20,}[\w-]*"),
    _prefixed("a Hugging Face token", "hf_ api_org_", r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    _prefixed("a Google API key", "aiza", r"AIza[\w-]{35}"),
    _prefixed("a Google OAuth secret", "gocspx- ya29.", r"GOCSPX-[\w-]{20,}|ya29\.[\w-]{20,}"),
    _prefixed("an npm token", "npm_", r"npm_[A-Za-z0-9]{30,}"),
    _prefixed("a PyPI token", "pypi-", r"pypi-[\w-]{50,}"),
    _prefixed("a SendGrid key", "sg.", r"SG\.[\w-]{16,64}\.[\w-]{16,64}"),
    _prefixed("a Twilio key", "ac sk", r"(?:AC|SK)[0-9a-f]{32}"),
    _prefixed("a Weights & Biases key", "wandb", r"wandb_v\d+_\w{20,}|wandb[ ]+login[ ]+(?:--\w+[ ]+)*[0-9a-f]{40}"),
    _prefixed("a Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    _prefixed("a Replicate token", "r8_", r"r8_[A-Za-z0-9]{30,}"),
    _prefixed("a Databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    _prefixed("a DigitalOcean token", "_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    _prefixed("a Telegram bot token", ":aa", r"\d{8,10}:AA[\w-]{33}"),
    _prefixed("a JSON web token", "eyj", r"eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{10,}"),
    _format("an Azure account key", "accountkey accesskey", r"(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,}"),
    _format(
        "a presigned URL",
        "signature= sig=",
        r"(?:X-(?:Amz|Goog)-Signature=[0-9a-f]{32}|[?&;](?:sig|Signature)=[A-Za-z0-9%+/~_-]{27,})",
        flags=re.IGNORECASE,
    ),
    _format("a password in a URL", "://", r"""://[^\s/?#"'@:]{0,200}:([^\s/?#"'@]{1,300})@[\w\[{%]""", _is_url_password),
    _format("a token in a URL", "://", r"""://([^\s/?#"'@:]{8,300})@[\w\[{%]""", is_generated),
    _format(
        "a token in a URL",
        "key= token= secret= password=",
        r"""[?&](?:\w{0,30}[_-]?key|\w{0,30}token|\w{0,30}secret|password)=([^\s&?"'\#{}<>$]{8,300})""",
        is_generated,
        re.IGNORECASE,
    ),
    _format(
        "a password in a connection string",
        "password pwd",
        r"""[\w)][ ]?=[ ]?[^;\s,"'=]{1,200};?[ ]?(?<=[; ])(?:password|pwd)[ ]?=[ ]?([^\s;,"'{}()\[\]]{1,200})(?=[;\s"'])""",
        is_chosen,
        re.IGNORECASE,
    ),
    _format(
        "a token on a command line",
        "--",
        r"""--(?:\w{1,20}-){0,3}(?:password|passwd|token|secret|key)[ =]["']?([^\s"']{8,300})""",
        is_generated,
    ),
    _format(
        "an Authorization header", "basic", r"\bBasic[ ]+([A-Za-z0-9+/]{6,400}={0,2})(?![A-Za-z0-9])", _is_login, re.IGNORECASE
    ),
    _format(
        "an Authorization header",
        "bearer authorization",
        r"""(?:\bBearer|\bAuthorization["']?[ ]?[:=][ ]?["']?(?:Token|ApiKey)?)[ ]+([\w.~+/=-]{10,})""",
        is_generated,
        re.IGNORECASE,
    ),
)

_HOME = re.compile(r"(?<![\w.~}])/(?:home|Users)/\w[\w.@-]*(?=[/\\\s\"']|$)|\b[A-Za-z]:[\\/]{1,2}Users[\\/]{1,2}\w", re.MULTILINE)
# Without `x@self.fc` (a product), `git@host:path` (an address of ssh), `@a.b` (a decorator) and the domains kept for examples.
_DOMAIN = re.compile(
    r"""@(?!self\.|(?:[\w-]+\.){0,3}example\.)(?:[\w-]{1,63}\.){1,5}
    (?:com|org|net|edu|gov|mil|int|info|biz|dev|app|cloud|tech|health|hospital|science|clinic|email|name|[a-z]{2})
    (?!\.?\w|[(\[-]|:[\w/~])""",
    re.VERBOSE,
)
_MAILBOX = re.compile(r"(?:(?<![\w.+/:@-])|(?<=mailto:))(?!git$)[\w+][\w.+-]{0,63}$")


def tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """Yields where each credential of a known form begins in a text, its kind, and the credential."""
    lowered, taken = text.lower(), bytearray(len(text))
    for form in _FORMATS:
        if not any(hint in lowered for hint in form.hints):
            continue
        for match in form.pattern.finditer(text):
            group = match.lastindex or 0
            start, end = match.span(group)
            if form.counts(match[group]) and not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                yield start, form.kind, match[group]


def personal(text: str) -> Iterator[tuple[int, str]]:
    """Yields where a text names a person rather than a secret: home folders and e-mail addresses."""
    if "/home/" in text or "Users" in text:
        yield from ((match.start(), "a path in a home folder") for match in _HOME.finditer(text))
    if "@" in text:
        for match in _DOMAIN.finditer(text):
            if _MAILBOX.search(text[max(0, match.start() - 80) : match.start()]):
                yield match.start(), "an e-mail address"
