"""A row for the eye: every token, what is trained on told from what is not, with colours and without."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import tiny

from sft.data import IGNORED, Row
from sft.shown import pieces, show


@pytest.fixture
def made() -> Any:
    return tiny.tokenizer()


def row(made: Any, prompt: str, answer: str) -> Row:
    masked, trained = (made.encode(text, add_special_tokens=False) for text in (prompt, answer))
    return Row("r", masked + trained, [IGNORED] * len(masked) + trained)


def test_colours_say_what_is_trained_on(made: Any) -> None:
    text = show(row(made, "ab", "c<|im_end|>"), made)
    spans = [(text.plain[span.start : span.end], span.style) for span in text.spans]
    assert spans == [
        ("a", "dim underline"),
        ("b", "dim"),
        ("c", "green underline"),
        ("<|im_end|>", "bold reverse green"),
    ]


def test_without_colours_brackets_do(made: Any) -> None:
    assert show(row(made, "a\n", "b<|im_end|>"), made, coloured=False).plain == "a|↵|\n[b][[<|im_end|>]]"


def test_bytes_of_one_character_are_shown_as_one(made: Any) -> None:
    found = list(pieces(row(made, "é", "→x<|im_end|>"), made))
    assert found == [("é", True, False), ("→", False, False), ("x", False, False), ("<|im_end|>", False, True)]


def test_space_in_front_of_a_word_is_kept(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({"▁two": 0, "▁words": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.add_special_tokens(["</s>"])
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>")
    assert show(Row("r", [0, 1, 2], [IGNORED, 1, 2]), made, coloured=False).plain == "two|[ words][[</s>]]"
