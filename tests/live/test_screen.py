"""What a person sees: the right figures, in lines that fit, and nothing where there is nothing to say."""

import io

import pytest
import told
from rich.console import Console

from tracegen import progress
from tracegen.live import Watch
from tracegen.live.line import line, summary
from tracegen.live.screen import ERRORS, TEACHERS, WIDE, screen
from tracegen.live.words import dollars, duration, number, percent


def drawn(figures, width=120):
    console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True)
    console.print(screen(figures, width))
    return console.export_text()


def rows(text):
    """Lines by their first word, runs of spaces made one."""
    return {words[0]: " ".join(words[1:]) for words in map(str.split, text.splitlines()) if words}


def test_a_screen_shows_the_figures():
    figures = told.watch(budget=5.0).figures()
    shown = rows(drawn(figures))
    assert "13 of 60 samples" in shown["generate"]
    assert shown["problems"] == "2 solved, 17 open, 1 given up"
    assert "300 written" in shown["tokens"]
    assert shown["verified"].endswith("75% of the judged")
    assert shown["verdicts"] == "3 right, 1 wrong, 1 unverifiable, 0 error"
    assert shown["cost"] == "$1.21 by now of $5.00, $2.84 in all, $0.1027 per verified trace"
    assert shown["slots"] == "5, 1 waiting, 4 retries"
    assert shown["smol"].startswith("(openai) 13/45")
    assert shown["smol"].endswith("3 75% 1 1 0 16.7% 2 3/8".replace("16.7%", "17%"))
    assert shown["2"] == "x the server answered 500"


def test_a_screen_before_anything_came_back():
    watch = Watch("generate", problems=3)
    watch.planned("smol", 6)
    shown = rows(drawn(watch.figures()))
    assert shown["verified"] == "none judged yet"
    assert "cost" not in shown, "no price is known"
    assert "left" not in shown["generate"]
    assert shown["smol"].split() == ["0/6", "0", "–", "0", "–", "0", "0", "0", "–", "0", "0"]


@pytest.mark.parametrize("width", [60, 80, WIDE - 1, WIDE, 200])
def test_a_screen_fits_its_terminal(width):
    text = drawn(told.watch().figures(), width)
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= 20
    assert ("unverifiable" in rows(text)["teacher"]) == (width >= WIDE)


def test_many_teachers_and_errors_are_counted_not_shown():
    watch = Watch("generate")
    for index in range(TEACHERS + 3):
        watch.planned(f"t{index}", 10)
    for index in range(ERRORS + 2):
        watch.answered(told.row(index, "t0", error="x" * (index + 1)), None)
    text = drawn(watch.figures())
    assert "and 3 more" in text
    assert "and 2 other kinds of errors" in text


def test_a_stage_that_counts_units():
    bar = progress.Bar("train", 200, "steps")
    bar.at(50, "loss 0.731")
    assert "train: 50 of 200 steps, loss 0.731" in drawn(bar.figures())


def test_a_stage_that_counts_nothing():
    with progress.during("curate"):
        assert drawn(progress.going_on[-1].figures()).strip() == "curate: for 0 s"


def test_names_are_never_markup():
    watch = Watch("[red]generate")
    watch.planned("[bold]x", 1)
    watch.answered(told.row(1, "[bold]x", error="[/] gone"), None)
    text = drawn(watch.figures())
    assert "[red]generate" in text
    assert "[bold]x" in text
    assert "[/] gone" in text


def test_the_line():
    text = line(told.watch().figures())
    assert text.startswith("generate: 13 of 60 samples, ")
    for part in ("verified/min, 75% right", "2 of 20 problems solved", "17% truncated", "2 failed", "$1.21 by now"):
        assert part in text
    assert "none judged yet" in line(Watch("generate").figures())


def test_a_plan_that_may_end_early_says_so():
    watch = Watch("generate")
    watch.planned("smol", 100, at_most=True)
    for index in range(10):
        watch.answered(told.row(index), told.trace(index))
    text = line(watch.figures())
    assert text.startswith("generate: 10 of at most 100 samples, ")
    assert "at most 9 s left" in text


def test_a_cost_that_is_a_most():
    assert "$1.21 by now, at most $2.84 in all" in line(told.watch(at_most=True).figures())


def test_the_summary():
    text = summary(told.watch().figures())
    for part in ("8 samples answered", "300 tokens", "3 verified", "2 failed", "$0.1027 per verified trace"):
        assert part in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (0.44, "0.4"), (7, "7"), (1234, "1,234"), (12_345, "12.3 k"), (4_560_000, "4.56 M")],
)
def test_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0.2, "0 s"), (59.6, "1 min"), (312, "5 min 12 s"), (11100, "3 h 5 min"), (187200, "2 d 4 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_money_and_shares():
    assert (dollars(0), dollars(0.00123), dollars(1234.5)) == ("$0.00", "$0.0012", "$1,234.50")
    assert (percent(None), percent(0), percent(0.0123), percent(0.62)) == ("–", "0%", "1.2%", "62%")
    assert percent(0.9996) != "100%"
