"""The words and marks by which a response gives its final answer, in the languages that models answer in."""

import re

TURN = re.compile(r"<\|(?:im_start|im_end|eot_id|endoftext|end|user|start_header_id)\|?>|</s>|<｜end")
"""Where a chat template's next turn begins: what follows is no answer."""
POLITE = re.compile(r"\s*I hope (?:it|this) is correct\.?\s*$|\s*I hope this helps[.!]?\s*$", re.IGNORECASE)
TAGS = (("<answer>", "</answer>"), ("<final_answer>", "</final_answer>"), ("<|begin_of_box|>", "<|end_of_box|>"))
BOLD = re.compile(r"(?<![*\w])\*\*(?!\s)([^*\n]{1,200}?)(?<!\s)\*\*(?![*\w])")
MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)

JOINS = re.compile(r"\b(?:and|or|und|oder|et|ou|y|o|e)\b|[,;&和或与及]|(?<!\w)(?:и|или)(?!\w)")
"""What may stand between two boxes that list the answers together."""
APPROXIMATES = re.compile(
    r"\\approx|\\simeq|\\doteq|[≈≃]|~|\b(?:approx|about|roughly|numerically|circa|rounded|decimal|ungefähr|etwa|environ"
    r"|aproximadamente)|(?:约|約|примерно|приблизительно)",
    re.IGNORECASE,
)
END_OF_SENTENCE = re.compile(r"[.!?。][$)\]\"*]*\s+(?=[A-Z])|\n\s*\n|。")

# One line a language: a noun, at most a few words, and a verb or a colon; the answer is the rest of the line.
_ANNOUNCES = (
    r"####",
    r"\b(?:final[ \t]+)?(?:answer|result|solution|option|choice)s?\b[*_]{0,2}\"?"
    r"(?:[ \t]+(?:to|for|of)\b[^\n:=]{0,80}?)?[ \t]*(?::|=|\b(?:is|are|equals|would be|must be|will be|comes out to)\b:?)",
    r"^[#* \t]*(?:final[ \t]+)?answer[*: \t]*\n",
    r"\b(?:Antwort|Lösung|Ergebnis|Endergebnis)\b[^\n.:]{0,40}?(?::|\bist\b|\blautet\b|\bbeträgt\b)",
    r"\b(?:réponse|résultat|solution)\b[^\n.:]{0,40}?(?::|\best\b|\bvaut\b)",
    r"\b(?:respuesta|resultado|solución|resposta|solução|risposta|risultato|soluzione)\b[^\n.:]{0,40}?"
    r"(?::|\bes\b|\bé\b|è)",
    r"(?:ответ|результат|решение)[^\n.:]{0,40}?(?::|—|-|\bравен\b|\bравно\b|\bравна\b|\bэто\b)",
    r"(?:答案|答え|正解|答|结果|結果)(?:[^\n。:：]{0,12}?(?:是|为|為|は))?[ \t]*[:：]?",
    r"(?:정답|답)(?:은|:|는)",
    r"(?:الجواب|الإجابة|الناتج)[^\n:0-9٠-٩]{0,20}?(?::|هو|هي)",
    r"उत्तर(?:[ \t]*है|[ \t]*[:：])?",
)
ANNOUNCED = re.compile(rf"(?:{'|'.join(_ANNOUNCES)})[*_]{{0,2}}[ \t]*\n?[ \t]*([^\n]+)", re.IGNORECASE | re.MULTILINE)
_CONCLUDING = (
    r"\b(?:therefore|thus|hence|so|finally|solution|answer|find|get|obtain|have|total)\b",
    r"\b(?:somit|daher|folglich|insgesamt|also|donc|alors|ainsi|luego|portanto|quindi|dunque)\b|por lo tanto|así que",
    r"en total|итого|значит|поэтому|следовательно|所以|因此|故|综上|于是|共|したがって|よって|따라서|그러므로|إذن|لذلك",
    r"अतः|इसलिए|⇒|=>|\\implies|\\Rightarrow",
)
CONCLUDES = re.compile("|".join(_CONCLUDING), re.IGNORECASE)
REFUSES = re.compile(
    r"\b(?:cannot|can't|can not|unable|don't know|do not know|not sure|not possible to|sorry|insufficient|no idea"
    r"|not enough information|unclear|give up|either|maybe|perhaps|might|could be|not provided)\b",
    re.IGNORECASE,
)
"""Refusals and doubts: a number in such a sentence is no answer."""
CLAUSE_END = re.compile(
    r"(?<!\\)[.;!。！](?=\s|$|\*)|[.。](?=$)|\*\*|,\s+(?:that is|i\.e\.)|,?\s+not\b"
    r"|,?\s+(?:because|since|which|where|so that|so|as it|as the|weil|denn|da|car|porque|puisque|потому)\b"
)
VERB = re.compile(
    r"(?:^|\s)(?:is|are|equals|was|ist|lautet|beträgt|est|vaut|es|é|è|is equal to|equal to|by|=|at|be)\s*:?\s+(?!equal)"
)

PROSE = re.compile(r"(?<![\\A-Za-z])(?!sqrt|arc|sinh|cosh|tanh|Matrix|Rational|Interval|FiniteSet|Union)[^\W\d_]{3,}")
"""A word that is no mathematics."""
FOREIGN = re.compile(
    r"[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u052f\u1e00-\u1eff\u0590-\u08ff\u0900-\u0dff\u0e00-\u0e7f"
    r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
"""Letters that mathematics is not written in: neither plain Latin nor Greek."""
UNITS = re.compile(r"[A-Za-z /^²³·-]{0,40}\.?\s*")
CODE = re.compile(r"__|[a-z]{3}\(|\w\.\w+\(|\(\)|\w\(['\"]|\b(?:import|lambda|eval|exec)\b")
RELATION = re.compile(
    r"(?<![\w.)])[A-Za-z](?:\([A-Za-z]\)|_\w)?\s*(?:<=|>=|!=|[<>≤≥≠])\s*[-−+]?[\w.√/^*()]+(?=\s|[.,;]|$)"
)
VALUE = re.compile(
    r"\([^()\n]{1,60},[^()\n]{1,60}\)|\[[^\[\]\n]{1,40},[^\[\]\n]{1,40}\]"
    r"|(?<![\w.])[-−+]?\s?(?:\\?\$|[€£¥])?(?:\d+(?:[,. \u202f]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
    r"(?:\s*/\s*\d+)?(?:\s*(?:\\?%|percent\b|°))?"
)
"""A number, a pair or an interval in running text."""
