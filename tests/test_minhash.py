"""Shingles are the same wherever they stand, estimates are close, and the index misses nobody it met."""

import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen.minhash import MEET, PERMUTATIONS, SHINGLE, Index, alike, bands, shingles, signature

TEXT = st.text("abc xyz12 ,.()\n思考é\ud800💥\0", max_size=80)


def test_tokens_are_words_numbers_and_other_signs_one_by_one() -> None:
    sizes = {"add them": 2, "x = 12+3.": 6, "  ": 0, "": 0, "思考过程": 4, "naïve Straße": 2, "💥💥": 2, "a\u3000b": 2}
    assert {text: len(shingles(text, 1)) for text in sizes} == sizes
    assert len(shingles("one two three four five")) == 5 - SHINGLE + 1
    assert len(shingles("one two")) == 1


@given(TEXT, TEXT, TEXT)
def test_a_run_of_tokens_is_the_same_wherever_it_stands(before: str, text: str, after: str) -> None:
    inside = shingles(f"{before} {text} {after}")
    if len(shingles(text, 1)) >= SHINGLE:
        assert set(shingles(text).tolist()) <= set(inside.tolist())
    assert shingles(text).tolist() == shingles(f" {text}\n").tolist()


def test_words_of_the_same_letters_are_different() -> None:
    words = ["abc", "acb", "cba", "ab", "a", "aa", "aaa", "a" * 63, "a" * 64, "a" * 65, "\0", "\0\0", "b", "1", "11"]
    hashes = {word: tuple(shingles(word, 1).tolist()) for word in words}
    assert len(set(hashes.values())) == len(words)
    assert shingles("one two three").tolist() != shingles("three two one").tolist()


def test_hashes_and_signatures_are_the_same_in_another_process() -> None:
    code = "from tracegen.minhash import *; print(signature(shingles('add the two numbers of it')).hex())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == signature(shingles("add the two numbers of it")).hex()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_the_estimate_is_within_four_standard_errors(share: float) -> None:
    chance = np.random.default_rng(4)
    common, own = round(1000 * share), round(1000 * (1 - share) / 2)
    off = []
    for _ in range(50):
        drawn = chance.integers(0, 1 << 63, common + 2 * own).astype(np.uint64)
        one, other = drawn[: common + own], np.concatenate((drawn[:common], drawn[common + own :]))
        off.append(alike(signature(one), signature(other)) - common / (common + 2 * own))
    error = (share * (1 - share) / PERMUTATIONS) ** 0.5
    assert max(map(abs, off)) < 4 * error
    assert abs(float(np.mean(off))) < 4 * error / 50**0.5


def test_another_salt_has_nothing_in_common() -> None:
    found = shingles("all of these words are in both of the texts")
    assert alike(signature(found), signature(found)) == 1
    assert alike(signature(found, 1), signature(found, 2)) < 0.05


@pytest.mark.parametrize("near", [0.05, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_bands_are_as_long_as_they_may_be(near: float) -> None:
    count, rows = bands(near)
    assert count * rows <= PERMUTATIONS

    def meet(rows: int) -> float:
        return 1 - (1 - near**rows) ** (PERMUTATIONS // rows)

    assert meet(rows) >= MEET
    assert rows == PERMUTATIONS or meet(rows + 1) < MEET


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([0.4, 0.7, 0.9]))
def test_the_index_finds_what_comparing_all_finds(seed: int, near: float) -> None:
    """Beyond its first room, with every tenth signature near an earlier one."""
    chance = np.random.default_rng(seed)
    index, (count, rows) = Index(near), bands(near)
    known = np.zeros((0, PERMUTATIONS), np.uint16)
    made = []
    for number in range(1500):
        places = chance.integers(0, 1 << 16, PERMUTATIONS).astype("<u2")
        if number % 10 == 9:
            kept = chance.random(PERMUTATIONS) < chance.uniform(0.3, 1)
            places[kept] = made[chance.integers(len(made))][kept]
        made.append(places)
        if number in (9, 600, 1030, 1490) or number % 100 == 99:
            known = np.array(made[:number])
            in_bands = (known == places)[:, : count * rows].reshape(number, count, rows).all(2).any(1)
            shares = np.where(in_bands, (known == places).mean(1), 0)
            best = int(shares.argmax())
            expected = (best, float(shares[best])) if shares[best] >= near else None
            assert index.find(places.tobytes()) == expected
        assert index.add(places.tobytes()) == number


def test_a_crowd_that_is_somewhat_alike_hides_no_recent_one() -> None:
    chance = np.random.default_rng(8)
    index = Index(0.7)
    pattern = chance.integers(0, 1 << 16, PERMUTATIONS).astype("<u2")
    crowd = []
    for _ in range(1200):
        crowd.append(np.where(chance.random(PERMUTATIONS) < 0.5, pattern, chance.integers(0, 1 << 16, PERMUTATIONS)))
        index.add(crowd[-1].astype("<u2").tobytes())
    assert index.find(pattern.tobytes()) is None
    for number in (1199, 1150, 1000):
        assert index.find(crowd[number].astype("<u2").tobytes()) == (number, 1.0)


def test_copies_are_found_and_nothing_else() -> None:
    chance = Random(5)
    vocabulary = [f"word{number}" for number in range(3000)]
    index, copies, found = Index(0.7), 0, 0
    for number in range(150):
        words = chance.choices(vocabulary, range(3000, 0, -1), k=400)
        assert index.find(signature(shingles(" ".join(words)))) is None
        index.add(signature(shingles(" ".join(words))))
        for share in (0.01, 0.03):
            copy = " ".join(chance.choice(vocabulary) if chance.random() < share else word for word in words)
            hit = index.find(signature(shingles(copy)))
            copies += 1
            found += hit is not None and hit[0] == number
    assert found >= 0.98 * copies
