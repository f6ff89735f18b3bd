"""What headers, metrics and proxies say."""

import time
from email.utils import formatdate

import pytest

pytest.importorskip("aiohttp")

from tracegen.engines._http import Http, is_local
from tracegen.engines._metrics import Queue, read_metrics
from tracegen.engines._refusals import message, retry_after, used_up


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3s"}, 3723),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "tomorrow"}, None),
        ({"x-ratelimit-remaining-tokens": "0"}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == pytest.approx(seconds)


def test_a_date_to_come_back_at() -> None:
    assert retry_after({"retry-after": formatdate(time.time() + 90, usegmt=True)}) == pytest.approx(90, abs=2)
    assert retry_after({"retry-after": formatdate(time.time() - 90, usegmt=True)}) == 0


def test_the_longer_of_two_limits_counts() -> None:
    headers = {f"x-ratelimit-remaining-{what}": "0" for what in ("requests", "tokens")}
    assert used_up(headers | {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "5s"}) == 5


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"error": {"message": "no"}}', "no"),
        (b'{"error": "no"}', "no"),
        (b'{"message": "no"}', "no"),
        (b'{"detail": "no"}', "no"),
        (b'{"detail": [{"loc": ["body"]}]}', '[{"loc": ["body"]}]'),
        (b"<html>no</html>", "<html>no</html>"),
    ],
)
def test_what_is_wrong_is_found_in_any_of_its_places(payload: bytes, said: str) -> None:
    assert message(payload) == said


def test_vllm_tells_its_queue() -> None:
    page = (
        "# HELP vllm:num_requests_waiting Number of requests waiting.\n# TYPE vllm:num_requests_waiting gauge\n"
        'vllm:num_requests_waiting{engine="0",model_name="m"} 3.0\n'
        'vllm:num_requests_waiting{engine="1",model_name="m"} 4.0\n'
        'vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 9.0\n'
        'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25\n'
        'vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75\n'
        'vllm:num_preemptions_total{engine="0",model_name="m"} 2.0\n'
        'vllm:num_preemptions_created{engine="0",model_name="m"} 1.7e+09\n'
    )
    assert read_metrics(page) == Queue(waiting=7, kv_cache=0.75, preempted=2)
    page += 'vllm:num_requests_running{engine="0"} 5.0\n'
    page += 'vllm:prompt_tokens_total{engine="0"} 100.0\nvllm:generation_tokens_total{engine="0"} 23.0\n'
    assert read_metrics(page) == Queue(waiting=7, kv_cache=0.75, preempted=2, running=5, tokens=123)
    assert read_metrics("<html>not found</html>") is None


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]:80/v1", True),
        ("https://localhost.example.org/v1", False),
        ("https://127.example.org/v1", False),
        ("https://api.example.org/v1", False),
    ],
)
def test_what_is_on_this_machine(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_the_environments_proxy_is_honoured_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "inside.example.org")
    http = Http(None, 1.0)
    assert http.proxy("https://api.example.org/v1") == "http://proxy.example.org:3128"
    assert http.proxy("https://inside.example.org/v1") is None
    assert http.proxy("https://127.0.0.1:8000/v1") is None
    assert http.proxy("http://api.example.org/v1") is None


def test_the_key_is_not_shown() -> None:
    assert "sk-secret" not in repr(Http("sk-secret", 1.0))
