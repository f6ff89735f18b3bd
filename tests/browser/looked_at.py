"""A run to look at: sums in plenty, and a few problems whose traces hold what a page may stumble over."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

SUMS = 60
PATIENCE = 30.0
FORMULAS = (
    "Let us count: $1+3+5 = 9 = 3^2$, and in general\n\n$$\\sum_{k=1}^{n} (2k-1) = n^2.$$\n\n"
    "Tom pays with $10 for apples of $3 each. This one is broken: $\\frac{1}{$ and \\(\\undefinedmacro{2}\\).\n\n"
    "```python\nprice = '$x$'\n```\n\n**So** the answer is \\boxed{n^2}"
)
ASTRAL = "𝟙 and 🧮 come first, then the answer: \\boxed{7}"
HIDDEN = (
    "The file is \u202egnp.exe\u202c and zero\u200b\u200b\u200bwidth. $\\color{white}{\\phantom{secret}}x$ \\boxed{4}"
)
MARKUP = (
    "<script>window.owned = 1</script><img src=x onerror='window.owned = 2'>"
    "<svg onload='window.owned = 3'></svg><iframe srcdoc='<script>parent.owned = 4</script>'></iframe>"
    "<style>body { display: none }</style><a href='javascript:window.owned = 5'>link</a> "
    "[md](javascript:window.owned=6) ![i](http://example.com/leak.png) "
    "$\\href{javascript:window.owned=7}{x}$ $\\includegraphics{http://example.com/leak.png}$ "
    "$\\htmlStyle{background: url(http://example.com/leak)}{y}$ $<img src=x onerror='window.owned = 8'>$ "
    "$\\def\\a{\\a\\a}\\a$ $\\rule{9999em}{9999em}$ </div></article></body> \\boxed{4}"
)
NESTED = "\\sqrt{" * 600 + "x" + "}" * 600
CELLS = "\\begin{matrix}" + "&" * 900 + "\\end{matrix}"
ENDLESS = (
    f"$2^3$ ${NESTED}$ ${CELLS}$ 4$\\kern{{-1em}}5$ $a\\\\[-2em]b$ $50%$ $\\message{{x}}y$ {'9' * 60_000} "
    "Z" + "\u0301" * 90 + " \\boxed{8}"
)
RIGHT_TO_LEFT = "שלום: התשובה היא \\boxed{5}"
SPECIAL = {
    "formulas": ("What is the sum of the first $n$ odd numbers?", "n^2", FORMULAS),
    "astral": ("Which number comes last?", "7", ASTRAL),
    "hidden": ("How much is 2 + 2?", "4", HIDDEN),
    "markup": ("<b onmouseover='window.owned = 9'>How much</b> is $2 + 2$?", "4", MARKUP),
    "endless": ("How much is 2 to the third?", "8", ENDLESS),
    "hebrew": ("כמה זה 2 + 3?", "5", RIGHT_TO_LEFT),
}
TRACES = 3 * (SUMS + len(SPECIAL))
LEAKED = "If a train leaves the station at noon with ninety seven passengers on board and twelve get off at each stop"
BOTH = """
import sys
from tracegen import cli

for command in ("generate", "curate"):
    sys.argv = ["tracegen", command, *sys.argv[-3:]]
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise
"""
THINKING = "First the tens, then the ones.\n\n" + "\n\n".join(f"Step {n}: $x_{{{n}}} = {n}$." for n in range(40))


def recipe(folder: Path, engine: str = "replay", **options: Any) -> Path:
    """The recipe of the run, with all that it reads, in `folder`."""
    rows, answers = [], []
    for name, (statement, answer, response) in SPECIAL.items():
        rows.append({"id": name, "statement": statement, "answer": answer, "source": "by hand", "licence": "cc0-1.0"})
        answers += [_answer(name, 0, response), _answer(name, 1, "I do not know."), _answer(name, 2, "hm", "length")]
    for n in range(SUMS):
        leak = f"{LEAKED}, how many are {n} and {n + 1}?" if n == 7 else f"How much is {n} + {n + 1}?"
        rows.append({"id": f"sum-{n:03}", "statement": leak, "answer": str(2 * n + 1), "source": "sums"})
        for sample, said in enumerate([2 * n + 1, 2 * n + 1 if n % 3 else 0, 2 * n + 1]):
            answers.append(_answer(rows[-1]["id"], sample, f"Adding up, **it is** \\boxed{{{said}}}"))
    _lines(folder / "problems.jsonl", rows)
    _lines(folder / "answers.jsonl", answers)
    _lines(folder / "held_out.jsonl", [{"id": "h", "statement": f"{LEAKED}, how many are left?", "answer": "1"}])
    tree = {
        "name": "looked-at",
        "problems": {"source": "jsonl", "path": str(folder / "problems.jsonl")},
        "prompt": "math",
        "teachers": {
            "smol": {
                "engine": engine,
                "model": "recorded",
                "options": {"path": str(folder / "answers.jsonl"), **options},
                "sampling": {"n": 3, "max_tokens": 4000},
                "prices": {"input": 1.0, "output": 10.0},
                "terms": {"licence": "apache-2.0", "may_train": True},
            }
        },
        "verifiers": {"math": {}},
        "filters": {"wellformed": {}, "correct": {}, "decontaminate": {}},
        "corpus": {"licence": "apache-2.0"},
        "evaluate": {"benchmarks": {"jsonl": {"path": str(folder / "held_out.jsonl")}}},
    }
    path = folder / "looked_at.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def generated_and_curated(recipe: Path, run: Path) -> None:
    """Both commands in one process, to their end: half of their time is Python's own start."""
    command = [sys.executable, "-c", BOTH, str(recipe), "--run-dir", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]


def wait_for(done: Callable[[], Any]) -> None:
    """Wait until `done` says yes."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def until(page: Any, script: str, argument: Any = None) -> None:
    """Wait until a script says yes. Playwright's own waiting evaluates a string, which the page's policy forbids."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(script, argument):
        assert time.monotonic() < end, f"never true: {script}"
        page.wait_for_timeout(50)


def _answer(problem: str, sample: int, response: str, finish: str = "stop") -> dict[str, Any]:
    text = "<think>\nhm" if finish == "length" else f"<think>\n{THINKING}\n</think>\n\n{response}"
    figures = {"prompt_tokens": 20, "completion_tokens": 100 + 10 * sample}
    return {"problem_id": problem, "sample": sample, "text": text, "finish_reason": finish, **figures}


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class Server:
    """`tracegen view RUN`, as a person starts it."""

    def __init__(self, run: Path) -> None:
        command = [sys.executable, "-m", "tracegen.cli", "view", str(run), "--port", "0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.url = self._address()

    def _address(self) -> str:
        assert self._process.stdout
        said = ""
        while line := self._process.stdout.readline():
            said += line
            if found := re.search(r"http://\S+", line):
                return found[0].rstrip("/.")
        raise AssertionError(f"`tracegen view` named no address: {said}")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
