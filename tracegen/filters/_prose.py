"""The words of a text that are language, without its formulas, code, addresses and numbers.

    words(text)      those words, in order; of East Asian scripts each sign by itself
    width(word)      how much of a text a word is: its letters and a space, an East Asian sign as much as four letters
    script(word)     the Unicode name of the script of its first letter: LATIN, CYRILLIC, ARABIC, CJK (kana too) ...

A word of one letter is a variable more often than a word and is left out; so is what has a digit, an underscore, a
backslash or an operator in it or at its side.
"""

import re
import unicodedata
from functools import lru_cache

# Between brackets no other bracket may open, and an environment ends within some lines: what a model never closed would
# otherwise be searched to its end from each opening.
_NO_PROSE = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|\$\$[^$]*\$\$|\\\[[^\\]*(?:\\[^\[\]][^\\]*)*\\\]|\\\([^\\]*(?:\\[^()][^\\]*)*\\\)"
    r"|\\begin\{(\w+\*?)\}.{0,2000}?\\end\{\1\}|`[^`\n]*`|\$[^$\n]*\$|\bhttps?:\S*",
    re.DOTALL,
)
_SIGN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_STOP = "，。：；、？！（）「」《》“”"
# Vowel signs and accents are no letters to `re`, and stand inside words of Arabic, the Indic scripts and Thai.
_LETTER = rf"(?:[^\W\d_{_SIGN}]|[\u0300-\u036f\u064b-\u0655\u0900-\u0963\u0981-\u0dff\u0e31-\u0e4e])"
_WORD = re.compile(
    rf"[{_SIGN}]"
    rf"|(?<![^\s(\"'“‘\[¿¡*{_SIGN}{_STOP}]){_LETTER}{{2,}}+(?:['’-]{_LETTER}++)*(?![^\s.,;:!?)\"'”’\]*।؟،{_SIGN}{_STOP}])"
)
LONGEST = 1000
"""Letters in a row: Thai has no spaces between words, but a longer row is noise, on which a detector takes minutes."""
SIGN_WIDTH = 4
"""An East Asian sign says about as much as four letters."""


def words(text: str) -> list[str]:
    return [word for word in _WORD.findall(_NO_PROSE.sub(" ", text)) if len(word) <= LONGEST]


def width(word: str) -> int:
    return SIGN_WIDTH if len(word) == 1 else len(word) + 1


@lru_cache(4096)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").split()[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA") else name  # Japanese is written in three scripts at once.


def script(word: str) -> str:
    return "LATIN" if word[0] < "\u0250" else _script(word[0])
