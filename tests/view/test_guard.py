"""A second look by somebody who means harm: names, tokens, methods, paths, headers."""

from contextlib import closing

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tracegen.view import app
from tracegen.view.guard import Guard
from tracegen.view.shelf import Shelf

PORT = 8642
TOKEN = "s3cret-" + "x" * 40
OWN = f"http://127.0.0.1:{PORT}"


def asked(token=None, base=OWN, inner=None, **more):
    inner = inner or Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("inside"))])
    return TestClient(Guard(inner, port=PORT, token=token, **more), base_url=base, follow_redirects=False)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_this_machines_own_names_are_answered(name):
    assert asked().get("/", headers={"Host": f"{name}:{PORT}"}).text == "inside"


def test_the_address_that_was_asked_for_is_answered():
    assert asked(name="127.0.0.2").get("/", headers={"Host": f"127.0.0.2:{PORT}"}).text == "inside"
    assert asked().get("/", headers={"Host": f"127.0.0.2:{PORT}"}).status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        f"evil.example:{PORT}",
        "evil.example",
        "127.0.0.1:80",
        "localhost",
        f"127.0.0.1:{PORT}.evil.example",
        f"localhost.evil.example:{PORT}",
        f"0.0.0.0:{PORT}",
        "",
    ],
)
def test_any_other_name_is_refused_so_that_no_page_can_point_its_own_here(host):
    answer = asked().get("/api/run", headers={"Host": host})
    assert answer.status_code == 403
    assert "inside" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_is_answered(method):
    answer = asked().request(method, "/api/run")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_page_of_another_site_may_lead_here_but_not_ask():
    def site(site, mode):
        return asked().get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}).status_code

    assert site("cross-site", "navigate") == 200
    assert site("cross-site", "cors") == site("cross-site", "no-cors") == site("same-site", "cors") == 403
    assert site("same-origin", "cors") == site("none", "navigate") == 200


def test_where_others_can_connect_nothing_is_said_without_the_token():
    client = asked(TOKEN, "http://example.org:8642")
    for attempt in (
        {},
        {"params": {"token": ""}},
        {"params": {"token": TOKEN[:-1]}},
        {"params": {"token": TOKEN + "x"}},
        {"params": {"token": "é\ud83d".encode("utf-8", "replace").decode()}},
        {"headers": {"Cookie": f"tracegen-view-{PORT}="}},
        {"headers": {"Cookie": "tracegen-view-1=" + TOKEN}},
        {"headers": {"Cookie": ";;;=\x01"}},
        {"headers": {"Authorization": "Bearer "}},
        {"headers": {"Authorization": "Basic " + TOKEN}},
    ):
        answer = client.get("/api/run", **attempt)
        assert answer.status_code == 401, attempt
        assert TOKEN not in answer.text
        assert "set-cookie" not in answer.headers


def test_the_token_becomes_a_cookie_and_leaves_the_address():
    client = asked(TOKEN, "http://example.org:8642")
    answer = client.get("/x", params={"token": TOKEN, "verdict": "right", "q": "a&b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/x?verdict=right&q=a%26b")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert client.get("/x").text == "inside"
    assert asked(TOKEN).get("/x", headers={"Authorization": f"Bearer {TOKEN}"}).text == "inside"


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example"])
def test_the_token_leads_to_no_other_machine(path):
    answer = asked(TOKEN).get(f"{OWN}{path}?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/")
    assert answer.headers["location"][1:2] not in ("/", "\\")


def test_every_answer_carries_the_policy():
    client = asked()
    for answer in (client.get("/"), client.post("/"), client.get("/", headers={"Host": "evil.example"})):
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert not any(weak in str(policy) for weak in ("unsafe", "*", "http", "data:", "blob:"))
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/katex/../../guard.py",
        "/static/",
        "/recipe.yaml",
        "/traces/0001.jsonl",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/trace/" + "a" * 5000,
        "/api/trace/%00",
        "/api/problem/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/static/" + "a/" * 3000,
    ],
)
def test_no_path_leads_out_of_the_page(curated, path):
    with closing(Shelf(curated[0].folder)) as shelf, asked(inner=app.application(shelf)) as client:
        answer = client.get(f"{OWN}{path}")
        assert answer.status_code in (400, 404)
        assert "import " not in answer.text
        assert "root:" not in answer.text
