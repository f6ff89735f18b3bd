"""A corpus becomes token ids and labels: what is trained on is decided, checked and shown here.

Shape: `rows(corpus, tokenizer, max_length=...)` renders each chat's prompt with the chat template, puts the last
assistant turn behind it as it is, ends the turn as the template would, and masks the prompt. Reading is
`sft/messages.py`.
Limits: one trained turn a row; text only; all rows are held in memory.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from jinja2 import TemplateError
from rich.text import Text
from transformers import PreTrainedTokenizerBase

from sft.messages import chats
from tracegen.format import prefilled
from tracegen.records import TracegenError, UsageError

IGNORED = -100
"""The label that torch's cross-entropy leaves out."""
SENTINEL = "ANSWER-HERE"
"""Stands for an answer when a template is asked how it ends one; without tags, which some templates act on."""


@dataclass(frozen=True, slots=True)
class Row:
    """One chat as the trainer sees it; `labels` is `input_ids` with the prompt masked."""

    sample_id: str
    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class Hygiene:
    """What became of the rows. `read` is `kept` plus all that were dropped."""

    read: int
    kept: int
    over_length: int
    """Dropped: longer than `max_length` tokens. They are never cut."""
    empty: int
    """Dropped: no assistant turn, or a blank one."""
    end_of_turn_inside: int
    """Dropped: the end-of-turn token stands inside the trace, so the student would learn to stop there."""
    no_reasoning: int
    """Dropped: the template opens `<think>` for the student, but the trace does not close it."""
    prompt_tokens: int
    trained_tokens: int
    longest: int
    """Tokens of the longest kept row."""
    max_length: int
    end_of_turn: str
    """What every kept row ends with."""
    prefilled: str
    """The opening tag that the template writes for the student; it counts as prompt."""


class _Turn(NamedTuple):
    prompt: str
    answer: str
    """With the end of the turn, without what the template prefilled."""


def rows(corpus: str, tokenizer: PreTrainedTokenizerBase, *, max_length: int) -> tuple[list[Row], Hygiene]:
    """The trainable rows of a corpus, and what was dropped.

    `corpus` is a run's corpus folder, a JSON lines or Parquet file, another local folder, or a name on the Hub.
    Raises UsageError for a corpus without `messages` or a tokenizer without chat template, TracegenError when a kept
    row's unmasked tokens are not the whole trace with its end of turn, or when no row is left.
    """
    end = end_of_turn(tokenizer)
    end_id = int(tokenizer.convert_tokens_to_ids(end))  # type: ignore[arg-type]
    kept: list[Row] = []
    counts: Counter[str] = Counter()
    opening = ""
    for where, sample_id, messages in chats(corpus):
        counts["read"] += 1
        turn = _render(messages, end, tokenizer, where)
        if isinstance(turn, str):
            counts[turn] += 1
            continue
        opening = opening or prefilled(turn.prompt)
        prompt_ids, answer_ids = _tokenize(turn, tokenizer)
        if len(prompt_ids) + len(answer_ids) > max_length:
            counts["over_length"] += 1
        elif end_id in answer_ids[:-1]:
            counts["end_of_turn_inside"] += 1
        else:
            row = Row(sample_id, prompt_ids + answer_ids, [IGNORED] * len(prompt_ids) + answer_ids)
            _check(row, turn.answer, end_id, tokenizer, where)
            counts["prompt_tokens"] += len(prompt_ids)
            counts["trained_tokens"] += len(answer_ids)
            kept.append(row)
    names = ("read", "over_length", "empty", "end_of_turn_inside", "no_reasoning", "prompt_tokens", "trained_tokens")
    hygiene = Hygiene(
        **{name: counts[name] for name in names},
        kept=len(kept),
        longest=max((len(row.input_ids) for row in kept), default=0),
        max_length=max_length,
        end_of_turn=end,
        prefilled=opening,
    )
    if not kept:
        raise TracegenError(_nothing_left(corpus, hygiene))
    return kept, hygiene


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token that closes an assistant turn: the first special one that the template puts behind an answer.

    A template that puts none there leaves the turn open; it is closed by the tokenizer's eos token.
    """
    if not tokenizer.chat_template:
        raise UsageError(f"the tokenizer of {tokenizer.name_or_path} has no chat template; use an instruct model.")
    chat = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": SENTINEL}]
    tail = _template(chat, tokenizer, "the chat template").rpartition(SENTINEL)[2]
    special = {*tokenizer.all_special_ids, *(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)}
    found = next((i for i in tokenizer.encode(tail, add_special_tokens=False) if i in special), tokenizer.eos_token_id)
    if found is None:
        raise UsageError(f"the chat template of {tokenizer.name_or_path} ends no turn, and there is no eos token.")
    return str(tokenizer.convert_ids_to_tokens(found))


def show(row: Row, tokenizer: PreTrainedTokenizerBase) -> Text:
    """The row's text: what is trained on in green, the end of the turn reversed, the masked prompt dim."""
    text = Text()
    for masked, pairs in groupby(zip(row.input_ids[:-1], row.labels[:-1], strict=True), lambda p: p[1] == IGNORED):
        text.append(_decode([token for token, _ in pairs], tokenizer), "dim" if masked else "green")
    return text.append(_decode(row.input_ids[-1:], tokenizer), "bold reverse green")


def _render(messages: Sequence[Mapping[str, Any]], end: str, tokenizer: Any, where: str) -> "_Turn | str":
    """Prompt and answer of the last assistant turn, or why there is none to train on."""
    last = max((i for i, message in enumerate(messages) if message["role"] == "assistant"), default=0)
    answer = messages[last]["content"] if messages else ""
    if not last or not answer.strip():
        return "empty"
    prompt = _template(messages[:last], tokenizer, where, add_generation_prompt=True)
    if opening := prefilled(prompt):
        if "</think>" not in answer:
            return "no_reasoning"
        answer, tag = answer.lstrip(), opening.strip()
        if answer.startswith(opening):
            answer = answer[len(opening) :]
        elif answer.startswith(tag):
            answer = answer[len(tag) :].lstrip()
    return _Turn(prompt, answer + end)


def _template(messages: Sequence[Mapping[str, Any]], tokenizer: Any, where: str, **options: bool) -> str:
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, **options))
    except TemplateError as error:
        raise UsageError(f"{where}: the chat template of {tokenizer.name_or_path} refuses it ({error}).") from None


def _tokenize(turn: _Turn, tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids of prompt and answer, split where generation would start.

    Together where that leaves the prompt's ids as they are (SentencePiece writes a space in front of a text of its
    own), otherwise apart: a token across the boundary is one that the student never gets to write.
    """
    prompt = tokenizer.encode(turn.prompt, add_special_tokens=False)
    whole = tokenizer.encode(turn.prompt + turn.answer, add_special_tokens=False)
    if whole[: len(prompt)] == prompt:
        return prompt, whole[len(prompt) :]
    return prompt, tokenizer.encode(turn.answer, add_special_tokens=False)


def _check(row: Row, answer: str, end_id: int, tokenizer: Any, where: str) -> None:
    text = _decode([label for label in row.labels if label != IGNORED], tokenizer)
    # Some tokenizers normalize to NFC as they read; the same characters in another spelling are not a loss.
    same = unicodedata.normalize("NFC", text) == unicodedata.normalize("NFC", answer)
    if not same or row.labels[-1] != end_id:
        raise TracegenError(
            f"{where}: the trained tokens do not spell the whole trace with its end of turn; "
            f"they end in {text[-40:]!r} where {answer[-40:]!r} is due. Check the model's tokenizer and chat template."
        )


def _decode(ids: Sequence[int], tokenizer: Any) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _nothing_left(corpus: str, hygiene: Hygiene) -> str:
    if not hygiene.read:
        return f"the corpus {corpus} has no rows; there is nothing to train on."
    reasons = ("over_length", "empty", "end_of_turn_inside", "no_reasoning")
    counts = ", ".join(f"{name} {getattr(hygiene, name)}" for name in reasons if getattr(hygiene, name))
    return (
        f"none of the {hygiene.read} rows of {corpus} can be trained on at max_length {hygiene.max_length}: {counts}."
    )
