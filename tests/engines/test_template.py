"""Prompts that are rendered on this side of the wire."""

from pathlib import Path

import pytest

from tracegen.engines import _template
from tracegen.records import UsageError

MESSAGES = ({"role": "user", "content": "2 + 2?"},)


@pytest.fixture(params=[True, False], ids=["adds_bos", "adds_none"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, bool]:
    """A tokenizer of bytes whose template writes the first token; it puts one in front of texts by itself, or not."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    alphabet = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(alphabet, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.add_special_tokens(["<s>"])
    if request.param:
        inner.post_processor = processors.TemplateProcessing("<s> $0", special_tokens=[("<s>", len(alphabet))])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>")
    fast.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}|"
    fast.save_pretrained(tmp_path)
    return str(tmp_path), request.param


def test_the_first_token_stands_there_once(tokenizer: tuple[str, bool]) -> None:
    """A server adds to the text what its tokenizer adds to every text."""
    folder, adds = tokenizer
    text = _template.render(folder, MESSAGES, {})
    assert ("<s>" if adds else "") + text == "<s>2 + 2?|"


def test_counting_counts_what_the_text_holds_and_no_more(tokenizer: tuple[str, bool]) -> None:
    assert _template.count(tokenizer[0], "abcde") == 5
    assert _template.count(None, "abcde") == 2


def test_a_tokenizer_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(UsageError, match="cannot be loaded"):
        _template.count(str(tmp_path), "a")
    with pytest.raises(UsageError, match="cannot be loaded"):
        _template.render(str(tmp_path), MESSAGES, {})
