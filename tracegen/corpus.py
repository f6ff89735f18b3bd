"""The corpus on disk: what survived, as one Parquet file with its card, its funnel and its recipe.

Shape: `README.md` (the card), `data/train-00000-of-00001.parquet`, `funnel.json`, `recipe.yaml`; one row is one trace,
with the student's bare prompt and the whole answer in `messages` and everything that it came from in flat columns.
Limits: the rows are held in memory, and one file is written whatever its size. Whether an empty corpus is an error is
for the caller to say.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from tracegen.format import join
from tracegen.markdown import environment, inline_code
from tracegen.records import Message, Problem, Trace
from tracegen.redact import safe_recipe, without_secrets

DATA_FILE = "data/train-00000-of-00001.parquet"
EXAMPLE_CHARACTERS = 6000
"""Where the example in the card is cut off: about two screens; the rows themselves are whole."""
BREAKDOWN_LINES = 20
"""Lines of one table in the card; the rest is summed up in a last line."""

COLUMNS = {
    "messages": "the student's prompt and the assistant's `<think>` reasoning and response, ready for chat training",
    "problem_id": "the problem's id in its source",
    "source": "where the problem comes from",
    "domain": "the problem's domain",
    "licence": "the licence of the problem's source",
    "answer": "the gold answer, as text",
    "teacher": "the teacher's name in `recipe.yaml`",
    "model": "the teacher's model",
    "revision": "the revision of that model",
    "engine": "what ran the model",
    "sampling": "the teacher's sampling parameters, as JSON",
    "sample": "index among the samples of this problem and teacher, from 0",
    "key": "hash of everything that determines the sample",
    "tokens": "completion tokens, reasoning included, by the teacher's tokenizer",
    "forced": "whether the thinking was closed by force when its tokens were used up",
    "verdict": "`right`, `wrong`, `unverifiable` or `error`",
    "verifier": "the verifier that decided",
    "verifier_version": "its version",
    "verdict_answer": "the answer that it found in the response",
    "recipe_hash": "hash of the recipe",
}
FROM_TRACE = ("problem_id", "teacher", "sample", "key", "tokens", "forced")

# The identifiers that the Hub's card validation accepts: https://huggingface.co/docs/hub/repositories-licenses
HUB_LICENCES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense
zlib pddl lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma unknown other
"""


def write_corpus(
    folder: Path,
    *,
    traces: Sequence[Trace],
    problems: Mapping[str, Problem],
    teachers: Mapping[str, Mapping[str, Any]],
    prompts: Mapping[str, Mapping[str, Any]],
    student_messages: Callable[[Problem], list[Message]],
    funnel: Mapping[str, Any],
    recipe: str,
    recipe_hash: str,
    name: str,
    licence: str | None = None,
    repo: str | None = None,
    student_prompt: str | None = None,
    languages: Sequence[str] = ("en",),
    stats: Mapping[str, int | float | str] | None = None,
) -> None:
    """Write Parquet, card, funnel and recipe into `folder`, which is made if need be.

    `teachers[name]` holds model, revision, engine, sampling, licence, may_train and prompt; `prompts[name]` what stands
    in the prompt's file; `recipe` is YAML text, written without its secrets; `stats` are further lines of the card's
    table (what the run cost, for example). A `licence` of None is inherited when all problems carry the same one.
    """
    import pyarrow.parquet as parquet

    path = folder / DATA_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    teachers = without_secrets(teachers)
    table = _table(traces, problems, teachers, student_messages, recipe_hash)
    # Row groups of a thousand long traces are some tens of megabytes: what the Hub's viewer and streaming like best.
    parquet.write_table(table, path, compression="zstd", row_group_size=1000)
    (folder / "funnel.json").write_text(json.dumps(funnel, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(safe_recipe(recipe), encoding="utf-8")
    licence = licence or _common_licence(traces, problems)
    example = traces[0] if traces else None
    template = environment().get_template("corpus_card.md.jinja")
    card = template.render(
        front_matter=_front_matter(name, licence, languages, len(traces)),
        name=" ".join(name.split()),
        licence=licence,
        repo=repo,
        teachers=teachers,
        prompts=prompts,
        prompt_users=_prompt_users(prompts, teachers, student_prompt),
        funnel=funnel,
        recipe_hash=recipe_hash,
        stats=stats or {},
        **_statistics(traces, problems),
        example=example,
        example_messages=student_messages(problems[example.problem_id]) if example else [],
        example_text=join(example.reasoning, example.response) if example else "",
        example_characters=EXAMPLE_CHARACTERS,
        columns=COLUMNS,
    )
    (folder / "README.md").write_text(_clean(card), encoding="utf-8")


def _table(
    traces: Sequence[Trace],
    problems: Mapping[str, Problem],
    teachers: Mapping[str, Mapping[str, Any]],
    student_messages: Callable[[Problem], list[Message]],
    recipe_hash: str,
) -> Any:
    import pyarrow

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    types = {"messages": pyarrow.list_(message), "forced": pyarrow.bool_()}
    types |= dict.fromkeys(("sample", "tokens"), pyarrow.int32())
    rows: dict[str, list[Any]] = {column: [] for column in COLUMNS}
    for trace in traces:
        problem, teacher, verdict = problems[trace.problem_id], teachers[trace.teacher], trace.verdict
        messages = [*student_messages(problem), {"role": "assistant", "content": join(trace.reasoning, trace.response)}]
        row = {
            "messages": [{"role": m["role"], "content": _clean(m["content"])} for m in messages],
            **{column: getattr(problem, column) for column in ("source", "domain", "licence", "answer")},
            **{column: teacher.get(column) for column in ("model", "revision", "engine")},
            **{column: getattr(trace, column) for column in FROM_TRACE},
            "sampling": json.dumps(teacher.get("sampling") or {}, sort_keys=True),
            "verdict": verdict and verdict.outcome,
            "verifier": verdict and verdict.verifier,
            "verifier_version": verdict and verdict.version,
            "verdict_answer": verdict and verdict.answer,
            "recipe_hash": recipe_hash,
        }
        for column, values in rows.items():
            value = row[column]
            values.append(_clean(value) if isinstance(value, str) else value)
    return pyarrow.table(
        {column: pyarrow.array(values, types.get(column, pyarrow.string())) for column, values in rows.items()}
    )


def _front_matter(name: str, licence: str, languages: Sequence[str], rows: int) -> str:
    """The YAML that the Hub reads: https://huggingface.co/docs/hub/datasets-cards"""
    known = licence.lower() in HUB_LICENCES.split()
    front = {
        "pretty_name": " ".join(name.split()),
        "license": licence.lower() if known else "other",
        **({} if known else {"license_name": licence}),
        "language": list(languages),
        "task_categories": ["text-generation"],
        "size_categories": [_size_category(rows)],
        "tags": ["reasoning", "chain-of-thought", "synthetic", "distillation", "tracegen"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]},
        ],
    }
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)


def _size_category(rows: int) -> str:
    steps = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B"]
    over = next((i for i in range(len(steps)) if rows < 1000 * 10**i), len(steps) - 1)
    return f"{steps[over - 1]}<n<{steps[over]}" if over else "n<1K"


def _common_licence(traces: Sequence[Trace], problems: Mapping[str, Problem]) -> str:
    licences = {problems[trace.problem_id].licence for trace in traces}
    return (licences.pop() if len(licences) == 1 else None) or "unknown"


def _prompt_users(
    prompts: Mapping[str, Any], teachers: Mapping[str, Mapping[str, Any]], student_prompt: str | None
) -> dict[str, list[str]]:
    """Who uses each prompt. Without `student_prompt`, the student's is the one that no teacher names."""
    users = {
        prompt: [f"teacher {inline_code(n)}" for n, t in teachers.items() if t.get("prompt") == prompt]
        for prompt in prompts
    }
    return {
        prompt: ["student"] * (prompt == student_prompt if student_prompt else not named) + named
        for prompt, named in users.items()
    }


def _statistics(traces: Sequence[Trace], problems: Mapping[str, Problem]) -> dict[str, Any]:
    tokens = [trace.tokens for trace in traces]
    verdicts = Counter((t.verdict.verifier, t.verdict.version, t.verdict.outcome) for t in traces if t.verdict)
    groups: dict[str, Callable[[Trace], str | None]] = {
        "teacher": lambda trace: trace.teacher,
        "source": lambda trace: problems[trace.problem_id].source,
        "domain": lambda trace: problems[trace.problem_id].domain,
        "licence of the problem": lambda trace: problems[trace.problem_id].licence,
    }
    return {
        "rows": len(traces),
        "problems": len({trace.problem_id for trace in traces}),
        "right": sum(count for (_, _, outcome), count in verdicts.items() if outcome == "right"),
        "tokens": sum(tokens),
        "token_range": [min(tokens), round(median(tokens)), max(tokens)] if tokens else [],
        "verdicts": verdicts,
        "breakdowns": {title: list(_breakdown(traces, group)) for title, group in groups.items()},
    }


def _breakdown(
    traces: Sequence[Trace], group: Callable[[Trace], str | None]
) -> Iterator[tuple[str | None, int, int, int]]:
    """Label, traces, problems and tokens of each group, the largest first; groups too small for the table as one."""
    groups: dict[str | None, list[Trace]] = {}
    for trace in traces:
        groups.setdefault(group(trace), []).append(trace)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0] or ""))
    if len(ranked) > BREAKDOWN_LINES:
        rest = ranked[BREAKDOWN_LINES - 1 :]
        ranked[BREAKDOWN_LINES - 1 :] = [(f"{len(rest)} others", [trace for _, group in rest for trace in group])]
    for label, members in ranked:
        yield label, len(members), len({t.problem_id for t in members}), sum(t.tokens for t in members)


def _clean(text: str) -> str:
    """`text` as valid Unicode: a server may send half a surrogate pair, which neither Parquet nor UTF-8 can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
