"""What other programs have kept is read as they write it: texts, thinking, tokens, ends and failures."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tracegen.foreign import reader
from tracegen.records import UsageError

PROMPT = [{"role": "system", "content": "Think."}, {"role": "user", "content": "1 + 1?"}]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def completion(*choices, prompt=11, output=20):
    usage = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    return {"id": "x", "object": "chat.completion", "model": "r1-0528", "choices": list(choices), "usage": usage}


def choice(text, reason="stop", **message):
    return {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}


def generic(**more):
    """A line of Curator's `responses_0.jsonl`."""
    request = {
        "model": "r1",
        "messages": PROMPT,
        "response_format": None,
        "original_row": {"q": "1 + 1?"},
        "original_row_idx": 0,
        "generation_params": {"temperature": 0.6, "max_tokens": 900},
        "is_multimodal_prompt": False,
    }
    base = {
        "response_message": "2",
        "parsed_response_message": None,
        "response_errors": None,
        "raw_response": None,
        "raw_request": None,
        "generic_request": request,
        "created_at": "2025-11-21T10:00:00.000001",
        "finished_at": "2025-11-21T10:00:09.000001",
        "token_usage": {"input": 11, "output": 20, "total": 31},
        "response_cost": 0.001,
        "finish_reason": "stop",
    }
    return base | more


def test_curator_online_answers_have_the_thinking_of_the_raw_response(tmp_path):
    raw = completion(choice("2", "length", reasoning_content="add them"))
    file = lines(tmp_path / "responses_0.jsonl", [generic(raw_response=raw, finish_reason="length")])
    (found,) = reader("curator")([file])
    assert (found.text, found.reasoning, found.finish_reason) == ("2", "add them", "length")
    assert (found.prompt_tokens, found.completion_tokens, found.model) == (11, 20, "r1")
    assert list(found.messages) == PROMPT
    assert found.sampling == {"temperature": 0.6, "max_tokens": 900}


def test_curator_answers_without_a_raw_one_and_of_a_local_engine(tmp_path):
    local = {"request_id": "7", "finished": True, "encoder_prompt": None, "prompt": "...", "metrics": None}
    rows = [generic(), generic(raw_response=local, token_usage=None, finish_reason=None)]
    first, second = reader("curator")([lines(tmp_path / "responses_0.jsonl", rows)])
    assert (first.text, first.finish_reason, first.prompt_tokens, first.completion_tokens) == ("2", "stop", 11, 20)
    assert (second.text, second.finish_reason, second.completion_tokens, second.error) == ("2", None, None, None)


def test_curator_answers_of_anthropic(tmp_path):
    raw = {
        "content": [{"type": "thinking", "thinking": "add"}, {"type": "text", "text": "2"}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    (found,) = reader("curator")([lines(tmp_path / "responses_0.jsonl", [generic(raw_response=raw)])])
    assert (found.text, found.reasoning, found.finish_reason, found.completion_tokens) == ("2", "add", "length", 4)


def test_curators_failures_and_torn_lines_say_why(tmp_path):
    failed = generic(response_message=None, response_errors=["429", "429"], finish_reason=None, token_usage=None)
    empty = generic(response_message="")
    file = lines(tmp_path / "responses_0.jsonl", [failed, empty])
    file.write_text(file.read_text() + '{"generic_request": {"mo\n')
    lines(tmp_path / "requests_0.jsonl", [generic()["generic_request"]])
    errors = [answer.error for answer in reader("curator")([tmp_path])]
    assert errors == ["it failed: 429; 429", "it holds no text", "the line is no response of Curator's"]


def metadata(text="2", task="text_generation_0", **more):
    return {
        f"raw_input_{task}": PROMPT,
        f"raw_output_{task}": text,
        f"statistics_{task}": {"input_tokens": 11, "output_tokens": 20},
        **more,
    }


def test_distilabel_rows_know_prompt_and_tokens_from_their_metadata(tmp_path):
    row = {"instruction": "1 + 1?", "generation": "2", "distilabel_metadata": metadata(), "model_name": "r1"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "train-00000-of-00001.parquet")
    (found,) = reader("distilabel")([tmp_path])
    assert (found.text, found.prompt_tokens, found.completion_tokens, found.model) == ("2", 11, 20, "r1")
    assert (list(found.messages), found.finish_reason) == (PROMPT, None)


def test_distilabel_grouped_generations_are_an_answer_each(tmp_path):
    row = {
        "instruction": "1 + 1?",
        "generation": ["2", None, "3"],
        "distilabel_metadata": [metadata("2"), metadata("raw"), metadata(None)],
        "model_name": "r1",
    }
    found = list(reader("distilabel")([lines(tmp_path / "rows.jsonl", [row])]))
    assert [answer.text for answer in found] == ["2", "raw", "3"]
    assert [answer.completion_tokens for answer in found] == [20, 20, 20]


def test_distilabel_rows_without_metadata_have_their_prompt_rebuilt(tmp_path):
    rows = [
        {"system_prompt": "Think.", "instruction": "1 + 1?", "generation": "2", "model_name": "r1"},
        {"instruction": "1 + 1?", "generation": None, "model_name": "r1"},
        {"something": "else"},
    ]
    found = list(reader("distilabel")([lines(tmp_path / "rows.jsonl", rows)]))
    assert list(found[0].messages) == PROMPT
    assert [answer.error for answer in found] == [None, "it holds no text", "the row has no generation"]


def batch(number, body=None, *, status=200, error=None):
    response = {"status_code": status, "request_id": "r", "body": body or {}}
    return {"id": f"batch_{number}", "custom_id": f"request-{number}", "response": response, "error": error}


def test_batch_answers_find_their_prompts_whatever_the_order_of_files(tmp_path):
    body = {"model": "r1", "messages": PROMPT, "max_tokens": 900, "temperature": 0.6}
    asked = [
        {"custom_id": f"request-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for number in range(3)
    ]
    answered = [
        batch(2, {"error": {"message": "too long"}}, status=400),
        batch(1, completion(choice("22", reasoning="add"), choice("333333", "length"), output=21)),
        batch(0, completion(choice("2"))),
        batch(9, completion(choice("2"))),
        {"what": "is this"},
    ]
    files = [lines(tmp_path / "output.jsonl", answered), lines(tmp_path / "input.jsonl", asked)]
    for order in (files, files[::-1]):
        found = list(reader("openai-batch")(order))
        assert [(one.text, one.reasoning, one.finish_reason, one.completion_tokens) for one in found[1:5]] == [
            ("22", "add", "stop", 10),
            ("333333", None, "length", 11),
            ("2", None, "stop", 20),
            ("2", None, "stop", 20),
        ]
        assert [one.prompt_tokens for one in found[1:3]] == [11, 0]
        assert [list(one.messages) for one in found] == [PROMPT] * 4 + [[], []]
        assert [one.model for one in found] == ["r1"] * 4 + ["r1-0528", None]
        assert found[0].error == "it failed: too long"
        assert found[5].error == "the line is neither a request nor an answer of a batch"
        assert found[3].sampling == {"max_tokens": 900, "temperature": 0.6}


@pytest.mark.parametrize(
    ("row", "messages", "text", "reasoning"),
    [
        ({"messages": [*PROMPT, {"role": "assistant", "content": "2"}]}, PROMPT, "2", None),
        ({"messages": [*PROMPT, {"role": "assistant", "content": "2", "reasoning": "r"}]}, PROMPT, "2", "r"),
        ({"messages": PROMPT, "response": "2", "reasoning_content": "r"}, PROMPT, "2", "r"),
        ({"prompt": "1 + 1?", "completion": "2"}, PROMPT[1:], "2", None),
        ({"prompt": PROMPT, "text": "2"}, PROMPT, "2", None),
        (
            {"conversations": [{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "2"}]},
            PROMPT[1:],
            "2",
            None,
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "1 + 1?"}]}], "output": "2"},
            PROMPT[1:],
            "2",
            None,
        ),
    ],
)
def test_plain_rows_go_by_their_usual_names(tmp_path, row, messages, text, reasoning):
    (found,) = reader("jsonl")([lines(tmp_path / "rows.jsonl", [row])])
    assert (list(found.messages), found.text, found.reasoning, found.error) == (messages, text, reasoning, None)


def test_a_folder_without_files_and_an_unknown_format_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"holds no file named \*\.jsonl or \*\.parquet or \*\.arrow"):
        list(reader("jsonl")([tmp_path]))
    with pytest.raises(UsageError, match="answers are read from curator, distilabel, jsonl, openai-batch"):
        reader("_chat")
