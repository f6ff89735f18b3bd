"""A corpus becomes token ids and labels: what is trained on is decided and checked here.

Shape: `keep(chats, tokenizer, max_length=...)` renders each chat's prompt with the chat template, puts the last
assistant turn behind it as it is, ends the turn as the template would, and masks the prompt. Reading is
`sft/messages.py`, what became of the rows `sft/hygiene.py`, a corpus or several of them `sft/mixture.py`.
Limits: one trained turn a row; text only; all rows are held in memory.
"""

import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from sft.messages import Chat
from tracegen.format import closed, prefilled, split
from tracegen.progress import LINE_EVERY, say
from tracegen.records import TracegenError, UsageError

IGNORED = -100
"""The label that torch's cross-entropy leaves out."""
SENTINEL = "ANSWER-HERE"
"""Stands for an answer when a template is asked how it ends one; without tags, which some templates act on."""
NEXT = "NEXT-HERE"
"""Stands for what the user says next."""
OPEN, CLOSE = "<think>", "</think>"
AT_ONCE = 256
"""Chats that are tokenized together, on all cores."""


@dataclass(frozen=True, slots=True)
class Row:
    """One chat as the trainer sees it; `labels` is `input_ids` with the prompt masked."""

    sample_id: str
    input_ids: list[int]
    labels: list[int]
    thinking: int = 0
    """Trained tokens up to the tag that closes the thinking."""
    masked_thinking: bool = False
    """An earlier turn thinks, too."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the corpus that order, weights and teachers go by (`sft/messages.py`)."""

    @property
    def prompt(self) -> int:
        """Tokens of the prompt."""
        return next((i for i, label in enumerate(self.labels) if label != IGNORED), len(self.labels))

    @property
    def trained(self) -> list[int]:
        """The ids that it is trained on."""
        return [label for label in self.labels if label != IGNORED]

    @property
    def places(self) -> list[int]:
        """The places whose next token is trained on; the first token has place 0."""
        return [place for place, label in enumerate(self.labels[1:]) if label != IGNORED]


class Kept(NamedTuple):
    """The rows of one corpus that can be trained on, and what became of the others."""

    rows: list[Row]
    counts: Counter[str]
    """read, kept, and the dropped by their reason."""
    prefilled: str
    refusal: str
    """What the template said of the first chat that it refused."""


class _Turn(NamedTuple):
    prompt: str
    answer: str
    """With the end of the turn, without what the template prefilled."""


class _Refused(NamedTuple):
    reason: str
    said: str = ""


def keep(given: Iterable[Chat], tokenizer: PreTrainedTokenizerBase, *, max_length: int) -> Kept:
    """The chats that can be trained on, as rows.

    UsageError for a tokenizer without chat template, TracegenError when a kept row's unmasked tokens are not the whole
    trace with its end of turn.
    """
    end = end_of_turn(tokenizer)
    end_id = int(tokenizer.convert_tokens_to_ids(end))  # type: ignore[arg-type]
    kept: list[Row] = []
    counts: Counter[str] = Counter()
    opening = refusal = ""
    told = time.monotonic()
    coming = iter(given)
    while several := list(islice(coming, AT_ONCE)):
        rendered = [(chat, _render(chat, end, tokenizer)) for chat in several]
        counts["read"] += len(several)
        counts.update(turn.reason for _, turn in rendered if isinstance(turn, _Refused))
        refusal = refusal or next((turn.said for _, turn in rendered if isinstance(turn, _Refused) and turn.said), "")
        ready = [(chat, turn) for chat, turn in rendered if isinstance(turn, _Turn)]
        for (chat, turn), (prompt, answer, thinking) in zip(ready, _tokenize(ready, tokenizer), strict=True):
            opening = opening or prefilled(turn.prompt)
            if len(prompt) + len(answer) > max_length:
                counts["over_length"] += 1
            elif end_id in answer[:-1]:
                counts["end_of_turn_inside"] += 1
            else:
                earlier = any(CLOSE in message["content"] for message in chat.messages[: _last(chat)])
                labels = [IGNORED] * len(prompt) + answer
                row = Row(chat.sample_id, prompt + answer, labels, thinking, earlier, chat.facts)
                _check(row, turn.answer, end_id, tokenizer, chat.where)
                kept.append(row)
        if time.monotonic() - told > LINE_EVERY:
            say(f"rows: {counts['read']:,} read, {len(kept):,} kept")
            told = time.monotonic()
    counts["kept"] = len(kept)
    return Kept(kept, counts, opening, refusal)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token that closes an assistant turn: the first special one that the template puts behind an answer.

    Some templates put it there only when somebody speaks next; of what then follows, the header of the next turn is
    no end. A template that puts none leaves the turn open; it is closed by the tokenizer's eos token.
    """
    if not tokenizer.chat_template:
        raise UsageError(f"the tokenizer of {tokenizer.name_or_path} has no chat template; use an instruct model.")
    chat = [{"role": "user", "content": NEXT}, {"role": "assistant", "content": SENTINEL}]
    special = {*tokenizer.all_special_ids, *(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)}

    def specials(text: str) -> list[int]:
        return [i for i in tokenizer.encode(text, add_special_tokens=False) if i in special]

    try:
        alone = _template(chat, tokenizer)
        found = specials(alone.rpartition(SENTINEL)[2])
        if not found:
            between = _template([*chat, chat[0]], tokenizer).partition(SENTINEL)[2].partition(NEXT)[0]
            header = specials(alone.partition(NEXT)[0])
            found = [i for i in specials(between) if i not in header]
    except TemplateError as error:
        raise UsageError(f"the chat template of {tokenizer.name_or_path} refuses a chat ({error}).") from None
    end = found[0] if found else tokenizer.eos_token_id
    if end is None:
        raise UsageError(f"the chat template of {tokenizer.name_or_path} ends no turn, and there is no eos token.")
    return str(tokenizer.convert_ids_to_tokens(end))


def _last(chat: Chat) -> int:
    """Where the trained turn is; 0: nowhere."""
    return max((i for i, message in enumerate(chat.messages) if message["role"] == "assistant"), default=0)


def _render(chat: Chat, end: str, tokenizer: Any) -> _Turn | _Refused:
    """Prompt and answer of the last assistant turn, or why there is none to train on."""
    last = _last(chat)
    said = chat.messages[last] if last else {"content": ""}
    answer = said["content"]
    # A template spells a call in its own way, and a turn that goes on with one is not whole without it.
    if said.get("tool_calls"):
        return _Refused("tool_calls")
    if not answer.strip():
        return _Refused("empty")
    if chat.facts.get("finish_reason") == "length" or (closed(answer, None) and not split(answer).response):
        return _Refused("unterminated")
    try:
        prompt = _template(chat.messages[:last], tokenizer, add_generation_prompt=True, tools=chat.tools)
    except TemplateError as error:
        return _Refused("template_refuses", f"{chat.where}: {' '.join(str(error).split())}")
    if not all(part in prompt for part in _asked(chat.messages[:last])):
        return _Refused("lost_in_template")
    if opening := prefilled(prompt):
        if CLOSE not in answer:
            return _Refused("no_reasoning")
        answer, tag = answer.lstrip(), opening.strip()
        if answer.startswith(opening):
            answer = answer[len(opening) :]
        elif answer.startswith(tag):
            answer = answer[len(tag) :].lstrip()
    elif prompt.rstrip().endswith(CLOSE) and CLOSE in answer:
        return _Refused("thinking_closed")
    return _Turn(prompt, answer + end)


def _asked(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a prompt must show. Not earlier answers, whose thinking may go, nor what tools said, which may be quoted."""
    for message in messages:
        if message["role"] in ("system", "user"):
            yield message["content"].strip()
        for call in message.get("tool_calls") or []:
            yield str(call["function"].get("name", ""))


def _template(messages: Sequence[Mapping[str, Any]], tokenizer: Any, **options: Any) -> str:
    return str(tokenizer.apply_chat_template(messages, tokenize=False, **options))


def _tokenize(ready: Sequence[tuple[Chat, _Turn]], tokenizer: Any) -> Iterator[tuple[list[int], list[int], int]]:
    """Ids of prompt and answer, split where generation would start, and how many tokens of the answer are thinking.

    Together where that leaves the prompt's ids as they are (SentencePiece writes a space in front of a text of its
    own), otherwise apart: a token across the boundary is one that the student never gets to write.
    """
    if not ready:
        return
    turns = [turn for _, turn in ready]
    prompts = tokenizer([turn.prompt for turn in turns], add_special_tokens=False)["input_ids"]
    wholes = tokenizer([turn.prompt + turn.answer for turn in turns], add_special_tokens=False)
    for number, (turn, prompt, whole) in enumerate(zip(turns, prompts, wholes["input_ids"], strict=True)):
        together = whole[: len(prompt)] == prompt
        answer = whole[len(prompt) :] if together else tokenizer.encode(turn.answer, add_special_tokens=False)
        thought, tag, _ = turn.answer.partition(CLOSE)
        thinking = 0
        if tag and thought.strip().removeprefix(OPEN).strip():
            last = len(turn.prompt) + len(thought + tag) - 1
            found = wholes.char_to_token(number, last) if together and wholes.is_fast else None
            # One more or less where the tokenizer cannot say and a token spans the end of the thinking.
            alone = tokenizer.encode(thought + tag, add_special_tokens=False) if found is None else ()
            thinking = len(alone) if found is None else found + 1 - len(prompt)
        yield prompt, answer, thinking


def _check(row: Row, answer: str, end_id: int, tokenizer: Any, where: str) -> None:
    text = decode(row.trained, tokenizer)
    # Some tokenizers normalize to NFC as they read; the same characters in another spelling are not a loss.
    same = unicodedata.normalize("NFC", text) == unicodedata.normalize("NFC", answer)
    if not same or row.labels[-1] != end_id:
        raise TracegenError(
            f"{where}: the trained tokens do not spell the whole trace with its end of turn; "
            f"they end in {text[-40:]!r} where {answer[-40:]!r} is due. Check the model's tokenizer and chat template."
        )


def decode(ids: Sequence[int], tokenizer: Any) -> str:
    """The text of the ids, every token spelled out."""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
