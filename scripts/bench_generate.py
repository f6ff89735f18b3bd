"""Output tokens per second of our vLLM engine against a bare `vllm.LLM.generate`: same prompts, same sampling.

Each side has a process of its own and is loaded and warmed up before anything is timed; then the two take turns. Prints
a line a round, the medians, and their ratio. `Side` is what takes part: a context manager that gives a function from
requests to the number of completion tokens.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tracegen.engines._core import prepare, running
from tracegen.engines.vllm import Prompts, sampling_params, vllm
from tracegen.records import Request

Side = Callable[[str, dict[str, Any]], AbstractContextManager[Callable[[Sequence[Request]], int]]]


@contextmanager
def bare(model: str, engine_args: dict[str, Any]) -> Iterator[Callable[[Sequence[Request]], int]]:
    """`vllm.LLM.generate` with all prompts in one call."""
    from vllm.inputs import TokensPrompt

    with running(talkative=prepare(), model=model, **engine_args) as (llm, _):
        prompts = Prompts(llm)

        def generate(requests: Sequence[Request]) -> int:
            outputs = llm.generate(
                [TokensPrompt(prompt_token_ids=prompts.render(request)[0]) for request in requests],
                [sampling_params(request.sampling) for request in requests],
                use_tqdm=False,
            )
            return sum(len(output.outputs[0].token_ids) for output in outputs)

        yield generate


@contextmanager
def engine(model: str, engine_args: dict[str, Any]) -> Iterator[Callable[[Sequence[Request]], int]]:
    """The engine `vllm`, through plain iteration; it stays loaded between rounds because its stream says "not yet"."""
    waiting: list[Request] = []

    def stream() -> Iterator[Request | None]:
        while True:
            yield waiting.pop(0) if waiting else None

    completions = vllm(stream(), model=model, engine_kwargs=engine_args)

    def generate(requests: Sequence[Request]) -> int:
        waiting.extend(requests)
        return sum(completion.completion_tokens or 0 for _, completion in islice(completions, len(requests)))

    try:
        yield generate
    finally:
        completions.close()  # type: ignore[attr-defined]


SIDES: dict[str, Side] = {"LLM.generate": bare, "engine vllm": engine}


def requests_of(path: Path, count: int, max_tokens: int, temperature: float, salt: int) -> list[Request]:
    """One seeded sample of each problem; `salt` keeps rounds from finding their prompts in the prefix cache."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    sampling = {"temperature": temperature, "max_tokens": max_tokens}
    return [
        Request(
            key=f"{salt}.{number}",
            problem_id=str(row.get("id", number)),
            teacher="bench",
            sample=0,
            messages=({"role": "user", "content": f"({salt}) {row['statement']}"},),
            sampling=sampling | {"seed": salt * 100_000 + number},
        )
        for number, row in enumerate(islice(rows, count))
    ]


def serve(name: str, model: str, engine_args: dict[str, Any], pipe: Connection) -> None:
    """A side in a process of its own: takes requests, gives back tokens and seconds; None ends it."""
    with SIDES[name](model, engine_args) as generate:
        for requests in iter(pipe.recv, None):
            start = time.perf_counter()
            pipe.send((generate(requests), time.perf_counter() - start))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--problems", type=Path, default=Path("data/quickstart.jsonl"))
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--max-num-seqs", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    shape = (arguments.problems, arguments.count, arguments.max_tokens, arguments.temperature)
    spawn = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name in SIDES:
        pipes[name], theirs = spawn.Pipe()
        spawn.Process(
            target=serve, args=(name, arguments.model, {"max_num_seqs": arguments.max_num_seqs}, theirs)
        ).start()
        pipes[name].send(requests_of(*shape, salt=0)[:8])
        pipes[name].recv()
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    for number in range(1, arguments.rounds + 1):
        requests = requests_of(*shape, salt=number)
        for name, pipe in pipes.items():
            pipe.send(requests)
            tokens, seconds = pipe.recv()
            rates[name].append(tokens / seconds)
            print(f"round {number}  {name:14} {tokens:7} tokens  {seconds:6.1f} s  {tokens / seconds:7.1f} tokens/s")
    for pipe in pipes.values():
        pipe.send(None)
    base, ours = (statistics.median(rates[name]) for name in SIDES)
    print(f"median of {arguments.rounds}: {base:.1f} and {ours:.1f} output tokens/s, ratio {ours / base:.3f}")


if __name__ == "__main__":
    main()
