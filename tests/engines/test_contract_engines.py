"""What every engine promises, asked of all of them: replay, openai (two servers), hf, vllm."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest
from fake_server import FakeServer

from tracegen import registry
from tracegen.records import Completion, Request, UsageError

MAX_TOKENS = 6
Engine = Callable[[Iterable[Request | None]], Iterator[tuple[Request, Completion]]]

needs_vllm = [pytest.mark.vllm, pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")]
needs_hf = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
needs_openai = pytest.mark.skipif(find_spec("openai") is None, reason="openai is not installed")


@dataclass
class Case:
    """An engine with its options, and how many requests it may draw beyond those it has answered."""

    engine: Engine
    ahead: int
    left_behind: Callable[[], bool] = lambda: False


def requests(count: int, **sampling: Any) -> list[Request]:
    return [
        Request(
            key=f"k{number}",
            problem_id=f"p{number}",
            teacher="t",
            sample=0,
            messages=({"role": "user", "content": f"What is {number} + 1?"},),
            sampling={"temperature": 1.0, "max_tokens": MAX_TOKENS, "seed": number} | sampling,
        )
        for number in range(count)
    ]


def engine(name: str, model: str, **options: Any) -> Engine:
    return registry.bind("engine", name, options, model=model)


def replay_case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    path = tmp_path_factory.mktemp("replay") / "replies.jsonl"
    row = {"text": "a b c d e f", "finish_reason": "length", "prompt_tokens": 5, "completion_tokens": MAX_TOKENS}
    path.write_text("".join(json.dumps(row | {"key": f"k{number}"}) + "\n" for number in range(100)), "utf-8")
    yield Case(engine("replay", "any", path=str(path)), ahead=1)


def openai_case() -> Iterator[Case]:
    with FakeServer(latency=0.01) as server:
        yield Case(
            engine("openai", "fake", base_url=server.base_url, concurrency=4),
            ahead=8,
            left_behind=lambda: server.in_flight > 0,
        )


def vllm_server_case(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--model", model, "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port)]
    # The CPU build cannot go on with a seeded request whose prompt was split.
    arguments += ["--enforce-eager", "--no-enable-chunked-prefill", "--max-num-seqs", "8"]
    # What the in-process engine has set for itself is not for a server.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VLLM_")}
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = (tmp_path_factory.mktemp("server") / "server.log").open("w+b")
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments]
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 240
        while not _answers(f"http://127.0.0.1:{port}/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                pytest.fail(f"the vLLM server did not start:\n{log.read().decode()[-3000:]}")
            time.sleep(0.5)
        yield Case(engine("openai", "tiny", base_url=f"http://127.0.0.1:{port}/v1", concurrency=4), ahead=8)
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2):
            return True
    except OSError:
        return False


def hf_case(model: str) -> Iterator[Case]:
    yield Case(engine("hf", model, batch_size=4), ahead=4)


def vllm_case(model: str) -> Iterator[Case]:
    options = {"max_num_seqs": 4, "engine_kwargs": {"kv_cache_memory_bytes": 1 << 28}}
    yield Case(engine("vllm", model, **options), ahead=4 + 1, left_behind=_engine_core_lives)


def _engine_core_lives() -> bool:
    return any(process.name.startswith("EngineCore") for process in multiprocessing.active_children())


CASES = [
    "replay",
    pytest.param("openai", marks=needs_openai),
    pytest.param("hf", marks=needs_hf),
    pytest.param("vllm", marks=needs_vllm),
    pytest.param("vllm_server", marks=[*needs_vllm, needs_openai]),
]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    makers: dict[str, Callable[[], Iterator[Case]]] = {
        "replay": partial(replay_case, tmp_path_factory),
        "openai": openai_case,
        "hf": lambda: hf_case(request.getfixturevalue("tiny_model")),
        "vllm": lambda: vllm_case(request.getfixturevalue("tiny_model")),
        "vllm_server": lambda: vllm_server_case(request.getfixturevalue("tiny_model"), tmp_path_factory),
    }
    yield from makers[request.param]()


@dataclass
class Outcome:
    """What one life of an engine showed; loading is paid once."""

    answered: list[tuple[Request, Completion]]
    most_ahead: int
    slept_without_work: bool


@pytest.fixture(scope="module")
def outcome(case: Case) -> Outcome:
    """Thirty requests with "nothing yet" in front, in between, and while nothing is in flight."""
    asked = requests(30)
    drawn = yielded = most_ahead = 0
    slept = False

    def stream() -> Iterator[Request | None]:
        nonlocal drawn, most_ahead, slept
        yield None
        for number, request in enumerate(asked):
            if number % 7 == 3:
                yield None
            if number == 20:
                while yielded < drawn:
                    yield None
                start = time.monotonic()
                for _ in range(3):
                    yield None
                slept = time.monotonic() - start > 0.02
            drawn += 1
            most_ahead = max(most_ahead, drawn - yielded)
            yield request

    answered = []
    for pair in case.engine(stream()):
        yielded += 1
        answered.append(pair)
    return Outcome(answered, most_ahead, slept)


def test_every_request_is_answered_exactly_once(outcome: Outcome) -> None:
    assert sorted(request.key for request, _ in outcome.answered) == sorted(r.key for r in requests(30))
    assert [completion.error for _, completion in outcome.answered] == [None] * 30


def test_nothing_yet_is_waited_for_without_burning_the_processor(outcome: Outcome) -> None:
    assert outcome.slept_without_work


def test_requests_are_drawn_only_as_slots_free_up(case: Case, outcome: Outcome) -> None:
    assert 1 <= outcome.most_ahead <= case.ahead


def test_a_completion_says_why_it_ended_and_what_it_cost(outcome: Outcome) -> None:
    for _, completion in outcome.answered:
        assert completion.text
        assert completion.prompt_tokens
        assert completion.completion_tokens
        assert completion.completion_tokens <= MAX_TOKENS
        assert completion.finish_reason in ("stop", "length")
    cut = [c for _, c in outcome.answered if c.finish_reason == "length"]
    assert cut
    assert {c.completion_tokens for c in cut} == {MAX_TOKENS}


def test_closing_early_leaves_nothing_behind_and_the_engine_starts_again(case: Case) -> None:
    completions = case.engine(iter(requests(20)))
    next(completions)
    completions.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while case.left_behind() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not case.left_behind()


def test_without_a_request_nothing_is_loaded(case: Case) -> None:
    start = time.monotonic()
    assert list(case.engine(iter([None]))) == []
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("name", [pytest.param("hf", marks=needs_hf), pytest.param("vllm", marks=needs_vllm)])
def test_sampling_that_the_engine_does_not_take_is_refused_before_the_model_is_loaded(name: str) -> None:
    with pytest.raises(UsageError, match=f"engine '{name}' has no sampling 'temperatur'; it takes .*temperature"):
        list(engine(name, "/no/such/model")(requests(1, temperatur=1)))
