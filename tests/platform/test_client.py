"""How the platform's API is talked to: who we are, what is sent again, what an error says, and what nobody may see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from reson_jupyter import ResonTechConfig
from reson_jupyter.backend.platform import retries
from reson_jupyter.backend.platform.api import Platform as Api
from reson_jupyter.backend.platform.client import Client
from reson_jupyter.errors import PlatformError, TargetError
from tests.servers import serving

from .account import EMAIL, PASSWORD
from .answers import WireFault
from .app import LOGIN, Platform

BUCKET = "GET /api/users/storage/bucket"
TASKS = "POST /api/tasks"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def client(platform: Platform) -> Client:
    return Client(ResonTechConfig())


def shown(raised: pytest.ExceptionInfo[BaseException]) -> str:
    return f"{raised.value} {raised.value!r}"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "no platform key is set"),
        ("sk-predict-1234", "what RESON_API_KEY holds is no platform key"),
        ("rsk_live_", "what RESON_API_KEY holds is no platform key"),
        ("rsk_live_abc\nX-Evil: 1", "what RESON_API_KEY holds is no platform key"),
    ],
)
def test_what_cannot_be_a_key_is_told_before_anything_is_asked(platform: Platform, key: str, message: str) -> None:
    with pytest.raises(TargetError, match=message) as raised:
        Client(ResonTechConfig(platform_api_key=key))
    assert platform.asked == []
    assert "predict" not in shown(raised)
    assert "Evil" not in shown(raised)


def test_a_key_may_have_been_pasted_with_blanks_around_it(platform: Platform) -> None:
    client = Client(ResonTechConfig(platform_api_key=f" {platform.account.key}\n"))
    assert Api(client).bucket() == platform.account.bucket


def test_without_an_address_the_known_ones_are_named() -> None:
    with pytest.raises(TargetError, match="RESON_BASE_URL"):
        Client(ResonTechConfig(base_url="", platform_api_key="rsk_dev_x"))


@pytest.mark.parametrize(
    ("base_url", "bucket", "pages"),
    [
        ("https://api.reson.tech", "https://s3.reson.tech", "https://reson.tech"),
        ("https://api.beta.reson.tech/", "https://s3.beta.reson.tech", "https://beta.reson.tech"),
        ("https://dev.api.beta.reson.tech", "https://s3.dev.beta.reson.tech", "https://dev.beta.reson.tech"),
        ("https://api.clinic.example.org", "", ""),
    ],
)
def test_the_other_addresses_follow_from_the_apis(
    monkeypatch: pytest.MonkeyPatch, base_url: str, bucket: str, pages: str
) -> None:
    monkeypatch.delenv("RESON_S3_ENDPOINT", raising=False)
    monkeypatch.delenv("RESON_DASHBOARD_URL", raising=False)
    connection = ResonTechConfig(base_url=base_url)
    assert (connection.s3_endpoint, connection.dashboard_url) == (bucket, pages)
    named = ResonTechConfig(base_url=base_url, s3_endpoint="https://s3.example.org", dashboard_url="https://ui.example.org")
    assert (named.s3_endpoint, named.dashboard_url) == ("https://s3.example.org", "https://ui.example.org")


def test_a_refused_key_is_called_a_key_with_the_platforms_own_words(platform: Platform, client: Client) -> None:
    key = platform.account.key
    platform.account.keys = {"rsk_dev_another"}
    with pytest.raises(PlatformError) as raised:
        client.get("/api/users/storage/bucket")
    assert raised.value.status == 401
    assert raised.value.code == "invalid_api_key"
    assert raised.value.message == "the platform key was refused (401 invalid_api_key): The API key is invalid or was revoked"
    assert raised.value.hint == "Mint a new key at Profile > Developer."
    assert key not in shown(raised)
    assert platform.asked == [BUCKET]


def test_an_account_without_a_bucket_learns_where_to_make_one(platform: Platform, client: Client) -> None:
    platform.account.bucket = ""
    with pytest.raises(PlatformError, match="the account has no bucket") as raised:
        Api(client).bucket()
    assert "Provision Bucket" in str(raised.value)


def test_several_messages_are_one_line(platform: Platform, client: Client) -> None:
    answer = {"code": "x", "message": ["name must be text", "size must be\n a number"], "hint": "Look it up."}
    platform.faults.append(WireFault(TASKS, answer=(400, answer)))
    with pytest.raises(PlatformError) as raised:
        client.post("/api/tasks", {})
    assert str(raised.value) == "the platform refused it (400 x): name must be text; size must be a number\n  Look it up."


def test_what_the_platform_says_is_shown_without_what_opens_anything(platform: Platform, client: Client) -> None:
    key = platform.account.key
    said = f"cannot PUT https://s3.example.org/b/k?X-Amz-Signature=abc&x=1 with {key}"
    platform.faults.append(WireFault(BUCKET, answer=(400, {"message": said})))
    with pytest.raises(PlatformError) as raised:
        client.get("/api/users/storage/bucket")
    assert "cannot PUT https://s3.example.org/b/k?... with ***" in str(raised.value)
    assert key not in shown(raised)
    assert "Signature" not in shown(raised)


@pytest.mark.parametrize("page", ["<html><b>Bad Gateway</b></html>", "", "x" * 5000])
def test_a_page_of_a_proxy_is_not_shown(platform: Platform, client: Client, page: str) -> None:
    platform.faults.append(WireFault(BUCKET, answer=(418, page)))
    with pytest.raises(PlatformError, match="the platform refused it \\(418\\)") as raised:
        client.get("/api/users/storage/bucket")
    assert len(str(raised.value)) < 400
    assert "<html>" not in str(raised.value)


def test_an_answer_that_is_no_json_is_told(platform: Platform, client: Client) -> None:
    platform.faults.append(WireFault(BUCKET, answer=(200, "<html>Welcome</html>")))
    with pytest.raises(PlatformError, match="no JSON") as raised:
        client.get("/api/users/storage/bucket")
    assert "https://api.reson.tech" in str(raised.value)


@pytest.mark.parametrize(
    "fault",
    [
        WireFault(BUCKET, times=3, answer=(503, "")),
        WireFault(BUCKET, times=3, answer=(500, {"message": "oops"})),
        WireFault(BUCKET, times=2, answer=(429, ""), headers={"Retry-After": "0"}),
        WireFault(BUCKET, times=2, answer=(429, ""), headers={"Retry-After": "soon"}),
        WireFault(BUCKET, times=2, reset=True),
        WireFault(BUCKET, times=2, lost=True),
    ],
)
def test_a_question_is_asked_again(platform: Platform, client: Client, fault: WireFault) -> None:
    times = fault.times
    platform.faults.append(fault)
    assert Api(client).bucket() == platform.account.bucket
    assert platform.asked == [BUCKET] * (times + 1)


def test_a_server_may_say_how_long_to_wait(platform: Platform, client: Client, pauses: list[float]) -> None:
    platform.faults.append(WireFault(BUCKET, answer=(429, ""), headers={"Retry-After": "7"}))
    Api(client).bucket()
    assert pauses == [7.0]


def test_a_pause_of_hours_is_not_waited_for(platform: Platform, client: Client, pauses: list[float]) -> None:
    platform.faults.append(WireFault(BUCKET, times=99, answer=(429, {"message": "slow down"}), headers={"Retry-After": "7200"}))
    with pytest.raises(PlatformError, match="429"):
        Api(client).bucket()
    assert pauses == [30.0] * 4


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (WireFault(TASKS, answer=(503, {"message": "busy"})), 503),
        (WireFault(TASKS, answer=(429, {"message": "slow down"}), headers={"Retry-After": "0"}), 429),
        (WireFault(TASKS, reset=True), 0),
        (WireFault(TASKS, lost=True), 0),
    ],
)
def test_what_may_do_harm_twice_is_sent_once(platform: Platform, client: Client, fault: WireFault, status: int) -> None:
    platform.faults.append(fault)
    with pytest.raises(PlatformError) as raised:
        client.post("/api/tasks", {"name": "x"})
    assert raised.value.status == status
    assert platform.asked == [TASKS]


def test_an_answer_is_not_waited_for_without_end(platform: Platform, client: Client) -> None:
    thinks = threading.Event()
    platform.faults.append(WireFault(TASKS, until=thinks))
    with pytest.raises(PlatformError, match="does not answer in time"):
        client.post("/api/tasks", {}, timeout=0.2)
    thinks.set()


def test_nobody_there_is_told_soon(platform: Platform, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.5)
    with serving(BaseHTTPRequestHandler) as gone:
        pass
    with pytest.raises(PlatformError, match="RESON_BASE_URL"):
        Client(ResonTechConfig(base_url=gone)).get("/api/users/storage/bucket")
    assert len(pauses) == 2 and sum(pauses) < 2.5


class Elsewhere:
    """A server that notes who asks it with which headers."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        elsewhere = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                elsewhere.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("ETag", '"tag"')
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    server = Elsewhere()
    with serving(server.handler()) as server.url:
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed_to_another_server(platform: Platform, client: Client, elsewhere: Elsewhere, status: int) -> None:
    for route in (BUCKET, TASKS):
        platform.faults.append(WireFault(route, answer=(status, ""), headers={"Location": f"{elsewhere.url}/api"}))
    with pytest.raises(PlatformError, match="sends us on to"):
        client.get("/api/users/storage/bucket")
    with pytest.raises(PlatformError, match="sends us on to"):
        client.post("/api/tasks", {"name": "x"})
    assert elsewhere.headers == []


def test_on_the_same_server_a_question_is_followed(platform: Platform, client: Client) -> None:
    platform.faults.append(WireFault("GET /api/old", answer=(308, ""), headers={"Location": "/api/users/storage/bucket"}))
    assert client.get("/api/old")["bucketAlias"] == platform.account.bucket


def test_only_the_key_says_who_we_are(
    platform: Platform, client: Client, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert Api(client).bucket() == platform.account.bucket
    with (tmp_path / "part").open("wb+") as part:
        part.write(b"data")
        client.put(f"{elsewhere.url}/b/k?X-Amz-Signature=s", part, threading.Event())
    assert "authorization" not in elsewhere.headers[0]
    assert "content-type" not in elsewhere.headers[0]


def test_data_is_not_sent_for_everybody_to_see(platform: Platform, client: Client, tmp_path: Path) -> None:
    with (
        (tmp_path / "part").open("wb+") as part,
        pytest.raises(PlatformError, match=r"s3\.example\.org over plain http") as raised,
    ):
        client.put("http://s3.example.org/b/k?X-Amz-Signature=s", part, threading.Event())
    assert "Signature" not in shown(raised)


class TestLogin:
    """Deployments that know e-mail and password."""

    @pytest.fixture
    def client(self, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Client:
        monkeypatch.delenv("RESON_API_KEY")
        platform.hidden -= set(LOGIN)
        return Client(ResonTechConfig(email=EMAIL, password=PASSWORD))

    def test_one_login_serves_many_requests(self, platform: Platform, client: Client) -> None:
        assert {Api(client).bucket() for _ in range(3)} == {platform.account.bucket}
        assert platform.asked == [LOGIN[0], BUCKET, BUCKET, BUCKET]

    def test_a_token_that_has_run_out_is_renewed_by_the_cookie(self, platform: Platform, client: Client) -> None:
        Api(client).bucket()
        platform.account.expire_tokens()
        assert Api(client).bucket() == platform.account.bucket
        assert platform.asked == [LOGIN[0], BUCKET, BUCKET, LOGIN[1], BUCKET]

    def test_and_by_a_login_when_the_cookie_has_run_out_too(self, platform: Platform, client: Client) -> None:
        Api(client).bucket()
        platform.account.expire_tokens(and_sessions=True)
        assert Api(client).bucket() == platform.account.bucket
        assert platform.account.logins == 2

    def test_a_wrong_password_is_called_so_and_not_shown(self, platform: Platform, client: Client) -> None:
        wrong = Client(ResonTechConfig(email=EMAIL, password="not-the-one"))
        with pytest.raises(PlatformError, match="the e-mail or the password was refused") as raised:
            Api(wrong).bucket()
        assert "not-the-one" not in shown(raised)

    def test_a_deployment_without_a_login_is_told_as_such(self, platform: Platform, client: Client) -> None:
        platform.hidden |= set(LOGIN)
        with pytest.raises(PlatformError, match="404") as raised:
            Api(client).bucket()
        assert "RESON_API_KEY" in str(raised.value)


def test_a_job_is_found_on_any_page() -> None:
    rows = [{"jobId": f"cmp{number}", "jobName": f"run-{number}", "state": "QUEUED"} for number in range(250)]
    asked: list[tuple[int, int]] = []

    class Pages:
        def get(self, path: str, limit: int, offset: int) -> list[dict[str, str]]:
            asked.append((limit, offset))
            return rows[offset : offset + min(limit, 60)]  # a server with a limit of its own

    found = Api(Pages()).find("run-249")  # type: ignore[arg-type]
    assert found is not None
    assert found.id == "cmp249"
    assert asked[-1] == (100, 240)
    assert Api(Pages()).find("run-250") is None  # type: ignore[arg-type]


def test_a_platform_that_knows_no_pages_is_not_asked_for_ever() -> None:
    class Same:
        def get(self, path: str, limit: int, offset: int) -> list[dict[str, str]]:
            return [{"jobId": "cmp1", "jobName": "another", "state": "QUEUED"}]

    assert Api(Same()).find("mine") is None  # type: ignore[arg-type]


def test_an_id_that_is_no_part_of_an_address_is_no_job(platform: Platform, client: Client) -> None:
    platform.faults.append(WireFault(TASKS, answer=(201, {"id": "../users", "status": "QUEUED"})))
    with pytest.raises(PlatformError, match="did not say its id"):
        Api(client).submit({})
