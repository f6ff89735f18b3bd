"""Output tokens per second of generating and verifying, against a bare `vllm.LLM.generate`: same prompts and sampling.

    python scripts/bench_generate.py --model FOLDER --count 256 --samples 4

Each side has a process of its own and is loaded and warmed up before anything is timed; then the two take turns. Ours
is the house's own sampling path: requests, the ledger with its fsync, parsing, verdicts. Prints a line a round, the
medians, and their ratio.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tracegen import models, prompts, rows
from tracegen.engines._core import prepare, running
from tracegen.engines.vllm import Prompts, sampling_params, vllm
from tracegen.generate import Asker
from tracegen.ledger import read
from tracegen.recipe import Sampling
from tracegen.records import Completion, Problem, Request
from tracegen.sample import sample
from tracegen.verify import Judge

WARM_UP = 8
"""Problems asked before anything is timed."""


@dataclass(frozen=True)
class Round:
    """What both sides are given: the same problems, asked the same way. The number keeps prefix caches from helping."""

    number: int
    arguments: argparse.Namespace

    def problems(self) -> dict[str, Problem]:
        found = islice(rows.jsonl(str(self.arguments.problems)), self.arguments.count if self.number else WARM_UP)
        return {problem.id: replace(problem, statement=f"({self.number}) {problem.statement}") for problem in found}

    def asker(self, kind: type[Asker] = Asker, **more: Any) -> Any:
        given = self.arguments
        sampling = Sampling(n=given.samples, temperature=given.temperature, max_tokens=given.max_tokens)
        model = models.resolve(self.arguments.model)
        prompt = prompts.load(self.arguments.prompt)
        return kind("bench", model, "vllm", {}, prompt, "prompted", sampling, self.number, **more)


Side = Callable[[argparse.Namespace], AbstractContextManager[Callable[[Round], int]]]


@contextmanager
def bare(arguments: argparse.Namespace) -> Iterator[Callable[[Round], int]]:
    """`vllm.LLM.generate` with all prompts in one call."""
    from vllm.inputs import TokensPrompt

    model = models.resolve(arguments.model).path
    with running(talkative=prepare(), model=model, max_num_seqs=arguments.max_num_seqs) as (llm, _):
        renderer = Prompts(llm)

        def generate(given: Round) -> int:
            asker = given.asker()
            requests = [
                request
                for problem in given.problems().values()
                for request in map(asker.requests(problem), range(asker.sampling.n))
            ]
            outputs = llm.generate(
                [TokensPrompt(prompt_token_ids=renderer.render(request)[0]) for request in requests],
                [sampling_params(request.sampling) for request in requests],
                use_tqdm=False,
            )
            return sum(len(output.outputs[0].token_ids) for output in outputs)

        yield generate


@dataclass(frozen=True)
class Loaded(Asker):
    """An asker whose engine stays loaded between rounds."""

    engine_loop: "Loop | None" = None

    def engine_function(self, folder: Path | None = None) -> Callable[..., Iterator[tuple[Request, Completion]]]:
        assert self.engine_loop is not None
        return self.engine_loop


class Loop:
    """The engine `vllm` on a stream that never ends: between rounds it says "nothing yet"."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._requests: Iterator[Request | None] = iter(())
        self._more = False
        model = models.resolve(arguments.model).path
        self.completions = vllm(self._stream(), model=model, max_num_seqs=arguments.max_num_seqs)

    def __call__(self, requests: Iterable[Request | None]) -> Iterator[tuple[Request, Completion]]:
        drawn = 0

        def counted() -> Iterator[Request | None]:
            nonlocal drawn
            for request in requests:
                drawn += request is not None
                yield request

        self._requests, self._more = counted(), True
        for done, answered in enumerate(self.completions, 1):
            yield answered
            if not self._more and done == drawn:
                return

    def _stream(self) -> Iterator[Request | None]:
        while True:
            yield from self._requests
            self._more = False
            yield None


@contextmanager
def house(arguments: argparse.Namespace) -> Iterator[Callable[[Round], int]]:
    """Requests, ledger, parsing and verdicts, as `tracegen generate` does it."""
    loop = Loop(arguments)
    with tempfile.TemporaryDirectory() as folder, Judge({"math": {}}, workers=2) as judge:

        def generate(given: Round) -> int:
            place = Path(folder) / str(given.number)
            sample(place, problems=given.problems(), askers=[given.asker(Loaded, engine_loop=loop)], judge=judge)
            return sum(row["completion_tokens"] for row in read(place / "traces"))

        yield generate
        loop.completions.close()  # type: ignore[attr-defined]


SIDES: dict[str, Side] = {"LLM.generate": bare, "tracegen": house}


def serve(name: str, arguments: argparse.Namespace, pipe: Connection) -> None:
    """A side in a process of its own: takes rounds, gives back tokens and seconds; None ends it."""
    with SIDES[name](arguments) as generate:
        for given in iter(pipe.recv, None):
            start = time.perf_counter()
            pipe.send((generate(given), time.perf_counter() - start))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--problems", default="data/quickstart.jsonl")
    parser.add_argument("--prompt", default="math_fewshot")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--samples", type=int, default=4, help="of each problem")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--max-num-seqs", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name in SIDES:
        pipes[name], theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(name, arguments, theirs)).start()
        pipes[name].send(Round(0, arguments))
        pipes[name].recv()
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    for number in range(1, arguments.rounds + 1):
        for name, pipe in pipes.items():
            pipe.send(Round(number, arguments))
            tokens, seconds = pipe.recv()
            rates[name].append(tokens / seconds)
            line = f"round {number}  {name:14} {tokens:7} tokens  {seconds:6.1f} s  {tokens / seconds:7.1f} tokens/s"
            print(line, flush=True)
    for pipe in pipes.values():
        pipe.send(None)
    base, ours = (statistics.median(rates[name]) for name in SIDES)
    print(f"median of {arguments.rounds}: {base:.1f} and {ours:.1f} output tokens/s, ratio {ours / base:.3f}")


if __name__ == "__main__":
    main()
