"""The answers of a run's ledger in the formats that others read.

    jsonl, parquet    a row a trace: prompt, reasoning, response, status, tokens, where it is from, and its verdict
    openai            {"messages": [...]}: the prompt and an assistant's turn that holds the thinking between its tags
    sharegpt          {"conversations": [{"from": "human", "value": ...}, ...]}: the same

Of each sample the answer that counts. The corpus is what filters let through (`tracegen curate`); this is everything.
"""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tracegen.evidence import json_lines
from tracegen.format import join
from tracegen.generate import parse
from tracegen.ledger import Row, best
from tracegen.panel import decide
from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.sharegpt import conversation
from tracegen.verdicts import present

FORMATS = ("jsonl", "parquet", "openai", "sharegpt")
ONLY = ("all", "complete", "right")
AT_ONCE = 2_000
"""Rows of one Parquet row group."""


def export(run: Path, target: Path, *, format: str, only: str | None = None) -> dict[str, int]:
    """Write the traces of a run to a file; returns how many were written and how many `only` left out.

    Where only the conversation is written, `only` is "complete" by default: nothing there would tell of a cut.
    """
    only = only or ("complete" if format in ("openai", "sharegpt") else "all")
    for what, given, allowed in (("format", format, FORMATS), ("only", only, ONLY)):
        if given not in allowed:
            raise UsageError(f"there is no {what} {given!r}; it is one of {', '.join(allowed)}.")
    counts = {"written": 0, "left_out": 0}
    beside = target.with_name(f".{target.name}.new")
    write = _write_parquet if format == "parquet" else _write_lines
    shaped: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"openai": _openai, "sharegpt": _sharegpt}

    def rows() -> Iterator[dict[str, Any]]:
        for row in traces(run):
            whole = row["status"] in ("complete", "no_reasoning")
            wanted = only == "all" or (whole and (only == "complete" or row["verdict"] == "right"))
            counts["written" if wanted else "left_out"] += 1
            if wanted:
                yield shaped.get(format, dict)(row)

    try:
        write(beside, rows())
        beside.rename(target)
    finally:
        beside.unlink(missing_ok=True)
    return counts


def traces(run: Path) -> Iterator[dict[str, Any]]:
    """Every answer that counts, with what is known of it."""
    problems = {row["id"]: Problem(**row) for row in json_lines(run / "problems.jsonl")}
    verdicts = present(run / "verdicts", problems)
    for row in best(run / "traces"):
        if row["error"] is None:
            trace = parse(row)
            verdict = decide(verdicts(trace.key, trace.problem_id))
            yield _described(row, trace, problems.get(trace.problem_id), verdict)


def _described(row: Row, trace: Trace, problem: Problem | None, verdict: Verdict | None) -> dict[str, Any]:
    return {
        "key": trace.key,
        "problem_id": trace.problem_id,
        "statement": problem.statement if problem else None,
        "answer": problem.answer if problem else None,
        "teacher": trace.teacher,
        "model": row["model"],
        "revision": row["revision"],
        "sample": trace.sample,
        "messages": [dict(message) for message in trace.prompt],
        "reasoning": trace.reasoning,
        "response": trace.response,
        "status": trace.status,
        "finish_reason": trace.finish_reason,
        "forced": trace.forced,
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": trace.tokens,
        "verdict": verdict.outcome if verdict else None,
        "verifier": verdict.verifier if verdict else None,
        "found": verdict.answer if verdict else None,
    }


def _openai(row: dict[str, Any]) -> dict[str, Any]:
    text = join(row["reasoning"], row["response"]) if row["reasoning"] else row["response"]
    return {"messages": [*row["messages"], {"role": "assistant", "content": text}]}


def _sharegpt(row: dict[str, Any]) -> dict[str, Any]:
    return conversation(_openai(row)["messages"])


def _write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    whole, yes_no = ("sample", "prompt_tokens", "completion_tokens"), ("forced",)
    kinds = {"messages": pa.list_(message), **dict.fromkeys(whole, pa.int64()), **dict.fromkeys(yes_no, pa.bool_())}
    names = list(_described({"model": "", "revision": None, "prompt_tokens": 0}, _NOTHING, None, None))
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(rows, AT_ONCE)):
            # Half of a surrogate pair has no place in Parquet: its escape stands there instead.
            clean = json.loads(json.dumps(group, ensure_ascii=False).encode("utf-8", "replace"))
            writer.write_batch(pa.RecordBatch.from_pylist(clean, schema))


_NOTHING = Trace("", "", "", 0, (), "", "", "complete", None, 0)
