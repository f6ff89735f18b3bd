"""reasoning-gym's own scorers."""

import json
import sys
from pathlib import Path

import pytest

from tracegen.golds import check, lint
from tracegen.panel import decide
from tracegen.records import MissingExtra, Problem, Trace
from tracegen.sources.gym import gym as source
from tracegen.verifiers import gym as module
from tracegen.verifiers.gym import gold_is_answer, gym
from tracegen.verify import Judge, gold_trace

MIXED = {"datasets": [{"name": name, "weight": 1, "config": {}} for name in ("chain_sum", "rearc", "boxnet")]}
WITHOUT_GOLD = {"boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"}
"""Tasks with many right answers; all others give one, which their scorer must accept."""


def problem(task: str, answer: str, **metadata: object) -> Problem:
    entry = {"question": "?", "answer": answer, "metadata": {"source_dataset": task, **metadata}}
    return Problem("p", "?", answer=answer, verifier="gym", extra={"gym_task": task, "gym_entry": entry})


SUM = problem("chain_sum", "1234")


@pytest.mark.parametrize(
    ("response", "outcome", "reason"),
    [
        (r"so \boxed{1234}", "right", "equal"),
        ("<answer>1234</answer>", "right", "equal"),
        ("1234", "right", "equal"),
        (r"\boxed{$\text{1234}$}", "right", "equal"),
        (r"\boxed{1235}", "wrong", "different"),
        ("I guess that it is 1234", "wrong", "different"),  # partial credit is not right
        (r"\boxed{1234} no \boxed{4321}", "wrong", "different"),
        ("", "wrong", "no_answer"),
    ],
)
def test_full_score_only(response: str, outcome: str, reason: str) -> None:
    pytest.importorskip("reasoning_gym")
    verdict = gym(SUM, response)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_the_tasks_own_rule_decides_not_the_gold_text() -> None:
    pytest.importorskip("reasoning_gym")
    countdown = problem("countdown", "2*3+4", numbers=[2, 3, 4], target=10)
    assert gym(countdown, r"\boxed{4+3*2}").outcome == "right"
    assert gym(countdown, r"\boxed{4+3 \times 2}").outcome == "right"
    assert gym(countdown, r"\boxed{4+4+2}").outcome == "wrong"


def test_the_entry_may_be_json_text() -> None:
    pytest.importorskip("reasoning_gym")
    text = json.dumps(SUM.extra["gym_entry"])
    assert gym(Problem("p", "?", extra={"gym_task": "chain_sum", "gym_entry": text}), "1234").outcome == "right"


@pytest.mark.parametrize("extra", [{}, {"gym_task": "chain_sum"}, {"gym_entry": {"answer": "1"}}])
def test_without_task_and_entry_there_is_no_gold(extra: dict[str, object]) -> None:
    assert gym(Problem("p", "?", answer="1", extra=extra), "1").reason == "no_gold"


def test_without_reasoning_gym_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    module._scorer.cache_clear()
    with pytest.raises(MissingExtra, match=r"tracegen\[gym\]"):
        gym(SUM, "1234")


def boxes_to_targets(state: dict[str, list[str]]) -> str:
    """Every box, one square at a time, first along the columns, to the target of its colour."""
    places = {thing: [float(edge) for edge in at.split("_")] for at, things in state.items() for thing in things}
    steps = []
    for box, (row, column) in places.items():
        if box.startswith("box_"):
            target = box.replace("box", "target")
            while [row, column] != places[target]:
                to = [row, column]
                axis = 1 if column != places[target][1] else 0
                to[axis] += 1 if places[target][axis] > to[axis] else -1
                steps.append({f"Agent[{row}, {column}]": f"move({box}, square[{to[0]}, {to[1]}])"})
                row, column = to
            steps.append({f"Agent[{row}, {column}]": f"move({box}, {target})"})
    return json.dumps(steps)


def solution(problem: Problem) -> str:
    """A right answer to a problem that has several."""
    metadata = problem.extra["gym_entry"]["metadata"]
    if problem.extra["gym_task"] == "boxnet":
        return boxes_to_targets(metadata["initial_state"])
    if problem.extra["gym_task"] == "graph_color":
        return json.dumps(metadata["possible_answer"])
    return str(metadata.get("example_answer") or metadata["example_correct_answer"])


@pytest.mark.filterwarnings("ignore")
def test_every_task_accepts_its_own_answers_and_no_other() -> None:
    pytest.importorskip("reasoning_gym")
    from reasoning_gym.factory import DATASETS

    problems = [
        problem
        for task in sorted(DATASETS)
        for problem in source(task=task, size=3, seed=7, config=MIXED if task == "composite" else None)
    ]
    golds = [problem for problem in problems if gold_is_answer(problem)]
    assert len({problem.source for problem in golds}) > 95
    assert {problem.extra["gym_task"] for problem in problems if problem.answer is None} == WITHOUT_GOLD
    with Judge({}, workers=2, named=["gym"]) as judge:
        found = {problem.id: decide(verdicts) for problem, verdicts in check(golds, judge)}
        assert {name: verdict for name, verdict in found.items() if verdict and verdict.outcome != "right"} == {}
        open_ended = [p for p in problems if p.answer is None and p.extra["gym_task"] != "rush_hour"]
        solved = {p.id: judge.submit(p, gold_trace(p.id, rf"It is \boxed{{{solution(p)}}}")) for p in open_ended}
        assert {future.result()[0].outcome for future in solved.values()} == {"right"}
        for garbage in ("I do not know.", "[1, 2]", '{"a": null}'):
            said = [judge.submit(problem, gold_trace("k", garbage)) for problem in problems]
            assert {future.result()[0].outcome for future in said} == {"wrong"}
        assert list(lint(problems, judge)) == []


ATTACKS = {
    "spiral_matrix": "[open('{path}', 'w').write('x')]",
    "binary_matrix": "[[open('{path}', 'w').write('x')]]",
    "n_queens": "[[open('{path}', 'w').write('x')]]",
    "string_insertion": "[open('{path}', 'w').write('x')]",
    "countdown": "open('{path}', 'w').write('x')",
    "puzzle24": "open('{path}', 'w').write('x')",
    "simple_integration": "open('{path}', 'w').write('x')",
    "intermediate_integration": "(lambda: open('{path}', 'w').write('x'))()",
    "polynomial_multiplication": "x.__class__.__init__.__globals__['__builtins__']['open']('{path}', 'w')",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("task", ATTACKS)
def test_no_scorer_evaluates_what_a_model_wrote(task: str, tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym")
    (problem,) = source(task=task, size=1, seed=6)
    mark = tmp_path / "mark"
    for answer in (attack := ATTACKS[task].format(path=mark), f"\\boxed{{{attack}}}"):
        assert gym(problem, answer).outcome == "wrong"
    assert not mark.exists()
    if gold_is_answer(problem):
        assert gym(problem, problem.answer or "").outcome == "right"


def test_the_numbers_of_a_puzzle_are_its_own() -> None:
    pytest.importorskip("reasoning_gym")
    puzzle = problem("puzzle24", "2 + 9 + 6 + 7", numbers=[9, 6, 7, 2])
    assert gym(puzzle, r"\boxed{(2 + 7) + 9 + 6}").outcome == "right"
    assert gym(puzzle, "10 + 3 + 4 + 7").outcome == "wrong"
    assert gym(problem("puzzle24", "?", numbers=[7, 7, 2, 4]), "7*7/2 - 4/4").outcome == "wrong"
    assert gym(problem("puzzle24", "?", numbers=[7, 7, 2, 1]), "7*7/2 * 1").outcome == "wrong"


def test_an_integral_that_is_left_open_is_no_gold() -> None:
    left_open = problem("intermediate_integration", "3*Integral(x**3*cos(3*x), x) + C", variable="x", integrand="x")
    assert not gold_is_answer(left_open)
    assert gold_is_answer(problem("intermediate_integration", "x**2/2 + C", variable="x", integrand="x"))


def test_a_scorer_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("reasoning_gym")
    (hanoi,) = source(task="tower_of_hanoi", size=1, seed=7)
    assert gym(hanoi, "Move disk 1 from Peg 9 to Peg 8").outcome == "wrong"
    assert capfd.readouterr().out == ""


def test_a_scorer_that_takes_any_text_for_true_is_passed_over() -> None:
    pytest.importorskip("reasoning_gym")
    for problem in source(task="game_of_life_halting", size=6, seed=7):
        assert gym(problem, rf"\boxed{{\text{{{problem.answer}}}}}").outcome == "right"
        assert gym(problem, str(problem.answer != "True")).outcome == "wrong"


def test_a_car_that_is_free_leaves_the_board() -> None:
    pytest.importorskip("reasoning_gym")
    entry = {"question": "?", "answer": None, "metadata": {"board_config": "o" * 12 + "AAoooo" + "o" * 18}}
    board = Problem("p", "?", verifier="gym", extra={"gym_task": "rush_hour", "gym_entry": entry})
    assert gym(board, r"\boxed{A+4}").outcome == "right"
    assert gym(board, r"\boxed{A+3}").outcome == "wrong"


def test_the_tasks_own_options_reach_its_scorer() -> None:
    pytest.importorskip("reasoning_gym")
    (problem,) = source(task="arc_agi", size=1, seed=3, config={"use_eval": False})
    assert problem.extra["gym_config"] == {"use_eval": False}
    assert gym(problem, problem.answer or "").outcome == "right"


def test_a_mixture_keeps_the_task_that_made_each_problem() -> None:
    pytest.importorskip("reasoning_gym")
    problems = list(source(task="composite", size=12, seed=1, config=MIXED))
    assert {problem.extra["gym_task"] for problem in problems} == {"chain_sum", "rearc", "boxnet"}
    assert len({problem.id for problem in problems}) == 12


def test_a_truncated_trace_has_no_answer() -> None:
    pytest.importorskip("reasoning_gym")
    cut = Trace("k", "p", "t", 0, (), "", "1234", "truncated", "length", 9)
    assert gym(SUM, "1234", trace=cut).reason == "truncated"
