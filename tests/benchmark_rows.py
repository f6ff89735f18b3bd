"""One small file of every benchmark, in its own fields; the rows are ours."""

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

GSM8K = {"question": "A box holds 1,000 nails. How many do 2 hold?", "answer": "2 * 1,000\n#### 2,000"}
MATH = {
    "problem": "Find $x$ with $2x = 1$.",
    "solution": "Halve both sides.",
    "answer": "\\frac{1}{2}",
    "subject": "Algebra",
    "level": 1,
    "unique_id": "test/algebra/1.json",
}


CONTEST = {"id": 7, "problem": "How many squares are below 50?", "answer": "007"}
MINERVA = {
    "problem": "How far is the star?",
    "solution": "First \\boxed{1}. In the end \\boxed{\\frac{3}{4}} \\mathrm{~pc}.",
    "type": "Astronomy",
    "idx": 3,
}
OLYMPIAD = {
    "id": 11,
    "subfield": "Algebra",
    "context": None,
    "question": "How long does it take?",
    "solution": ["Long."],
    "final_answer": ["$45$"],
    "is_multiple_answer": False,
    "unit": "minutes",
    "answer_type": "Numerical",
    "error": "0.9",
}
GPQA = {
    "Record ID": "rec1",
    "Question": "Which of these is a noble gas?",
    "Correct Answer": "neon",
    "Incorrect Answer 1": "iron",
    "Incorrect Answer 2": "zinc",
    "Incorrect Answer 3": "lead",
    "High-level domain": "Chemistry",
}
HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
    "entry_point": "double",
}
MBPP = {
    "task_id": 12,
    "prompt": "Write a function to add two numbers.",
    "code": "def add(a, b):\n    return a + b",
    "test_imports": ["import math"],
    "test_list": ["assert add(1, 2) == 3"],
}


def packed(value: Any) -> str:
    """As the private tests of LiveCodeBench are written."""
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


LIVE = {
    "question_id": "q1",
    "question_title": "Sum",
    "question_content": "Print the sum of two numbers.",
    "platform": "atcoder",
    "difficulty": "easy",
    "contest_date": "2025-01-31T00:00:00",
    "starter_code": "",
    "metadata": "{}",
    "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
    "private_test_cases": packed(json.dumps([{"input": "2 2\n", "output": "4\n", "testtype": "stdin"}])),
}
LIVE_FUNCTION = LIVE | {
    "question_id": "q2",
    "contest_date": "2024-05-01T00:00:00",
    "starter_code": "class Solution:\n    def add(self, a: int, b: List[int]) -> int:\n        ",
    "metadata": json.dumps({"func_name": "add"}),
    "public_test_cases": json.dumps([{"input": "1\n[2, 3]", "output": "6", "testtype": "functional"}]),
    "private_test_cases": json.dumps([{"input": "1\n[]", "output": "1", "testtype": "functional"}]),
}

ON_THE_HUB: dict[str, tuple[str, str, str, list[dict[str, Any]]]] = {
    "gsm8k": ("openai/gsm8k", "main", "test", [GSM8K]),
    "math500": ("HuggingFaceH4/MATH-500", "default", "test", [MATH]),
    "aime24": ("HuggingFaceH4/aime_2024", "default", "train", [CONTEST]),
    "aime25": ("math-ai/aime25", "default", "test", [CONTEST]),
    "amc23": ("math-ai/amc23", "default", "test", [CONTEST]),
    "minerva_math": ("math-ai/minervamath", "default", "test", [MINERVA]),
    "olympiadbench": ("Hothan/OlympiadBench", "OE_TO_maths_en_COMP", "train", [OLYMPIAD]),
    "humaneval": ("openai/openai_humaneval", "openai_humaneval", "test", [HUMANEVAL]),
}
"""Benchmarks whose files `datasets` reads: repository, part, split and rows."""
FOLDERS = {"gpqa_diamond": [GPQA], "mbpp_sanitized": [MBPP], "livecodebench": [LIVE, LIVE_FUNCTION]}


def put(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def filled(folder: Path) -> str:
    """The folder, with one small file of every benchmark in it."""
    for name, (_, _, _, rows) in ON_THE_HUB.items():
        put(folder, f"{name}/test.jsonl", *rows)
    for name, rows in FOLDERS.items():
        put(folder, f"{name}/test.jsonl", *rows)
    return str(folder)
