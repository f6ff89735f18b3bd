import json
from pathlib import Path

import pytest

from tracegen.engines.replay import replay
from tracegen.records import Completion, Request, UsageError


def request(key: str = "k", problem_id: str = "p", sample: int = 0, content: str = "Solve: 1 + 1") -> Request:
    return Request(key, problem_id, "t", sample, ({"role": "user", "content": content},), {})


def recording(folder: Path, *rows: dict | str, name: str = "replies.jsonl") -> str:
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return str(path)


def played(path: str, *requests: Request) -> list[Completion]:
    return [completion for _, completion in replay(requests, model="any", path=path)]


def test_the_key_comes_before_problem_and_sample(tmp_path: Path) -> None:
    path = recording(
        tmp_path,
        {"problem_id": "p", "sample": 0, "text": "by sample"},
        {"key": "k", "text": "by key", "reasoning": "r"},
    )
    assert played(path, request(), request(key="other")) == [
        Completion(text="by key", reasoning="r"),
        Completion(text="by sample"),
    ]


def test_lines_without_sample_are_the_samples_in_order(tmp_path: Path) -> None:
    path = recording(tmp_path, {"problem_id": "p", "text": "zero"}, {"problem_id": "p", "text": "one"})
    assert [c.text for c in played(path, request(sample=1), request(sample=0))] == ["one", "zero"]


def test_a_problem_is_found_by_its_statement_the_longest_first(tmp_path: Path) -> None:
    path = recording(tmp_path, {"statement": "1 + 1", "text": "short"}, {"statement": "11 + 1 + 1", "text": "long"})
    texts = [c.text for c in played(path, request(), request(content="Solve: 11 + 1 + 1"))]
    assert texts == ["short", "long"]


def test_what_is_not_recorded_is_an_error_and_not_a_text(tmp_path: Path) -> None:
    (completion,) = played(recording(tmp_path, {"problem_id": "q", "text": "x"}), request())
    assert completion == Completion(error="nothing recorded for problem 'p', sample 0")


def test_a_folder_of_segments_plays_and_a_failure_never_replaces_a_text(tmp_path: Path) -> None:
    recording(tmp_path, {"key": "k", "error": "reset", "text": ""}, {"key": "k", "text": "good"}, name="1.jsonl")
    recording(tmp_path, {"key": "k", "error": "late failure", "text": None}, name="2.jsonl")
    assert played(str(tmp_path), request()) == [Completion(text="good")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": ', "line 2: not JSON"),
        ('{"problem_id": "p"}', 'line 2: a recorded completion is an object with a "text"'),
        ('["text"]', "line 2: a recorded completion is an object"),
        ('{"text": "x"}', 'line 2: a recorded completion names its "key"'),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, says: str) -> None:
    path = recording(tmp_path, {"key": "k", "text": "fine"}, line)
    with pytest.raises(UsageError, match=says):
        played(path, request())


def test_a_missing_recording_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(UsageError, match="there is none at"):
            played(str(path), request())
