"""Words in common: numbers are masked, and the search for alike texts misses nothing."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracegen.overlap import Alike, masked, numbers, words

TRAIN = "A train travels 270 miles in 3 hours. How long does it take for 1,350.5 miles?"


def test_words_have_no_case_and_no_punctuation_and_numbers_can_be_masked() -> None:
    found = words("What is 3 + 4.5, \N{MINUS SIGN}2 or (x)?")
    assert found == ["what", "is", "3", "+4.5", "-2", "or", "(x"]
    assert masked(found) == ["what", "is", "#", "+#", "-#", "or", "(x"]
    assert masked(words("the list 1, 2, 3 and 1 + 2 + 3 + 4")) == ["the", "list", "#", "and", "#", "+#"]
    assert numbers(found) == ["2", "3", "4.5"]
    assert masked(words(TRAIN)) == masked(words(TRAIN.replace("270", "19").replace("1,350.5", "4")))


def test_alike_texts_are_found_in_any_order_of_their_words() -> None:
    alike = Alike(0.6, {})
    alike.add(words("the train goes to town"), "train")
    alike.add(words("a ship sails over the sea"), "ship")
    assert list(alike.find(words("to town goes the train"))) == [("train", 1.0)]
    assert list(alike.find(words("the train goes to sea"))) == [("train", 4 / 6)]
    assert list(alike.find(words("the sea"))) == []


TEXTS = st.lists(st.lists(st.sampled_from("abcdefghijkl"), max_size=12), max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=TEXTS, least=st.sampled_from([0.3, 0.5, 0.6, 0.75, 0.8, 1.0]), counted=st.booleans())
def test_the_search_finds_what_comparing_all_finds(texts: list[list[str]], least: float, counted: bool) -> None:
    alike = Alike(least, Counter(word for text in texts for word in text) if counted else {})
    for number, text in enumerate(texts):
        alike.add(text, str(number))
    for text in filter(None, texts):
        share = {str(n): len({*text} & {*other}) / len({*text, *other}) for n, other in enumerate(texts)}
        assert dict(alike.find(text)) == {name: found for name, found in share.items() if found >= least}
