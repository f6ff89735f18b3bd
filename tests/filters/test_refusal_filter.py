"""A teacher that declines, or speaks of itself as an AI, is found; mathematics that cannot be done is not."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tracegen.filters.refusal import refusal
from tracegen.records import Trace
from tracegen.registry import bind

BENCHMARKS = Path(__file__).parents[2].parent / "shared" / "benchmarks"


def judged(thought: str, said: str, **options: Any) -> tuple[str | None, list[Any]]:
    noted: list[Any] = []
    trace = Trace("k", "p", "t", 0, (), thought, said, "complete", "stop", 9)
    [(_, reason)] = refusal([trace], note=lambda _, evidence: noted.append(evidence), **options)
    return reason, noted


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, but I can’t help with that request.",
        "I cannot fulfill this request. I am just a language model.",
        "I can't provide assistance with that.",
        "I am unable to provide information on this topic.",
        "I'm not able to help with this one.",
        "Sorry, I can't do that.",
        "I'm sorry, but I cannot.",
        "I apologize, but I cannot provide an answer to that question.",
        "I must respectfully decline.",
        "I won't be able to help you with this.",
        "What a thoughtful question! However, I cannot engage in this discussion.",
        "I do not feel comfortable answering this.",
        "Your request violates the usage policies.",
        "I can't give you specific instructions for that.",
        "Unfortunately I'm not able to answer that question.",
        "抱歉，我无法回答这个问题。",
        "对不起，我还没有学会回答这个问题。",
    ],
)
def test_declining(said: str) -> None:
    assert judged("", said)[0] == "declines"


@pytest.mark.parametrize(
    "said",
    [
        "As an AI language model, I do not have opinions. The answer is 4.",
        "As an AI, I don't have access to a calculator, so by hand: 4.",
        "I'm just an AI, but the answer is 4.",
        "I am ChatGPT, and the answer is 4.",
        "I was trained by DeepSeek. The answer is 4.",
        "My knowledge cutoff is 2023; the answer is 4.",
        "作为一个人工智能语言模型，我认为答案是4。",
    ],
)
def test_speaking_of_itself(said: str) -> None:
    assert judged("", said)[0] == "as_an_ai"
    assert judged(said, "4")[0] == "as_an_ai"


@pytest.mark.parametrize(
    "text",
    [
        "I cannot divide by zero, so x is not 0.",
        "We cannot determine the value; the answer is: cannot be determined.",
        "I can't simplify this any further. The answer is 4.",
        "I'm sorry, I made a mistake above. The right sum is 9.",
        "We must reject the negative root. I must discard x = -2.",
        "Tom said, \"I'm sorry, but I can't help with that.\" He had 3 apples.",
        "An AI lab has 4 robots. As an AI robot, R2 can help 3 people.",
        "I can't help noticing that 3 + 4 = 7.",
        "I cannot do this in my head, so let me write it down: 12 * 12 = 144.",
        "Anna should refuse the offer because 3 < 4. Anna refuses to answer.",
        "I cannot provide a closed form, but the sum converges to 2.",
        "I will not write out all of the 24 cases; by symmetry, six suffice.",
        "I cannot complete this square without adding 9 to both sides.",
        "I can't answer this question without first computing the area: it is 12.",
        "We decline the option with cost 5, since 4 is cheaper.",
        "As an AI researcher I earn 7 times 8. I'm an AI engineer, and it is against the school's policy to be late.",
        "The language model has 7 layers. I compute 7 * 8 = 56.",
        "```python\nprint(\"I'm sorry, but I can't help with that.\")\n```",
        "",
    ],
)
def test_mathematics_is_no_refusal(text: str) -> None:
    assert judged(text, text) == (None, [])


def test_a_decision_in_the_reasoning() -> None:
    assert judged("This is disallowed content. So we must refuse.", "No.")[0] == "declines"
    assert judged("This goes against the usage policies, hm.", "No.")[0] == "declines"
    # What the reasoning says of helping is a thought; what the response says is done.
    assert judged("I can't help with that unless the angle is given. It is: 30 degrees.", "30")[0] is None


def test_only_the_opening_of_a_response_declines() -> None:
    solved = "We add the numbers one by one and get 36. " * 12
    assert judged("", f"{solved} I can't help with that.")[0] is None


def test_what_is_noted_and_patterns_of_ones_own() -> None:
    assert judged("", "Well. I can't help with that.")[1] == [{"words": "I can't help"}]
    assert judged("", "Das kann ich leider nicht beantworten.", also=["leider nicht beantworten"])[0] == "declines"
    with pytest.raises(Exception, match="is no regular expression"):
        bind("filter", "refusal", {"also": ["("]})


def test_texts_of_benchmarks_are_no_refusals() -> None:
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks' files are not beside the source tree")
    for file in ("gsm8k/test.jsonl", "math500/test.jsonl", "minerva_math/test.jsonl"):
        for line in (BENCHMARKS / file).read_text(encoding="utf-8").splitlines()[:500]:
            row = json.loads(line)
            text = f"{row.get('question') or row['problem']}\n{row.get('solution') or row['answer']}"
            assert judged(text, text) == (None, [])


@pytest.mark.parametrize("text", ["I can't " * 20_000, "as an AI " + "a " * 60_000, '"' * 100_001, "I must " * 20_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    judged(text, text)
    assert time.process_time() - began < 2
