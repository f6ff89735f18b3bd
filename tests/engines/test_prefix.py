"""Where the text of a cut answer joins the rendered prompt, and how much may follow."""

from typing import Any

import pytest

from tracegen.engines._prefix import allowance, going_on
from tracegen.records import Request


def request(prefix: str, prefix_tokens: int = 0, **sampling: Any) -> Request:
    return Request("k", "p", "t", 0, (), sampling, prefix=prefix, prefix_tokens=prefix_tokens)


@pytest.mark.parametrize(
    ("prefix", "prefilled", "begins", "rest"),
    [
        pytest.param("", "", "", "", id="nothing anywhere"),
        pytest.param("", "<think>\n", "<think>\n", "", id="a fresh answer begins with the template's tag"),
        pytest.param("Two and", "", "Two and", "Two and", id="the template writes nothing"),
        pytest.param("<think>\nTwo", "", "<think>\nTwo", "<think>\nTwo", id="the model wrote the tag itself"),
        pytest.param("<think>\nTwo", "<think>\n", "<think>\nTwo", "Two", id="the template writes the tag again"),
        pytest.param("<think>Two", "<think>\n", "<think>Two", "Two", id="another engine wrote it otherwise"),
        pytest.param("Two", "<think>\n", "Two", "Two", id="the text never had the template's tag"),
        pytest.param("caf\ufffd", "", "caf", "caf", id="half a character"),
        pytest.param(
            "<think>\nTwo\n</think>\n\n", "<think>\n", "<think>\nTwo\n</think>\n\n", "Two\n</think>\n\n", id="forced"
        ),
    ],
)
def test_the_whole_text_and_what_the_prompt_lacks_of_it(prefix: str, prefilled: str, begins: str, rest: str) -> None:
    assert going_on(request(prefix), prefilled) == (begins, rest)


def test_max_tokens_bounds_the_whole_answer() -> None:
    assert allowance(request("a", 30, max_tokens=100)) == 70
    assert allowance(request("", max_tokens=100)) == 100
    assert allowance(request("a", 30)) is None
    with pytest.raises(ValueError, match="has 100 tokens, and max_tokens is 100"):
        allowance(request("a", 100, max_tokens=100))
