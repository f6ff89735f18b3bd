"""Cards as they are published: what was written before anybody knew where to, with its address, warning and scores.

Shape: text in, text out. Deterministic, so that the same corpus published twice is the same.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tracegen.corpus.card import HERE
from tracegen.markdown import cell, inline_code
from tracegen.records import Score
from tracegen.scores import ordered, shown

HUB = "https://huggingface.co"
"""Where a card says that it is, whatever server it went through."""


def of_corpus(text: str, repo: str, warning: str | None) -> str:
    """The card of a corpus that is at `repo`."""
    addressed = text.replace(f'"{HERE}"', json.dumps(repo)).replace(f"{{{HERE}}}", f"{{{_url(repo)}}}")
    return _warned(addressed, warning)


def croissant(text: str, repo: str, version: int, day: str) -> str:
    """Croissant metadata of a corpus that is at `repo`, published for the `version`th time."""
    tree = json.loads(text)
    tree |= {"url": _url(repo), "version": f"{version}.0.0", "datePublished": day}
    tree["citeAs"] = tree["citeAs"].replace(HERE, _url(repo))
    tree["distribution"][0]["contentUrl"] = _url(repo)
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def of_student(text: str, repo: str, corpus: str | None, scores: Path | None, warning: str | None) -> str:
    """The card of a student that is at `repo`: with its corpus, where that is published, and its scores."""
    front, body = _parted(text)
    found = _scores(scores)
    if corpus:
        front["datasets"] = [corpus]
    if metrics := [score for score in found if score.role == "after"]:
        front["model-index"] = [{"name": repo.rpartition("/")[2], "results": [_result(score) for score in metrics]}]
    body = body.replace(f'"{HERE}"', json.dumps(repo)).replace(f"vllm serve {HERE}", f"vllm serve {repo}")
    if found:
        head, mark, tail = body.partition("\n## ")
        body = f"{head.rstrip()}\n\n{_table(found)}{mark}{tail}"
    return _warned(f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n{body}", warning)


def _url(repo: str) -> str:
    return f"{HUB}/datasets/{repo}"


def _parted(text: str) -> tuple[dict[str, Any], str]:
    """Front matter and body of a card that the house wrote."""
    _, front, body = text.split("---\n", 2) if text.startswith("---\n") else ("", "{}", text)
    return yaml.safe_load(front) or {}, body


def _warned(text: str, warning: str | None) -> str:
    """The sentence that a gate said, below the title."""
    if warning is None:
        return text
    front, mark, body = text.partition("\n# ")
    title, newline, rest = body.partition("\n")
    said = f"> **May hold benchmark problems.** Published with `--contaminated-ok`, although {warning}"
    return f"{front}{mark}{title}{newline}\n{said}\n{rest}"


def _scores(path: Path | None) -> list[Score]:
    lines = path.read_text(encoding="utf-8").splitlines() if path and path.is_file() else []
    return ordered(Score(**json.loads(line)) for line in lines)


def _result(score: Score) -> Mapping[str, Any]:
    """One figure as the Hub reads it: https://huggingface.co/docs/hub/model-cards#evaluation-results"""
    return {
        "task": {"type": "text-generation"},
        "dataset": {"type": score.benchmark, "name": score.benchmark},
        "metrics": [{"type": score.metric, "value": round(100 * score.value, 2)}],
    }


def _table(scores: list[Score]) -> str:
    lines = [
        "## Scores",
        "",
        "Held-out problems, with 95 % intervals: the teacher, and the student before and after training. `pass@1` asks",
        "for a final answer in its place, `last_number@1` takes the last number of the whole text, `truncated` is the",
        "share that was cut off. Differences are paired, in percentage points; `retention` is `pass@1` over the",
        "teacher's.",
        "",
        "| benchmark | metric | who | value | interval | problems |",
        "|:--|:--|:--|--:|:--|--:|",
    ]
    for score in scores:
        value, interval = (text.replace(" ", "\N{NO-BREAK SPACE}") for text in shown(score))
        who = f"teacher {cell(score.model)}" if score.role == "teacher" else score.role
        names = f"{cell(score.benchmark)} | {inline_code(score.metric)} | {who}"
        lines.append(f"| {names} | {value} | {interval} | {score.problems:,} |")
    return "\n".join(lines) + "\n"
