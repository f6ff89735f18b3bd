"""How an answer is put before the reader: bare, boxed, in dollars, in a sentence, after some thinking.

A dress keeps what it clothes, right or wrong. A `trap` shows one answer and then settles for another.
"""

from collections.abc import Callable

DRESSES: dict[str, Callable[[str], str]] = {
    "bare": lambda answer: answer,
    "boxed": lambda answer: rf"\boxed{{{answer}}}",
    "boxed_in_a_sentence": lambda answer: rf"Adding both parts, we find that the answer is $\boxed{{{answer}}}$.",
    "answer_tag": lambda answer: f"<answer>{answer}</answer>",
    "dollars": lambda answer: f"${answer}$",
    "parentheses": lambda answer: rf"\({answer}\)",
    "display": lambda answer: rf"\[ {answer} \]",
    "two_dollars": lambda answer: f"$${answer}$$",
    "sentence": lambda answer: f"The answer is ${answer}$.",
    "final_answer": lambda answer: f"**Final Answer**\n\n$\\boxed{{{answer}}}$",
    "german": lambda answer: f"Die Antwort ist ${answer}$.",
    "chinese": lambda answer: f"所以答案是 ${answer}$。",
    "thought": lambda answer: rf"<think>It may be \boxed{{12345}}.</think> It is \boxed{{{answer}}}.",
    "last_box": lambda answer: rf"\boxed{{12345}}. That counts one twice. So it is \boxed{{{answer}}}.",
}
PLAIN = ("bare", "boxed", "boxed_in_a_sentence", "answer_tag", "final_answer", "thought")
PLAIN_TEXT = {"base_in_words", "mixed_number_in_plain_text", "sympy_syntax", "unicode", "unit_in_words"}
"""Families that do not write LaTeX, and the dresses that suit them."""

TRAPS: dict[str, Callable[[str, str], str]] = {
    "right_only_in_thought": lambda right, wrong: rf"<think>\boxed{{{right}}}</think> The answer is \boxed{{{wrong}}}.",
    "right_then_wrong": lambda right, wrong: (
        rf"\boxed{{{right}}}. No, that is not all. The answer is \boxed{{{wrong}}}."
    ),
    "never_closed": lambda right, wrong: rf"Hence the answer is \boxed{{{right}",
    "thought_never_closed": lambda right, wrong: rf"<think>So the answer is \boxed{{{right}}}. Let me check",
}
