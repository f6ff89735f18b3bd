"""Writes MATH-500's gold answers, rewritten: half of the rewrites keep the value, half change it.

    python scripts/rewrite_math500.py FOLDER [--pairs 4000] [--seed 1] > pairs.jsonl

FOLDER holds `math500/test.jsonl`. Lines: {"gold", "pred", "expected", "family", "dress"}, the same for the same seed.
Every rewrite in plain LaTeX is checked by numbers, with a reader of its own (`rewrites/reader.py`): one that should
keep the value and does not is a bug and stops the script; one that should change it and does not is left out.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from rewrites import forms, slips, spellings
from rewrites.dresses import DRESSES, PLAIN, PLAIN_TEXT, TRAPS
from rewrites.families import BREAKING, FOREIGN, PRESERVING, SURE
from rewrites.golds import Gold, load, undress
from rewrites.reader import same

FAMILIES = (spellings, forms, slips)
"""Imported for the families that they register."""


@dataclass(frozen=True)
class Pair:
    gold: str
    pred: str
    expected: bool
    family: str
    dress: str


def pairs(folder: Path, *, count: int = 4000, seed: int = 1) -> list[Pair]:
    """Unique pairs, half right and half wrong, the families as even as their numbers allow."""
    random = Random(seed)
    golds = load(folder)
    found: dict[bool, list[Pair]] = {True: [], False: []}
    for expected, rewrites in ((True, _right), (False, _wrong)):
        unique = {(pair.gold, pair.pred): pair for gold in golds for pair in rewrites(gold, random)}
        found[expected] = _even(list(unique.values()), count // 2, random)
    chosen = found[True] + found[False]
    random.shuffle(chosen)
    return chosen


def _right(gold: Gold, random: Random) -> Iterator[Pair]:
    for dress in DRESSES:
        if dress != "bare":
            yield Pair(gold.text, DRESSES[dress](gold.text), True, dress, dress)
    for name, family in PRESERVING.items():
        for text in family(gold, random):
            if name not in FOREIGN and changed(gold, text):
                raise AssertionError(f"{name} changes {gold.text!r} to {text!r}")
            if text not in (gold.text, gold.core) or gold.unit:
                yield _dressed(gold, text, True, name, random)


def _wrong(gold: Gold, random: Random) -> Iterator[Pair]:
    slips = []
    for name, family in BREAKING.items():
        for text in family(gold, random):
            verdict = changed(gold, text)
            if verdict is None and name not in SURE:
                raise AssertionError(f"{name} makes {text!r} of {gold.text!r}, which cannot be checked")
            if verdict is not False or name in SURE:
                slips.append(text)
                dressed = text if name == "other_unit" else gold.with_unit(text)
                yield _dressed(gold, dressed, False, name, random)
    for name, trap in TRAPS.items():
        if slips:
            yield Pair(gold.text, trap(gold.text, random.choice(slips)), False, name, name)


def changed(gold: Gold, text: str) -> bool | None:
    """Whether the text has another value than the gold; None where the text cannot be read."""
    other = undress(text)
    return None if other is None else not same(gold.value, other.value)


def _dressed(gold: Gold, text: str, expected: bool, family: str, random: Random) -> Pair:
    dress = "bare" if random.random() < 0.4 else random.choice(PLAIN if family in PLAIN_TEXT else list(DRESSES))
    return Pair(gold.text, DRESSES[dress](text), expected, family, dress)


def _even(found: list[Pair], count: int, random: Random) -> list[Pair]:
    """`count` of the pairs: a round takes one of every family that has some left."""
    shelves: dict[str, list[Pair]] = {}
    for pair in found:
        shelves.setdefault(pair.family, []).append(pair)
    for shelf in shelves.values():
        random.shuffle(shelf)
    taken: list[Pair] = []
    while len(taken) < count and any(shelves.values()):
        taken += [shelf.pop() for shelf in shelves.values() if shelf]
    return taken[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for pair in pairs(arguments.folder, count=arguments.pairs, seed=arguments.seed):
        print(json.dumps(asdict(pair), ensure_ascii=False))


if __name__ == "__main__":
    main()
