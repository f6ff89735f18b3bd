"""Four families of chat templates, as golden files: the trained part is the whole trace, the masked part the prompt.

`tests/golden/templates/` holds the templates and, for each chat, `<template>.<chat>.txt`: what is masked, a line of
dashes, what is trained on. A wanted change is written with TRACEGEN_GOLDEN=1.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from sft.data import IGNORED, Row, end_of_turn
from sft.mixture import rows
from tracegen.records import TracegenError, UsageError

GOLDEN = Path(__file__).parents[1] / "golden" / "templates"
RULE = "\n-------- trained on --------\n"
NAMED = {
    "smollm2": ("<|im_start|>", "<|im_end|>"),
    "qwen3": ("<|endoftext|>", "<|im_end|>"),
    "r1_distill": ("<|begin|>", "<|end|>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
}
"""The bos and eos tokens of each family; SmolLM2's bos opens a turn, Qwen3 has none that a template would write."""
OTHERS = [
    "<|im_start|>",
    "<|User|>",
    "<|Assistant|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<think>",
    "</think>",
]
TRACE = "<think>\nFirst 17 + 20 = 37.\n\nThen 5 more: 42.\n</think>\n\nIt is \\boxed{42}."
QUESTION = {"role": "user", "content": "What is 17 + 25?"}
ANSWER = {"role": "assistant", "content": TRACE}
SYSTEM = {"role": "system", "content": "Be brief."}
EARLIER = [
    {"role": "user", "content": "Hello!"},
    {"role": "assistant", "content": "<think>\nThey greet me.\n</think>\n\nHi."},
]
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 17, "b": 25}}}
CHATS: dict[str, list[dict[str, Any]]] = {
    "one": [QUESTION, ANSWER],
    "system": [SYSTEM, QUESTION, ANSWER],
    "turns": [SYSTEM, *EARLIER, QUESTION, ANSWER],
    "bare": [QUESTION, {"role": "assistant", "content": "42"}],
    "empty_block": [QUESTION, {"role": "assistant", "content": "<think>\n\n</think>\n\n42"}],
    "tools": [
        QUESTION,
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]},
        {"role": "tool", "content": "42"},
        ANSWER,
    ],
}


def tokenizer(family: str, *, adds_bos: bool = False) -> Any:
    """Byte-level with the family's template, bos and eos."""
    bos, eos = NAMED[family]
    return byte_level((GOLDEN / f"{family}.jinja").read_text(), bos, eos, adds_bos=adds_bos)


def byte_level(template: str, bos: str, eos: str, *, adds_bos: bool = False) -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={symbol: number for number, symbol in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(list(dict.fromkeys([bos, eos, *OTHERS[:-2]])))
    core.add_tokens(OTHERS[-2:])
    if adds_bos:
        core.post_processor = processors.TemplateProcessing(f"{bos} $A", None, [(bos, core.token_to_id(bos))])
    return with_template(core, template, bos, eos)


def with_template(core: Tokenizer, template: str, bos: str, eos: str) -> Any:
    made = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=bos, eos_token=eos)
    made.chat_template = template
    return made


def kept(tmp_path: Path, made: Any, *chats: Any, **columns: Any) -> tuple[list[Row], Any]:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"messages": chat} | columns) + "\n" for chat in chats))
    return rows(str(path), made, max_length=2000)


def spelled(row: Row, made: Any) -> tuple[str, str]:
    """The masked text and the trained text."""
    assert row.labels == [IGNORED] * row.prompt + row.input_ids[row.prompt :]
    return made.decode(row.input_ids[: row.prompt]), made.decode(row.input_ids[row.prompt :])


@pytest.mark.parametrize("family", NAMED)
@pytest.mark.parametrize("name", CHATS)
def test_golden(tmp_path: Path, family: str, name: str) -> None:
    made, chat, file = tokenizer(family), CHATS[name], GOLDEN / f"{family}.{name}.txt"
    try:
        (row,), hygiene = kept(tmp_path, made, chat)
        masked, trained = spelled(row, made)
        found = masked + RULE + trained
        assert hygiene.thinking_tokens == row.thinking
        assert made.decode(row.input_ids[row.prompt :][: row.thinking]).endswith("</think>" if TRACE in trained else "")
    except TracegenError as error:
        found = str(error).replace(str(tmp_path), "")
    if os.environ.get("TRACEGEN_GOLDEN"):
        file.write_text(found)
    assert found == file.read_text()


@pytest.mark.parametrize("family", NAMED)
@pytest.mark.parametrize("name", ["one", "system", "turns"])
def test_masked_is_what_an_engine_is_given_and_trained_is_the_whole_trace(
    tmp_path: Path, family: str, name: str
) -> None:
    made, chat = tokenizer(family), CHATS[name]
    (row,), hygiene = kept(tmp_path, made, chat)
    given = made.apply_chat_template(chat[:-1], add_generation_prompt=True, return_dict=False)
    assert row.input_ids[: row.prompt] == given
    _, trained = spelled(row, made)
    opened = "<think>\n" if family == "r1_distill" else ""
    assert opened + trained == TRACE + NAMED[family][1]
    assert hygiene.prefilled == opened
    assert hygiene.masked_thinking == (name == "turns")


def test_the_template_itself_would_have_lost_the_thinking() -> None:
    """What is guarded against: the templates' own rendering of the same chat."""
    for family, said in {"qwen3": "They greet me.", "r1_distill": "Then 5 more"}.items():
        assert said not in tokenizer(family).apply_chat_template(CHATS["turns"], tokenize=False)
    (golden,) = GOLDEN.glob("r1_distill.turns.txt")
    assert "Then 5 more" in golden.read_text().partition(RULE)[2]


@pytest.mark.parametrize("family", ["r1_distill", "llama3"])
def test_bos_stands_once_where_template_and_tokenizer_both_add_it(tmp_path: Path, family: str) -> None:
    made = tokenizer(family, adds_bos=True)
    assert made.encode("x")[0] == made.bos_token_id
    (row,), _ = kept(tmp_path, made, CHATS["one"])
    assert row.input_ids.count(made.bos_token_id) == 1


def test_bos_is_written_as_often_as_the_template_writes_it(tmp_path: Path) -> None:
    twice = "{{ bos_token }}" + (GOLDEN / "llama3.jinja").read_text()
    made = byte_level(twice, *NAMED["llama3"], adds_bos=True)
    (row,), _ = kept(tmp_path, made, CHATS["one"])
    assert row.input_ids[:3] == [made.bos_token_id] * 2 + made.encode("<|start_header_id|>", add_special_tokens=False)


ROLES = "{% for m in messages %}<|User|>{{ m.role }}\n{{ m.content }}"
WRITE = "{% endfor %}{% if add_generation_prompt %}<|User|>assistant\n{% endif %}"


@pytest.mark.parametrize(
    ("template", "end"),
    [
        pytest.param(ROLES + "<|end|>\n\n" + WRITE, "<|end|>", id="newlines behind the end"),
        pytest.param(
            "{% for m in messages %}{% if not loop.first %}<|end|>{% endif %}<|User|>{{ m.role }}\n{{ m.content }}"
            "{% endfor %}{% if add_generation_prompt %}<|end|><|User|>assistant\n{% endif %}",
            "<|end|>",
            id="end in the next turn's header",
        ),
        pytest.param(ROLES + "\n" + WRITE, "<|eos|>", id="no end but eos"),
        pytest.param(ROLES + "{% if not loop.last %}<|end|>{% endif %}" + WRITE, "<|end|>", id="end between turns"),
    ],
)
def test_end_of_turn_wherever_the_template_writes_it(tmp_path: Path, template: str, end: str) -> None:
    made = byte_level(template, "<|end|>", "<|eos|>")
    assert end_of_turn(made) == end
    (row,), _ = kept(tmp_path, made, CHATS["one"])
    assert spelled(row, made)[1] == TRACE + end


@pytest.mark.parametrize("prepend", ["always", "first", "never"])
def test_sentencepiece_puts_no_space_between_prompt_and_trace(tmp_path: Path, prepend: str) -> None:
    symbols = sorted({*TRACE, *QUESTION["content"], *"[/INST]▁"} - {" "})
    core = Tokenizer(models.BPE(vocab={s: n for n, s in enumerate([*symbols, "<unk>"])}, merges=[], unk_token="<unk>"))
    core.normalizer = normalizers.Replace(" ", "▁")
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    core.add_special_tokens(["<s>", "</s>"])
    template = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]"
        "{% else %} {{ m.content | trim }}</s>{% endif %}{% endfor %}"
    )
    made = with_template(core, template, "<s>", "</s>")
    (row,), _ = kept(tmp_path, made, CHATS["one"])
    masked, trained = spelled(row, made)
    assert masked.replace(" ", "") == "<s>[INST]Whatis17+25?[/INST]"
    assert trained == TRACE + "</s>"


def test_what_a_template_does_to_the_prompt_is_noticed(tmp_path: Path) -> None:
    forgets = "{% for m in messages if m.role != 'system' %}<|User|>{{ m.content }}<|end|>{% endfor %}<|Assistant|>"
    made = byte_level(forgets, "<|begin|>", "<|end|>")
    _, hygiene = kept(tmp_path, made, CHATS["one"], CHATS["system"])
    assert (hygiene.kept, hygiene.lost_in_template) == (1, 1)


def test_a_template_that_refuses_says_why(tmp_path: Path) -> None:
    made = tokenizer("r1_distill")
    _, hygiene = kept(tmp_path, made, CHATS["one"], CHATS["tools"])
    assert (hygiene.kept, hygiene.template_refuses) == (1, 1)
    assert hygiene.refusal.endswith("line 2: no turn of a tool")
    with pytest.raises(TracegenError, match=r"template_refuses 1 \(.*no turn of a tool\)"):
        kept(tmp_path, made, CHATS["tools"])


def test_block_that_the_template_has_closed_takes_no_thinking(tmp_path: Path) -> None:
    closing = (GOLDEN / "qwen3.jinja").read_text().replace("enable_thinking is defined and not enable_thinking", "true")
    made = byte_level(closing, *NAMED["qwen3"])
    (row,), hygiene = kept(tmp_path, made, CHATS["one"], CHATS["bare"])
    assert hygiene.thinking_closed == 1
    assert spelled(row, made)[1] == "42<|im_end|>"


def test_calls_of_tools_are_prompt_and_never_trained_on(tmp_path: Path) -> None:
    made = tokenizer("qwen3")
    calling = [QUESTION, {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]}]
    written = {"name": "add", "arguments": json.dumps(CALL["function"]["arguments"])}  # type: ignore[index]
    as_text = [QUESTION, {**calling[1], "tool_calls": json.dumps([{"function": written}])}, *CHATS["tools"][2:]]
    found, hygiene = kept(tmp_path, made, CHATS["tools"], as_text, calling, tools=json.dumps([{"name": "add"}]))
    assert (hygiene.kept, hygiene.tool_calls) == (2, 1)
    first, second = (spelled(row, made)[0] for row in found)
    assert '<tools>{"name": "add"}</tools>' in first
    assert first == second


def test_call_that_is_none_is_the_users_mistake(tmp_path: Path) -> None:
    broken = [QUESTION, {"role": "assistant", "content": "", "tool_calls": ["add"]}, ANSWER]
    with pytest.raises(UsageError, match="line 1: every call of a tool must be an object"):
        kept(tmp_path, tokenizer("qwen3"), broken)


def test_template_that_no_chat_suits(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"refuses a chat \(never\)"):
        kept(tmp_path, byte_level("{{ raise_exception('never') }}", "<|begin|>", "<|end|>"), CHATS["one"])
