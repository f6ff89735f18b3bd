"""Other languages are found in either part, mixed in or throughout; formulas, code and quotations are none."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tracegen.filters._prose import words
from tracegen.filters.language import language
from tracegen.records import Problem, Trace, UsageError

pytest.importorskip("lingua")

from passages import PASSAGES

ENGLISH = PASSAGES["en"]
BENCHMARKS = Path(__file__).parents[2].parent / "shared" / "benchmarks"


def judged(thought: str, said: str = "The answer is 14.", statement: str = "How many?", **options: Any) -> Any:
    noted: list[Any] = []
    trace = Trace("k", "p", "t", 0, (), thought, said, "complete", "stop", 9)
    problems = {"p": Problem("p", statement)}
    [(_, reason)] = language([trace], problems=problems, note=lambda _, evidence: noted.append(evidence), **options)
    return reason, noted


def reason(*texts: str, **options: Any) -> str | None:
    return judged(*texts, **options)[0]


@pytest.mark.parametrize("code", [code for code in PASSAGES if code != "en"])
def test_each_language_is_told_from_english_and_kept_where_it_is_wanted(code: str) -> None:
    found, noted = judged(PASSAGES[code])
    assert found == "reasoning_language"
    assert list(noted[0]["found"]) == [code]
    assert reason(ENGLISH, PASSAGES[code]) == "response_language"
    assert reason(PASSAGES[code], PASSAGES[code], languages=[code]) is None
    assert reason(ENGLISH, languages=[code]) == "reasoning_language"


def test_reasoning_may_have_languages_of_its_own() -> None:
    assert reason(PASSAGES["zh"], ENGLISH, reasoning=["zh", "en"]) is None
    assert reason(PASSAGES["de"], ENGLISH, reasoning=["zh", "en"]) == "reasoning_language"
    assert reason(ENGLISH, PASSAGES["zh"], reasoning=["zh", "en"]) == "response_language"


@pytest.mark.parametrize("code", ["zh", "ja", "ru", "ar", "de", "es"])
def test_a_passage_in_between_is_mixed(code: str) -> None:
    found, noted = judged(f"{ENGLISH}\n\n{PASSAGES[code]}\n\n{ENGLISH}")
    assert found == "reasoning_mixed"
    assert list(noted[0]["found"]) == [code]
    assert 0.1 < noted[0]["found"][code] < 0.5


def test_how_much_may_be_mixed() -> None:
    one_sentence = PASSAGES["zh"].split("。")[0]
    assert reason(f"{ENGLISH} {one_sentence}。 {ENGLISH}", max_other=0.3) is None
    assert reason(f"{ENGLISH} {one_sentence}。 {ENGLISH}", max_other=0.0) == "reasoning_mixed"
    assert reason(f"{ENGLISH} 所以 {ENGLISH}") is None


def test_what_the_statement_says_is_nobodys_choice() -> None:
    statement = f"Translate into English: {PASSAGES['zh']}"
    assert reason(f"They give me this: {PASSAGES['zh']} {ENGLISH}", statement=statement) is None
    assert reason(f"They give me this: {PASSAGES['fr']} {ENGLISH} {ENGLISH}", statement=statement) == "reasoning_mixed"


def test_a_problem_in_another_language_does_not_excuse_the_reasoning() -> None:
    statement = "小明星期一买了十二个苹果，星期二买了两倍那么多。他把三分之一给了弟弟，他还剩下多少个？"
    assert reason(PASSAGES["zh"], statement=statement) == "reasoning_language"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4",
        "Ja. Nein.",
        "x = y^2, so y = \\sqrt{x}. " * 30,
        r"\begin{align*} \text{Gesamtlänge des Seils} &= \text{Länge der Stücke und noch mehr} \end{align*}" * 5,
        f"```python\nlaenge_der_liste = {{'Äpfel': 'Birnen und noch viel mehr Obst, das wir zählen'}}\n```\n{ENGLISH}",
        "sin cos tan log exp mod gcd lcm " * 40,
        "Rodríguez, Müller, Nguyễn, Kowalski, Yılmaz, O'Brien, Janáček and Ångström share 12 apples. " * 4,
        "let x in xs and if x in ys then y else z and for i in xs do f of i or g of i " * 10,
        "α + β = γ and θ, φ and ψ are angles; π is not rational. " * 8,
        "croissants and rolls, rolls and croissants, croissants and sandwiches " * 12,
    ],
)
def test_what_is_no_language_is_kept(text: str) -> None:
    assert reason(text, text) is None


def test_texts_of_benchmarks_are_english() -> None:
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks' files are not beside the source tree")
    lines = (BENCHMARKS / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:200]
    lines += (BENCHMARKS / "math500" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:200]
    for row in map(json.loads, lines):
        text = f"{row.get('question') or row['problem']}\n{row.get('solution') or row['answer']}"
        assert judged(text, text) == (None, [])


def test_words_leave_out_what_is_not_language() -> None:
    text = (
        r"So $x$ is `foo bar`, see https://a.b/c and \frac{a}{b}: 3apples, x_1, f(n) yield “two” pears-and-plums！好的"
    )
    assert words(text) == ["So", "is", "see", "and", "yield", "two", "pears-and-plums", "好", "的"]


@pytest.mark.parametrize(
    "text", ["x" * 200_000, "\\(" * 40_000, "$" * 80_001, "`" * 80_001, "\\begin{a}" * 9_000, "a-" * 40_000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    assert reason(text) is None
    assert time.process_time() - began < 2


@pytest.mark.parametrize("languages", ["en", ["english"], []])
def test_a_language_that_does_not_exist(languages: Any) -> None:
    with pytest.raises(UsageError, match="it takes ISO 639-1 codes out of af ar az"):
        list(language([], problems={}, languages=languages))
