"""What is trained on: the whole trace with the end of its turn, nothing of the prompt, whatever the template."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

pytest.importorskip("trl")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from sft.data import IGNORED, Row, end_of_turn
from sft.mixture import rows
from tracegen.records import TracegenError, UsageError

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Keeps the thinking of no turn but the last, and writes an empty block where there is none.
STRIPPING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% set said = m.content.split('</think>')[-1].lstrip('\n') %}"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ said }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Drops all thinking, and opens the block for the student.
PREFILLING = (
    "<|start|>{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>"
    "{{ m.content.split('</think>')[-1] }}<|end|>{% else %}<|user|>{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
HEADERS = (
    "<|start|>{% for m in messages %}<|header|>{{ m.role }}<|/header|>\n\n{{ m.content | trim }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|header|>assistant<|/header|>\n\n{% endif %}"
)
OPEN_ENDED = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
NAMES = ("im_start", "im_end", "start", "end", "user", "assistant", "header", "/header", "eot", "eos")
SPECIAL = [f"<|{name}|>" for name in NAMES]
THOUGHT = "<think>\nSeventeen and 25: 17 + 20 = 37, and 5 more.\n</think>\n\nThe answer is \\boxed{42}. Ça va?"
CHAT = [{"role": "user", "content": "What is 17 + 25?"}, {"role": "assistant", "content": THOUGHT}]
TWO_TURNS = [
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nHi."},
    *CHAT,
]


def tokenizer(template: str | None) -> Any:
    """Byte-level, so that it spells any text, with merges across few words and no padding of its own."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        [THOUGHT, "user assistant system What is Hello"],
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|eos|>", pad_token="<|eos|>")
    made.chat_template = template
    return made


def corpus(folder: Path, *chats: Any, **columns: Any) -> str:
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps({"messages": chat} | columns) + "\n" for chat in chats))
    return str(path)


def spelled(row: Row, made: Any) -> tuple[str, str]:
    """The masked text and the trained text."""
    masked = [token for token, label in zip(row.input_ids, row.labels, strict=True) if label == IGNORED]
    trained = [label for label in row.labels if label != IGNORED]
    assert row.input_ids == masked + trained
    return made.decode(masked), made.decode(trained)


@pytest.mark.parametrize(
    ("template", "chat", "masked", "trained"),
    [
        pytest.param(
            CHATML,
            CHAT,
            "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n",
            THOUGHT + "<|im_end|>",
            id="chatml",
        ),
        pytest.param(
            CHATML,
            TWO_TURNS,
            "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n<think>\nHm.\n</think>\n\nHi.<|im_end|>\n"
            "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n",
            THOUGHT + "<|im_end|>",
            id="chatml, two turns",
        ),
        pytest.param(
            STRIPPING,
            TWO_TURNS,
            "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\nHi.<|im_end|>\n"
            "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n",
            THOUGHT + "<|im_end|>",
            id="stripping",
        ),
        pytest.param(
            PREFILLING,
            CHAT,
            "<|start|><|user|>What is 17 + 25?<|assistant|><think>\n",
            THOUGHT.removeprefix("<think>\n") + "<|end|>",
            id="prefilling",
        ),
        pytest.param(
            PREFILLING,
            [CHAT[0], {"role": "assistant", "content": THOUGHT.removeprefix("<think>\n")}],
            "<|start|><|user|>What is 17 + 25?<|assistant|><think>\n",
            THOUGHT.removeprefix("<think>\n") + "<|end|>",
            id="prefilling, tag left out",
        ),
        pytest.param(
            HEADERS,
            [{"role": "system", "content": "Be brief."}, *CHAT],
            "<|start|><|header|>system<|/header|>\n\nBe brief.<|eot|>"
            "<|header|>user<|/header|>\n\nWhat is 17 + 25?<|eot|><|header|>assistant<|/header|>\n\n",
            THOUGHT + "<|eot|>",
            id="headers",
        ),
        pytest.param(
            OPEN_ENDED, CHAT, "user: What is 17 + 25?\nassistant: ", THOUGHT + "<|eos|>", id="no end of turn: eos"
        ),
    ],
)
def test_trained_on_is_the_whole_trace_and_masked_is_exactly_the_prompt(
    tmp_path: Path, template: str, chat: Any, masked: str, trained: str
) -> None:
    made = tokenizer(template)
    (row,), hygiene = rows(corpus(tmp_path, chat, key="k1"), made, max_length=500)
    assert spelled(row, made) == (masked, trained)
    assert row.sample_id == "k1"
    assert hygiene.prompt_tokens + hygiene.trained_tokens == len(row.input_ids) == hygiene.longest


def test_prompt_is_what_an_engine_would_be_given(tmp_path: Path) -> None:
    made = tokenizer(PREFILLING)
    (row,), hygiene = rows(corpus(tmp_path, CHAT), made, max_length=500)
    given = made.apply_chat_template(CHAT[:1], add_generation_prompt=True, return_dict=False)
    assert row.input_ids[: len(given)] == given
    assert row.labels[: len(given)] == [IGNORED] * len(given)
    assert IGNORED not in row.labels[len(given) :]
    assert hygiene.prefilled == "<think>\n"


def test_over_length_is_dropped_with_a_count_and_never_cut(tmp_path: Path) -> None:
    made = tokenizer(CHATML)
    long = [CHAT[0], {"role": "assistant", "content": THOUGHT + " more" * 50}]
    (whole,), _ = rows(corpus(tmp_path, CHAT), made, max_length=500)
    path = corpus(tmp_path, CHAT, long, CHAT)
    kept, hygiene = rows(path, made, max_length=len(whole.input_ids))
    assert [row.input_ids for row in kept] == [whole.input_ids, whole.input_ids]
    assert (hygiene.read, hygiene.kept, hygiene.over_length) == (3, 2, 1)
    with pytest.raises(TracegenError, match=r"none of the 3 rows .* at max_length \d+: over_length 3"):
        rows(path, made, max_length=len(whole.input_ids) - 1)


def test_rows_that_teach_nothing_or_wrong_ends_are_counted(tmp_path: Path) -> None:
    blank = [CHAT[0], {"role": "assistant", "content": " \n"}]
    unanswered = CHAT[:1]
    stops_early = [CHAT[0], {"role": "assistant", "content": "<think>\nSay <|im_end|>\n</think>\n\n4"}]
    _, hygiene = rows(corpus(tmp_path, CHAT, blank, unanswered, [], stops_early), tokenizer(CHATML), max_length=500)
    assert (hygiene.read, hygiene.kept, hygiene.empty, hygiene.end_of_turn_inside) == (5, 1, 3, 1)


def test_answer_without_thinking_does_not_fit_a_block_that_the_template_opens(tmp_path: Path) -> None:
    bare = [CHAT[0], {"role": "assistant", "content": "42"}]
    kept, hygiene = rows(corpus(tmp_path, CHAT, bare), tokenizer(PREFILLING), max_length=500)
    assert (len(kept), hygiene.no_reasoning) == (1, 1)
    kept, hygiene = rows(corpus(tmp_path, CHAT, bare), tokenizer(CHATML), max_length=500)
    assert (len(kept), hygiene.no_reasoning) == (2, 0)


def test_reasoning_of_a_field_of_its_own_is_trained_on(tmp_path: Path) -> None:
    made = tokenizer(CHATML)
    chat = [CHAT[0], {"role": "assistant", "content": "42", "reasoning_content": "17 + 25"}]
    (row,), _ = rows(corpus(tmp_path, chat), made, max_length=500)
    assert spelled(row, made)[1] == "<think>\n17 + 25\n</think>\n\n42<|im_end|>"


def test_run_stops_when_the_tokens_do_not_spell_the_trace(tmp_path: Path) -> None:
    made = tokenizer(CHATML)
    made.backend_tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace("boxed", "")])
    with pytest.raises(TracegenError, match="do not spell the whole trace"):
        rows(corpus(tmp_path, CHAT), made, max_length=500)


def test_row_without_messages_is_the_users_mistake(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"text": "hello", "key": "1"}\n')
    with pytest.raises(UsageError, match=r"line 1 has no `messages`; its columns are text, key"):
        rows(str(path), tokenizer(CHATML), max_length=100)


@pytest.mark.parametrize(
    ("messages", "said"),
    [("hello", "must be a list"), ([{"role": "user"}, {"content": "x"}], "needs a role"), ([1], "needs a role")],
)
def test_malformed_messages_name_the_row(tmp_path: Path, messages: Any, said: str) -> None:
    with pytest.raises(UsageError, match=f"line 2.*{said}"):
        rows(corpus(tmp_path, CHAT, messages), tokenizer(CHATML), max_length=500)


def test_corpus_that_is_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no corpus"):
        rows(str(tmp_path / "gone"), tokenizer(CHATML), max_length=100)
    with pytest.raises(TracegenError, match="has no rows"):
        rows(corpus(tmp_path), tokenizer(CHATML), max_length=100)


def test_tokenizer_without_chat_template() -> None:
    with pytest.raises(UsageError, match="no chat template"):
        end_of_turn(tokenizer(None))


def test_corpus_folder_and_parquet_file_read_alike(tmp_path: Path) -> None:
    file = tmp_path / "run" / "data" / "curated" / "train-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.table({"messages": [CHAT, TWO_TURNS], "key": ["a", "b"], "n": [1, 2]}), file)
    made = tokenizer(HEADERS)
    from_folder, _ = rows(str(tmp_path / "run"), made, max_length=500)
    from_file, _ = rows(str(file), made, max_length=500)
    from_lines, _ = rows(corpus(tmp_path, CHAT, TWO_TURNS), made, max_length=500)
    assert [row.sample_id for row in from_folder] == ["a", "b"]
    assert from_folder == from_file
    assert [row.input_ids for row in from_file] == [row.input_ids for row in from_lines]
