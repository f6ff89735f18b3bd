"""What every engine promises, asked of all of them: replay, openai, batch_api, hf, vllm, vllm_server, ray."""

import json
import multiprocessing
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import asking
import pytest
from fake_batches import FakeBatches
from fake_server import FakeServer

from tracegen import registry
from tracegen.records import Completion, Request, UsageError

MAX_TOKENS = 6
requests = partial(asking.requests, problem="What is {} + 1?", temperature=1.0, max_tokens=MAX_TOKENS)
Engine = Callable[[Iterable[Request | None]], Iterator[tuple[Request, Completion]]]

needs_vllm = [pytest.mark.vllm, pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")]
needs_hf = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
needs_openai = pytest.mark.skipif(find_spec("aiohttp") is None, reason="aiohttp is not installed")


@dataclass
class Case:
    """An engine with its options, and how many requests it may draw beyond those it has answered."""

    engine: Engine
    ahead: int
    left_behind: Callable[[], bool] = lambda: False
    goes_on: bool = False
    """It has a model that can go on with an answer that was cut off."""


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


def batch_api_case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    # Batches that were begun are left where they are, so nothing is left behind here.
    with FakeBatches(looks=1) as server:
        options = {"batch_size": 4, "batches_in_flight": 2, "gather_seconds": 0.05, "poll_seconds": 0.02}
        bound = engine("batch_api", "fake", base_url=server.base_url, **options)
        yield Case(partial(bound, folder=tmp_path_factory.mktemp("batches")), ahead=8)


def vllm_server_case(model: str) -> Iterator[Case]:
    options = {"max_num_seqs": 8, "concurrency": 4, "env": {"VLLM_CPU_KVCACHE_SPACE": "1"}}
    options["engine_kwargs"] = {"kv_cache_memory_bytes": 1 << 28}
    yield Case(engine("vllm_server", model, **options), ahead=8 + 1, left_behind=_a_server_lives, goes_on=True)


def _a_server_lives() -> bool:
    return bool(subprocess.run(["pgrep", "-f", "vllm.entrypoints.openai.api_server --model .*tiny_model"]).stdout)


def hf_case(model: str) -> Iterator[Case]:
    yield Case(engine("hf", model, batch_size=4), ahead=4, goes_on=True)


def vllm_case(model: str) -> Iterator[Case]:
    options = {"max_num_seqs": 4, "engine_kwargs": {"kv_cache_memory_bytes": 1 << 28}}
    yield Case(engine("vllm", model, **options), ahead=4 + 1, left_behind=_engine_core_lives, goes_on=True)


def _engine_core_lives() -> bool:
    return any(process.name.startswith("EngineCore") for process in multiprocessing.active_children())


def ray_case(model: str) -> Iterator[Case]:
    options = {"max_num_seqs": 4, "engine_kwargs": {"kv_cache_memory_bytes": 1 << 28}, "address": "local"}
    yield Case(engine("ray", model, **options), ahead=4 + 1, left_behind=_a_cluster_lives, goes_on=True)


def _a_cluster_lives() -> bool:
    import ray

    return ray.is_initialized()


CASES = [
    "replay",
    pytest.param("openai", marks=needs_openai),
    pytest.param("batch_api", marks=needs_openai),
    pytest.param("hf", marks=needs_hf),
    pytest.param("vllm", marks=needs_vllm),
    pytest.param("vllm_server", marks=[*needs_vllm, needs_openai, pytest.mark.soak]),
    pytest.param("ray", marks=[*needs_vllm, needs_ray, pytest.mark.soak]),
]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    makers: dict[str, Callable[[], Iterator[Case]]] = {
        "replay": partial(replay_case, tmp_path_factory),
        "openai": openai_case,
        "batch_api": partial(batch_api_case, tmp_path_factory),
        "hf": lambda: hf_case(request.getfixturevalue("tiny_model")),
        "vllm": lambda: vllm_case(request.getfixturevalue("tiny_model")),
        "vllm_server": lambda: vllm_server_case(request.getfixturevalue("tiny_model")),
        "ray": lambda: ray_case(request.getfixturevalue("tiny_model")),
    }
    yield from makers[request.param]()


@dataclass
class Outcome:
    """What one life of an engine showed; loading is paid once."""

    answered: list[tuple[Request, Completion]]
    most_ahead: int
    slept_without_work: bool
    whole: Completion | None
    """A greedy answer of so many tokens twice over, where the engine goes on."""
    gone_on: Completion | None
    """The same, cut off after half of them and gone on with."""


@pytest.fixture(scope="module")
def outcome(case: Case) -> Outcome:
    """Thirty requests with "nothing yet" in front, in between, and while nothing is in flight; at last one in parts."""
    asked = requests(30)
    extra: dict[str, Completion] = {}
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
        if case.goes_on:
            yield from in_two_parts()

    def in_two_parts() -> Iterator[Request | None]:
        whole = replace(requests(1, temperature=0.0, max_tokens=2 * MAX_TOKENS)[0], key="whole")
        half = replace(requests(1, temperature=0.0)[0], key="half")
        yield from (whole, half)
        while len(extra) < 2:
            yield None
        prefix = extra["half"].text
        yield replace(whole, key="rest", prefix=prefix, prefix_tokens=extra["half"].completion_tokens or 0)

    answered = []
    for request, completion in case.engine(stream()):
        if request.key.startswith("k"):
            yielded += 1
            answered.append((request, completion))
        else:
            extra[request.key] = completion
    return Outcome(answered, most_ahead, slept, extra.get("whole"), extra.get("rest"))


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


def test_an_answer_that_was_cut_off_goes_on_as_if_it_had_not_been(case: Case, outcome: Outcome) -> None:
    if not case.goes_on:
        pytest.skip("there is no model in it")
    whole, gone_on = outcome.whole, outcome.gone_on
    assert whole is not None
    assert gone_on is not None
    assert gone_on.error is None
    assert gone_on.text == whole.text
    assert (gone_on.prefix_tokens, gone_on.completion_tokens) == (MAX_TOKENS, MAX_TOKENS)
    assert gone_on.finish_reason == whole.finish_reason == "length"
    assert gone_on.prompt_tokens == (whole.prompt_tokens or 0) + MAX_TOKENS


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
