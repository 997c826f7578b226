"""Which names hold credentials, and which values under them are no placeholders."""

from __future__ import annotations

import re

# A quick look that spares nearly every name and text the closer one.
CREDENTIAL = re.compile(r"pass|pwd|secret|credential|token|auth|key|login", re.IGNORECASE)

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Under these every literal is a credential ("hunter2") unless it is plainly something else.
_SURE = re.compile(
    r"""(?:api|access|private|secret|account|encryption|signing|subscription|service|shared|master|auth|client)_?keys?(?![a-z])
    | (?:api|access|auth|refresh|bearer|oauth|session|bot|personal|hf|hub|github|gitlab|slack|wandb|platform)_?tokens?(?![a-z])
    | pass(?:word|wd|phrase|code)s?(?![a-z]) | (?<![a-z])(?:pwd|pswd|secret)s?(?![a-z])
    | (?<![a-z])(?:db|user|admin|root|ssh|s?ftp|smtp|e?mail|mysql|pg|redis)_?pass$
    """,
    re.VERBOSE,
)
# Under these only what looks generated is one: "token" is a word of language models, and S3 calls a file's name a key.
# Names come without digits, S3_KEY as "s_key".
_PERHAPS = re.compile(
    r"(?:^|_)(?:auth|tokens?|credentials?|authorization|bearer"
    r"|(?:kaggle|wandb|comet|neptune|openai|anthropic|azure|aws|s|storage|reson|platform|predict|license)_keys?)$"
)
_OF_LANGUAGE = re.compile(
    r"(?:^|_)(?:pad|cls|sep|unk|mask|bos|eos|sos|oov|start|end|stop|special|additional|image|video|audio|prefix|suffix|middle|next"
    r"|prev|first|last|new|word|sub|max|min|num|class|distill|register|decoder|encoder)_tokens?$"
)
# What is said about a credential is none: password_field, api_key_env, secret_sharing.
_ABOUT = re.compile(
    r"(?:^|_)public_|_(?:name|names|field|file|filename|path|dir|folder|env|var|variable|url|uri|type|types|kind|dim|size|len|length|count|ids?"
    r"|prompt|label|column|col|policy|version|format|pattern|regex|header|prefix|suffix|message|error|help|hint|title|text|doc"
    r"|desc|description|placeholder|mode|scheme|method|provider|backend|algorithm|algo|sharing|share|sharer|manager|store|scope"
    r"|hash|digest|arn|ref|status|source|class|module|encoder|embedding|position)$"
)
_WORDS = re.compile(
    r"(?:my|the|some|a)?[ _.-]?(?:db|user)?[ _.-]?(?:pass(?:word|wd|phrase)?|pwd?|secrets?|tokens?|credentials?|auth|(?:api"
    r"|access|private|secret|public)?[ _.-]?key|test(?:ing)?|demo|none|null|nil|true|false|empty|missing|unset|unknown|default"
    r"|hidden|required|optional|invalid|str(?:ing)?|text|bytes|bearer|basic|digest|oauth2?|jwt|sha\d+|md5|hmac|bcrypt|argon2|aes\d*|rsa"
    r"|env(?:ironment)?|keyring|prompt|vault|anonymous|guest|redacted|masked|tbd|n/?a)",
    re.IGNORECASE,
)
_STAND_IN = re.compile(
    r"""your(?![a-z0-9]{6}) | change.?(?:me|it|this) | example | placeholder | dummy | redacted | replace | insert[_ -] | fixme
    | (?:^|[_ -])(?:fake|foo|bar|baz|mock|todo|here)(?:$|[_ -]) | x{6} | ^x+$ | \*{3} | \.{3} | … | •• | ^\W*$
    | <[^>]+> | ^\[[^\]]*\]$ | \{[^}]*\} | ^\$[A-Z_]+$ | \$[({] | %\(\w+\) | %s$ | ^env[:.]""",
    re.VERBOSE | re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\s | ^\w+:// | ^~ | ^(?![A-Za-z0-9/]{40}$)\.{0,2}/[\w.-]+(?:/[\w.-]+)+$ | ^[A-Za-z]:[\\/]"  # prose, an address, a path
    r"| \.(?:json|pem|key|crt|cer|txt|env|ya?ml|toml|ini|cfg|p12|pub|zip|pt|pth|bin|csv|gz|npz?|model|safetensors|vocab)$"
    r"| ^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$",  # the name of an environment variable
    re.VERBOSE,
)
_RUN = re.compile(r"[A-Za-z0-9]{10,}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SWITCH = re.compile(r"[0-9]+|[a-z]+|[A-Z]+")
_LEAST = 4  # shorter values are options such as "-p"


def credential_kind(name: str, value: str, sure_only_if_mixed: bool = False) -> str | None:
    """Returns what a literal under a name is, such as "a password"; None if it is no credential.

    Args:
        name: A variable, argument, key or attribute, such as "DB_PASSWORD" or "apiKey".
        value: The literal.
        sure_only_if_mixed: Whether a value of letters alone is innocent, as in {"provider": "vault"} under "secrets".
    """
    if not CREDENTIAL.search(name):
        return None
    value = value.strip()
    words = "_".join(_PARTS.findall(name)).lower()
    end = _named_until(words)
    if end and not _ABOUT.search(words):
        mixed = sure_only_if_mixed or end < len(words)
        found = is_chosen(value) and not (mixed and re.fullmatch(r"\D*|\d*", value))
    else:
        found = bool(_PERHAPS.search(words)) and not _OF_LANGUAGE.search(words) and is_generated(value)
    return _kind(words) if found else None


def is_credential_name(name: str) -> bool:
    """Whether a name is that of a credential and of nothing else, such as "api_key"; "token" and "password_field" are not."""
    words = "_".join(_PARTS.findall(name)).lower()
    return bool(words) and _named_until(words) == len(words) and not _ABOUT.search(words) and not _OF_LANGUAGE.search(words)


def is_chosen(value: str) -> bool:
    """Whether a value may be a credential that a person chose, such as "hunter2": no placeholder, reference, path or prose."""
    if len(value) < _LEAST or _WORDS.fullmatch(value) or _ELSEWHERE.search(value) or is_stand_in(value):
        return False
    words = "_".join(_PARTS.findall(value)).lower()
    # {"password": "db_password"} maps one name to another, as does ACCESS_KEY = "aws_access_key_id".
    return not (value[-1:].isalpha() and words and _named_until(words.removesuffix("_id")) == len(words.removesuffix("_id")))


def is_generated(value: str) -> bool:
    """Whether a value looks made by a machine: a run of letters and digits that keep changing places."""
    if is_stand_in(value) or _ELSEWHERE.search(value):
        return False
    runs = (run for run in _RUN.findall(value) if not run.isalpha())
    return bool(_UUID.search(value)) or any(len(_SWITCH.findall(run)) > 3 for run in runs)


def is_stand_in(value: str) -> bool:
    """Whether a value only marks the place of another: "your-token-here", "<token>", "${TOKEN}", AWS's own ...EXAMPLE keys."""
    return bool(_STAND_IN.search(value))


def _named_until(words: str) -> int:
    """Where the last word for a sure credential ends; 0 if there is none."""
    return max((match.end() for match in _SURE.finditer(words)), default=0)


def _kind(words: str) -> str:
    if re.search(r"pass|pwd|pswd", words):
        return "a password"
    return "a token" if "token" in words or "bearer" in words else "a secret key"
