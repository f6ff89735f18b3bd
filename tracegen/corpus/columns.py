"""What a row of each config holds: column -> (type, meaning), in the order of the Parquet files."""

from collections.abc import Mapping
from typing import Literal

Type = Literal["string", "int32", "bool", "float64", "messages"]
Columns = Mapping[str, tuple[Type, str]]

CURATED: Columns = {
    "messages": (
        "messages",
        "the student's prompt and the assistant's `<think>` reasoning and response, ready for chat training",
    ),
    "problem_id": ("string", "the problem's id in its source"),
    "source": ("string", "where the problem comes from"),
    "domain": ("string", "the problem's domain"),
    "licence": ("string", "the licence of the problem's source"),
    "answer": ("string", "the gold answer, as text"),
    "teacher": ("string", "the teacher's name in `recipe.yaml`"),
    "model": ("string", "the teacher's model"),
    "revision": ("string", "the revision of that model"),
    "engine": ("string", "what ran the model"),
    "sampling": ("string", "the teacher's sampling parameters, as JSON"),
    "teacher_licence": ("string", "the licence under which the teacher gives its words"),
    "may_train": ("bool", "whether its terms let another model be trained on them; null where nobody has said"),
    "sample": ("int32", "index among the samples of this problem and teacher, from 0"),
    "key": ("string", "hash of everything that determines the sample"),
    "tokens": ("int32", "completion tokens, reasoning included, by the teacher's tokenizer"),
    "forced": ("bool", "whether the thinking was closed by force when its tokens were used up"),
    "verdict": ("string", "`right`, `wrong`, `unverifiable` or `error`"),
    "verifier": ("string", "the verifier that decided"),
    "verifier_version": ("string", "its version"),
    "verdict_answer": ("string", "the answer that it found in the response"),
    "recipe_hash": ("string", "hash of the recipe"),
}
ALL: Columns = {
    **CURATED,
    "verdict_reason": ("string", "why the verifier decided so, as a short code"),
    "status": ("string", "`complete`, `truncated`, `no_reasoning` or `malformed`"),
    "finish_reason": ("string", "what the engine said of the end of the text"),
    "filter": ("string", "the filter that dropped the trace; null where it was kept"),
    "reason": ("string", "the filter's reason"),
    "withheld": ("bool", "whether `messages`, `answer` and `verdict_answer` are left out, as the card explains"),
}
PROBLEMS: Columns = {
    "problem_id": ("string", "the problem's id in its source"),
    "statement": ("string", "what is asked"),
    "answer": ("string", "the gold answer, as text"),
    "verifier": ("string", "the verifier that the problem names for itself"),
    "tests": ("string", "the tests of a program, as JSON"),
    "entry_point": ("string", "the function that they call"),
    "source": ("string", "where the problem comes from"),
    "domain": ("string", "its domain"),
    "licence": ("string", "the licence of its source"),
    "traces": ("int32", "traces of the run that answer it"),
    "judged": ("int32", "those that a verifier called right or wrong"),
    "right": ("int32", "those that it called right"),
    "pass_rate": ("float64", "right of judged; null where none was judged"),
    "kept": ("int32", "those that are in `curated`"),
    "withheld": ("bool", "whether `statement`, `answer`, `tests` and `entry_point` are left out"),
}
GATES = ("licence", "pii", "decontaminate")
"""Filters that look for what may not be given away: others' property, personal data, questions of benchmarks."""
TEXTS = ("messages", "answer", "verdict_answer", "statement", "tests", "entry_point")
"""Columns that are null in a row that is withheld."""
CONFIGS: Mapping[str, Columns] = {"curated": CURATED, "all": ALL, "problems": PROBLEMS}
ABOUT_CONFIGS = {
    "curated": "the traces that every filter kept",
    "all": "every trace, with its verdict and the filter and reason that dropped it",
    "problems": "what was asked, a row for each problem, those without a trace included",
}
