"""What every verifier of the shelf owes: it accepts its own gold answer, and garbage always comes back as a verdict."""

import inspect
import time
from collections.abc import Iterator

import pytest
from fake_server import FakeServer
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen.golds import check, lint
from tracegen.records import Problem, Trace
from tracegen.registry import load, names
from tracegen.verify import Judge, decide, gold_trace

TIMEOUT = 2.0
ENTRY = {"question": "?", "answer": "8", "metadata": {"source_dataset": "chain_sum"}}
GOLD: dict[str, list[Problem]] = {
    "code": [
        Problem("asserts", "?", answer="def f(x): return x + 1", tests=["assert f(1) == 2"]),
        Problem(
            "continued",
            "?",
            answer="    return x\n",
            tests="def check(candidate):\n    assert candidate(1) == 1",
            entry_point="f",
            extra={"prompt": "def f(x):\n    'The same.'\n"},
        ),
    ],
    "choice": [
        Problem("letter", "?", answer="C"),
        Problem("bracketed", "?", answer=r"\text{(B)}", extra={"choices": ["8", "9"]}),
        Problem("text", "?", answer="blue whale", extra={"choices": {"A": "a blue whale", "B": "a red ant"}}),
    ],
    "exact": [Problem("text", "?", answer="two words"), Problem("accent", "?", answer="né")],
    "stdio": [Problem("echo", "?", answer="print(input())", tests=[{"stdin": "a b\n", "stdout": "a b\n"}])],
    "gym": [Problem("sum", "?", answer="8", extra={"gym_task": "chain_sum", "gym_entry": ENTRY})],
    "json": [
        Problem("number", "?", answer="8.0"),
        Problem("object", "?", answer='{"a": [1, null], "b": "x"}', extra={"schema": {"required": ["a"]}}),
    ],
    "judge": [Problem("words", "?", answer="8")],
    "majority": [Problem("votes", "?", answer="8")],
    "regex": [Problem("itself", "?", answer="8|9")],
    "math": [
        Problem(name, "?", answer=answer)
        for name, answer in {
            "integer": "42",
            "thousands": "1,000,000",
            "fraction": r"\frac{14}{3}",
            "delimited": r"$x \le 5$",
            "root": r"2\sqrt{3}",
            "tuple": "(1, -2)",
            "solution": "3 + 4 = 7\n#### 7",
            "word": r"\text{Monday}",
            "letter": "B",
        }.items()
    ],
}
GARBAGE = {
    "empty": "",
    "spaces": " \n\t\n ",
    "long": "a b" * 3_400,
    "long box": r"\boxed{" + "9" * 10_000 + "}",
    "unicode": "\u202e𝟜𝟚 ½ ∑ \x00 \ud800 🧮 ٤٢",
    "nested": r"\boxed{" + "(" * 900 + "1" + ")" * 900 + "}",
    "unbalanced": r"\boxed{" + "{(" * 400,
    "tower": r"\boxed{9^{9^{9^{9}}}}",
    "calculator tower": "9**9**9",
    "factorials": r"\boxed{9999999!!}",
    "code": r"\boxed{__import__('os').abort()}",
    "tags": "</think><answer></answer>$$$$",
}

OTHER_RULES = {"judge", "majority", "regex"}
"""A model, a vote, a pattern: their golds need not pass as answers."""

needs_gold = pytest.mark.parametrize("name", names("verifier"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    asked = tmp_path_factory.mktemp("asked")
    with FakeServer() as server:
        model = {"engine": "openai", "model": "fake", "options": {"base_url": server.base_url}}
        verifiers = {"judge": model}
        with Judge(verifiers, workers=2, timeout=TIMEOUT, named=names("verifier"), asked=asked) as judge:
            yield judge


def own(name: str) -> list[Problem]:
    if name not in GOLD:
        pytest.fail(f"the contract test has no gold answer for the verifier {name!r}; add one to GOLD.")
    return [Problem(p.id, p.statement, p.answer, name, p.tests, p.entry_point, extra=p.extra) for p in GOLD[name]]


@needs_gold
def test_its_module_keeps_the_form(name: str) -> None:
    function = load("verifier", name)
    assert function.__name__ == name
    assert (inspect.getdoc(function) or "").strip()
    assert isinstance(function.__globals__["VERSION"], str)
    assert list(inspect.signature(function).parameters)[:2] == ["problem", "response"]


@pytest.mark.parametrize("name", sorted(set(names("verifier")) - OTHER_RULES))
def test_it_accepts_its_own_gold_answers(judge: Judge, name: str) -> None:
    found = {problem.id: decide(verdicts) for problem, verdicts in check(own(name), judge)}
    assert {problem: verdict.outcome for problem, verdict in found.items() if verdict} == dict.fromkeys(found, "right")


@pytest.mark.parametrize("name", sorted(OTHER_RULES))
def test_a_gold_that_is_no_answer_passes_the_lint_all_the_same(judge: Judge, name: str) -> None:
    assert list(lint(own(name), judge)) == []


@needs_gold
def test_garbage_is_never_right_and_never_late(judge: Judge, name: str) -> None:
    problem = own(name)[0]
    futures = {kind: judge.submit(problem, gold_trace(kind, text)) for kind, text in GARBAGE.items()}
    began = time.monotonic()
    outcomes = {kind: future.result()[0].outcome for kind, future in futures.items()}
    assert set(outcomes.values()) <= {"wrong", "unverifiable", "error"}, outcomes
    assert time.monotonic() - began < (TIMEOUT + 5) * len(GARBAGE) / 2


@needs_gold
def test_a_problem_without_gold_is_not_held_against_the_trace(judge: Judge, name: str) -> None:
    (verdict,) = judge.submit(Problem("p", "?", verifier=name), gold_trace("k", "8")).result()
    assert verdict.outcome == "unverifiable"


@needs_gold
@settings(max_examples=40, deadline=None)
@given(
    gold=st.text(max_size=30),
    response=st.text(max_size=200) | st.from_regex(r"\\boxed\{[-+*/^(){}0-3xyi\\a-f]{0,12}\}"),
)
def test_random_text_comes_back_as_a_verdict(judge: Judge, name: str, gold: str, response: str) -> None:
    trace = Trace("k", "p", "t", 0, (), "", response, "complete", "stop", 1)
    problem = Problem("p", "?", answer=gold, verifier=name, extra=own(name)[0].extra)
    (verdict,) = judge.submit(problem, trace).result()
    assert verdict.verifier == name
    assert verdict.outcome in ("right", "wrong", "unverifiable") or verdict.reason in ("timeout", "memory"), verdict
