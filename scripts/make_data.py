"""Write data/quickstart.jsonl and data/heldout.jsonl: small problems that a 135M teacher sometimes gets right.

    python scripts/make_data.py [FOLDER]

Deterministic: the same bytes every time (needs the extra `gym`). Families take turns, so that any first N problems are
a mix. Held-out problems come from the same families, with names that the quickstart problems never use and, within a
family of our own, with pairs of numbers that they never use; 5 + 9 of one may stand in a word problem of another.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

SEED = 20
LICENCE = "apache-2.0"
SIZES = {"quickstart": 320, "heldout": 160}
NAMES = {
    "quickstart": ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gwen", "Hugo", "Ida", "Jack", "Kim", "Leo"],
    "heldout": ["Mona", "Nils", "Olga", "Paul", "Rosa", "Sven", "Tara", "Uwe"],
}
THINGS = ["apples", "books", "cards", "coins", "cups", "eggs", "pens", "shells", "stamps", "toys"]


class Draw(NamedTuple):
    """One problem; `fact` is what must not come twice, in either file."""

    fact: str
    statement: str
    answer: int


def addition(random: Random, _: list[str]) -> Draw:
    a, b = random.randint(2, 20), random.randint(2, 20)
    asks = (f"What is {a} + {b}?", f"Calculate {a} + {b}.", f"Add {a} and {b}.", f"Find {a} plus {b}.")
    return Draw(f"{min(a, b)}+{max(a, b)}", random.choice(asks), a + b)


def subtraction(random: Random, _: list[str]) -> Draw:
    b, c = random.randint(2, 12), random.randint(2, 12)
    a = b + c
    asks = (f"What is {a} - {b}?", f"Calculate {a} - {b}.", f"Subtract {b} from {a}.", f"Find {a} minus {b}.")
    return Draw(f"{a}-{b}", random.choice(asks), c)


def multiplication(random: Random, _: list[str]) -> Draw:
    a, b = random.randint(2, 15), random.randint(2, 15)
    asks = (f"What is {a} * {b}?", f"Calculate {a} * {b}.", f"Multiply {a} by {b}.", f"Find {a} times {b}.")
    return Draw(f"{min(a, b)}*{max(a, b)}", random.choice(asks), a * b)


def gain(random: Random, names: list[str]) -> Draw:
    a, b, who, what = random.randint(3, 15), random.randint(2, 12), random.choice(names), random.choice(THINGS)
    asks = (
        f"{who} has {a} {what} and gets {b} more. How many {what} now?",
        f"{who} finds {a} {what}, then {b} more. How many {what} in all?",
        f"There are {a} {what} here and {b} there. How many {what} together?",
    )
    return Draw(f"gain {a} {b}", random.choice(asks), a + b)


def loss(random: Random, names: list[str]) -> Draw:
    b, c, who, what = random.randint(2, 10), random.randint(2, 12), random.choice(names), random.choice(THINGS)
    a = b + c
    asks = (
        f"{who} has {a} {what} and gives away {b}. How many {what} are left?",
        f"{who} had {a} {what} and lost {b}. How many {what} remain?",
        f"Of {a} {what}, {who} sells {b}. How many {what} are left?",
    )
    return Draw(f"loss {a} {b}", random.choice(asks), c)


def groups(random: Random, names: list[str]) -> Draw:
    a, b, who, what = random.randint(2, 12), random.randint(2, 12), random.choice(names), random.choice(THINGS)
    asks = (
        f"{who} buys {a} bags with {b} {what} each. How many {what} in total?",
        f"Each of {a} boxes holds {b} {what}. How many {what} in total?",
        f"{who} fills {a} rows with {b} {what} each. How many {what} are there?",
    )
    return Draw(f"groups {a} {b}", random.choice(asks), a * b)


def equation(random: Random, _: list[str]) -> Draw:
    x, b, letter = random.randint(2, 12), random.randint(2, 12), random.choice("xyn")
    asks = (f"Solve {letter} - {b} = {x} for {letter}.", f"If {letter} - {b} = {x}, what is {letter}?")
    return Draw(f"x-{b}={x}", random.choice(asks), x + b)


def sum_value(random: Random, _: list[str]) -> Draw:
    x, b, letter = random.randint(2, 15), random.randint(2, 15), random.choice("xyn")
    asks = (f"If {letter} = {x}, what is {letter} + {b}?", f"Evaluate {letter} + {b} for {letter} = {x}.")
    return Draw(f"x={x} x+{b}", random.choice(asks), x + b)


def product_value(random: Random, _: list[str]) -> Draw:
    x, b, letter = random.randint(2, 12), random.randint(2, 9), random.choice("xyn")
    asks = (f"If {letter} = {x}, what is {b}{letter}?", f"Evaluate {b}{letter} for {letter} = {x}.")
    return Draw(f"x={x} {b}x", random.choice(asks), x * b)


OWN: dict[str, tuple[str, Callable[[Random, list[str]], Draw]]] = {
    "addition": ("arithmetic", addition),
    "gain": ("word", gain),
    "sum-value": ("symbolic", sum_value),
    "subtraction": ("arithmetic", subtraction),
    "loss": ("word", loss),
    "equation": ("symbolic", equation),
    "multiplication": ("arithmetic", multiplication),
    "groups": ("word", groups),
    "product-value": ("symbolic", product_value),
}
GYM: dict[str, tuple[str, dict[str, Any]]] = {
    "chain_sum": ("arithmetic", {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}),
}


def key(statement: str) -> str:
    """The statement's words: `3 + 4` and `3 * 4` count as one, because decontamination may see no more than that."""
    return " ".join(re.findall(r"\w+", statement.lower()))


def own(family: str, split: str, used: set[str]) -> Iterator[dict[str, Any]]:
    """Endless problems of one of our own families."""
    domain, draw = OWN[family]
    random = Random(f"{SEED} {family} {split}")
    while True:
        fact, statement, answer = draw(random, NAMES[split])
        if not {fact, key(statement)} & used:
            used |= {fact, key(statement)}
            yield {
                "statement": statement,
                "answer": str(answer),
                "verifier": "math",
                "source": "tracegen/scripts/make_data.py",
                "domain": domain,
                "licence": LICENCE,
            }


def gym(family: str, split: str, used: set[str]) -> Iterator[dict[str, Any]]:
    """Problems of a reasoning-gym generator, with the entry that its own scorer needs."""
    import reasoning_gym

    domain, options = GYM[family]
    for entry in reasoning_gym.create_dataset(family, seed=SEED + list(SIZES).index(split), size=10_000, **options):
        statement = entry["question"].strip()
        if key(statement) not in used:
            used.add(key(statement))
            yield {
                "statement": statement,
                "answer": entry["answer"],
                "verifier": "gym",
                "source": f"reasoning-gym/{family}",
                "domain": domain,
                "licence": LICENCE,
                "gym_task": family,
                "gym_entry": entry,
            }


def problems() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each file's name and its rows, in order."""
    used: set[str] = set()
    for split, size in SIZES.items():
        streams = {name: own(name, split, used) for name in OWN} | {name: gym(name, split, used) for name in GYM}
        rows = []
        for index in range(size):
            family = list(streams)[index % len(streams)]
            rows.append({"id": f"{split}-{index:03d}-{family}", **next(streams[family])})
        yield split, rows


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in problems():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "data")
