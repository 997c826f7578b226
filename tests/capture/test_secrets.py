"""What the scan finds in text that would ship, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reson_jupyter.worker
from reson_jupyter.capture.secrets.credential_names import is_stand_in
from reson_jupyter.capture.secrets.formats import _FORMATS
from reson_jupyter.capture.secrets.scan import Finding, scan, scan_files
from tests.patience import cpu_seconds

from .corpus import CASES
from .secrets_corpus import ALL, AWS_ID, GITHUB, HEX, HUB, INNOCENT, PEM, REQUIREMENTS, SECRETS, UPPER, Secret, made

HOME, MAIL = "a path in a home folder", "an e-mail address"


def blocking(text: str) -> list[tuple[int, str]]:
    return [(finding.line, finding.kind) for finding in scan(text) if finding.blocks]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: f"{secret.kind}: {secret.text[:20]!r}")
def test_a_secret_blocks_once_with_its_line_and_kind(secret: Secret) -> None:
    assert blocking(secret.text) == [(secret.line, secret.kind)]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: f"{secret.kind}: {secret.text[:20]!r}")
def test_a_finding_does_not_hold_the_value(secret: Secret) -> None:
    shown = "".join(repr(finding) + str(finding) + str(vars(finding)) for finding in scan(secret.text))
    assert shown and not any(secret.value[at : at + 7] in shown for at in range(len(secret.value) - 6))


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: f"{secret.kind}: {secret.text[:20]!r}")
def test_lines_before_a_secret_move_its_finding_and_nothing_else(secret: Secret) -> None:
    for lines in ("\n\n", "# a note\r\n\r\n", "\x0c\n# \u2028 \x85\n"):
        assert blocking(lines + secret.text) == [(secret.line + 2, secret.kind)]


@pytest.mark.parametrize("line", INNOCENT)
def test_an_innocent_line_is_left_alone(line: str) -> None:
    assert scan(line) == ()


@pytest.mark.parametrize("line", INNOCENT)
def test_an_innocent_line_is_left_alone_in_a_comment_and_in_text_that_is_no_python(line: str) -> None:
    assert scan(f"# {line}") == () and scan(f"!ls\n{line}") == ()


def test_the_corpus_is_large_and_has_every_form() -> None:
    assert len(SECRETS) >= 100 and len(INNOCENT) >= 120
    assert {form.kind for form in _FORMATS} <= {secret.kind for secret in SECRETS}


def test_innocent_lines_together_are_innocent() -> None:
    assert scan("\n".join(INNOCENT)) == ()


def test_requirement_lines_are_innocent() -> None:
    assert scan(REQUIREMENTS) == ()


def test_ordinary_cells_and_the_files_that_travel_are_innocent() -> None:
    travel = {file.name: file.read_bytes() for file in Path(reson_jupyter.worker.__file__).parent.glob("*.py")}
    cells = {case.name: case.text.encode() for case in CASES if not case.name.startswith("secrets")}
    assert travel and [found for found in scan_files(travel | cells) if found[1].blocks] == []


def test_every_secret_of_a_text_is_found_in_order() -> None:
    text = f"a = '{GITHUB}'\n\npassword = 'hunter2'\n# {HUB} and {AWS_ID}\n"
    assert blocking(text) == [(1, "a GitHub token"), (3, "a password"), (4, "a Hugging Face token"), (4, "an AWS access key")]


def test_a_secret_inside_a_text_of_many_lines_is_found_where_it_stands() -> None:
    assert blocking(f'x = """one\ntwo\n{GITHUB}\n{PEM}"""\n') == [(3, "a GitHub token"), (4, "a private key")]


def test_what_documents_use_as_an_example_is_no_secret_but_its_neighbour_is() -> None:
    # AWS's documented keys contain EXAMPLE, which is how they are told from real ones.
    real = AWS_ID[:-7] + "EXAMPLF"
    assert blocking(f"a = '{AWS_ID[:-7]}EXAMPLE'\nb = '{real}'") == [(2, "an AWS access key")]


@pytest.mark.parametrize(
    "text",
    [
        "root = '/home/ada/data'",
        "root = '/Users/ada/data'",
        "root = '/home/ada'",
        "# see /home/ada/notes.txt",
        "root = r'C:\\Users\\ada\\data'",
        "root = 'C:\\\\Users\\\\ada\\\\data'",
        "root = 'file:///home/ada/data'",
    ],
)
def test_a_path_in_a_home_folder_warns(text: str) -> None:
    assert scan(text) == (Finding(1, HOME, blocks=False),)


@pytest.mark.parametrize(
    "text",
    [
        "root = '~/data'",
        "root = Path.home() / 'data'",
        "root = '/data/home/x'",
        "root = f'/home/{user}/data'",
        "root = '/home/$USER/data'",
        "url = 'https://lab.io/home/news'",
        "root = '/mnt/home'",
    ],
)
def test_other_paths_do_not_warn(text: str) -> None:
    assert scan(text) == ()


@pytest.mark.parametrize(
    "text", ["# ada@lab.io", "author = 'Ada <ada.l@cs.lab.edu>'", "mail = 'mailto:ada@lab.ac.uk'", "# by ada+ml@lab.com."]
)
def test_an_e_mail_address_warns(text: str) -> None:
    assert scan(text) == (Finding(1, MAIL, blocks=False),)


@pytest.mark.parametrize(
    "text",
    [
        "@torch.no_grad\ndef f(): ...",
        "@x.io\ndef f(): ...",
        "# ada@example.com, ada@mail.example.org",
        "# git clone git@github.com:lab/pkg.git",
        "# scp ada@host.lab.io:/data .",
        "y = x@self.fc",
        "y = q@k.transpose(-2, -1)",
        "y = x@w.mT",
        "x = 'icon@2x.png'",
        "url = 'ssh://ada@host.lab.io/x'",
    ],
)
def test_what_only_resembles_an_e_mail_address_does_not_warn(text: str) -> None:
    assert scan(text) == ()


def test_files_are_scanned_by_name_and_what_is_no_text_is_left_out() -> None:
    files = {
        "scripts/model_def.py": b"\xef\xbb\xbfimport torch\npassword = 'hunter2'\n",
        "config/config.json": b'{"lr": 0.1,\n "password": "hunter2"}',
        "requirements.txt": b"torch\n# caf\xe9\n--extra-index-url https://ada:hunter2@pypi.lab/simple\n",
        "model.pt": b"\0password = 'hunter2'",
    }
    assert [(name, finding.line, finding.kind) for name, finding in scan_files(files)] == [
        ("scripts/model_def.py", 2, "a password"),
        ("config/config.json", 2, "a password"),
        ("requirements.txt", 3, "a password in a URL"),
    ]


def test_a_module_of_five_hundred_lines_takes_milliseconds() -> None:
    block = (
        "class Net{}(nn.Module):\n    def forward(self, tokens, key=None):\n        return self.proj(tokens, key='a' 'b')\n\n\n"
    )
    text = "".join(block.format(number) for number in range(100))
    assert cpu_seconds(lambda: scan(text), 5) < 0.05  # it takes about 6 ms; the rest is for slow machines


@pytest.mark.parametrize(
    "text",
    [
        "key" * 30_000,
        "'\n" + "# it's ' \n" * 5_000,
        "x = '" + made(100_000, ALL + "+/") + "'",
        "password = " * 10_000,
        "eyJ-" * 25_000,
        "://" + "a" * 100_000,
        "a" * 50_000 + "@" + "b." * 25_000,
        "x = 'a'" + " + 'a'" * 5_000,
        "[" * 50_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_more_than_its_length_in_time(text: str) -> None:
    assert cpu_seconds(lambda: scan(text)) < 2


@given(
    st.text(UPPER, min_size=16, max_size=16), st.sampled_from(["x = '{}'", "# {}", '{{"a": "{}"}}', "f(1, '{}')", "a\n{} b: ;"])
)
def test_every_aws_key_is_found_wherever_it_stands(tail: str, place: str) -> None:
    key = "AK" + "IA" + tail
    found = blocking(place.format(key))
    assert [kind for _, kind in found] == ([] if is_stand_in(key) else ["an AWS access key"])


@given(st.text(HEX, min_size=24, max_size=24), st.data())
def test_a_key_in_pieces_is_found(tail: str, data: st.DataObject) -> None:
    key = "G" + "K" + tail
    cuts = sorted(data.draw(st.lists(st.integers(1, len(key) - 1), min_size=1, max_size=3, unique=True)))
    pieces = [key[start:end] for start, end in zip([0, *cuts], [*cuts, len(key)], strict=True)]
    joint = data.draw(st.sampled_from([" ", " + ", "\n    ", " +\n    ", "  # a part\n    ", ""]))
    text = "import torch\nk = (" + joint.join(f'"{piece}"' for piece in pieces) + ")"
    assert blocking(text) == [(2, "a Garage access key")]


@given(
    st.sampled_from(
        ["sha256", "digest", "commit", "seed", "key", "cache_key", "checksum", "revision", "run_id", "image", "tokens_id"]
    ),
    st.integers(1, 200).flatmap(lambda size: st.text(HEX, min_size=size, max_size=size)),
    st.sampled_from(["{} = '{}'", "f({}='{}')", '{{"{}": "{}"}}', "# {}: {}", "%env {}={}"]),
)
def test_hex_under_an_innocent_name_is_left_alone(name: str, value: str, place: str) -> None:
    assert scan(place.format(name, value)) == ()


@given(
    st.sampled_from(["{} = '{}'", "f({}='{}')", '{{"{}": "{}"}}', "os.environ['{}'] = '{}'", "def f({}='{}'): ..."]), st.data()
)
def test_a_generated_value_under_a_credential_s_name_is_found(place: str, data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(["password", "API_KEY", "s3_secret", "clientSecret", "AWS_SECRET_ACCESS_KEY", "db_password"])
    )
    value = made(data.draw(st.integers(12, 64)), ALL, data.draw(st.integers()))
    assert len(blocking(place.format(name, value))) == (0 if is_stand_in(value) else 1)


@given(
    st.text()
    | st.lists(st.sampled_from([*INNOCENT, *(secret.text for secret in SECRETS), "'", '"""', "(", "\\", "\r", "\0"])).map("".join)
)
def test_no_text_makes_it_fail(text: str) -> None:
    found = scan(text)
    assert all(1 <= finding.line <= text.count("\n") + text.count("\r") + 1 for finding in found)
    assert [finding.line for finding in found] == sorted(finding.line for finding in found)


@given(st.dictionaries(st.text(), st.binary()))
def test_no_file_makes_it_fail(files: dict[str, bytes]) -> None:
    assert all(name in files for name, _ in scan_files(files))
