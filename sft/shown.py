"""A row for the eye: each of its tokens, and whether it is trained on.

Shape: `show(row, tokenizer)` is a text for rich. The masked prompt is dim, what is trained on green, the end of the
turn reversed; every other token is underlined, so that neighbours are told apart. Without colours a bar stands behind a
token of the prompt, a trained one in brackets, the end of the turn in double ones.
"""

from collections.abc import Iterator

from rich.text import Text
from transformers import PreTrainedTokenizerBase

from sft.data import IGNORED, Row, decode

HALF = "\ufffd"
"""What a part of a character is decoded to."""


def show(row: Row, tokenizer: PreTrainedTokenizerBase, *, coloured: bool = True) -> Text:
    """The text of the row; the line feeds of a token are shown, and one is made behind it."""
    text = Text()
    for number, (piece, masked, last) in enumerate(pieces(row, tokenizer)):
        shown = piece.replace("\n", "↵")
        if coloured:
            style = "dim" if masked else "bold reverse green" if last else "green"
            text.append(shown, style if last or number % 2 else f"{style} underline")
        else:
            text.append(f"{shown}|" if masked else f"[[{shown}]]" if last else f"[{shown}]")
        if "\n" in piece:
            text.append("\n")
    return text


def pieces(row: Row, tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[str, bool, bool]]:
    """Each token's text, whether it is masked, and whether it ends the row; tokens that share a character together."""
    before = start = 0
    for end in range(1, len(row.input_ids) + 1):
        masked = row.labels[start] == IGNORED
        last = end == len(row.input_ids)
        # Decoded behind what stands before it: SentencePiece drops the space in front of a text.
        ahead = decode(row.input_ids[before:start], tokenizer)
        piece = decode(row.input_ids[before:end], tokenizer)[len(ahead) :]
        if last or (row.labels[end] == IGNORED) != masked or not piece.endswith(HALF):
            yield piece, masked, last
            before, start = start, end
