"""The words and marks by which a response gives its final answer, in the languages that models answer in.

White space is counted, never repeated without end: a response of nothing but spaces is searched in linear time.
"""

import re

SPEAKS = re.compile(
    r"<\|im_start\|>assistant\s{0,8}|<\|start_header_id\|>assistant<\|end_header_id\|>\s{0,8}|<\|channel\|>final<\|message\|>"
)
"""Where the model's own turn begins in a chat template that was left in."""
TURN = re.compile(r"<\|(?:im_start|im_end|eot_id|endoftext|end|user|return|start_header_id)\|?>|</s>|<｜end")
"""Where a chat template's next turn begins: what follows is no answer."""
POLITE = re.compile(
    r"[\s$]{0,4}(?:\\blacksquare|\\square|\\qed|∎|■)[\s$.]{0,4}$"
    r"|\s{0,8}I hope (?:it is correct|this is correct|this helps)[.!]?\s{0,8}$",
    re.IGNORECASE,
)
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
END_OF_SENTENCE = re.compile(r"[.!?。][$)\]\"*]*\s{1,8}(?=[A-Z])|\n\s{0,8}\n|。")

# One line a language: a noun, at most a few words, and a verb or a colon; the answer is the rest of the line.
_ANNOUNCES = (
    r"####",
    r"\b(?:final[ \t]{1,8})?(?:answer|result|solution|option|choice)s?\b[*_]{0,2}\"?"
    r"(?:[ \t]{1,8}(?:to|for|of)\b[^\n:=]{0,80}?)?[ \t]{0,8}"
    r"(?::|=|\b(?:is|are|equals|would be|must be|will be|comes out to)\b:?)",
    r"^[#* \t]{0,12}(?:final[ \t]{1,8})?answer[*: \t]{0,12}\n",
    r"\b(?:Antwort|Lösung|Ergebnis|Endergebnis)\b[^\n.:]{0,40}?(?::|\bist\b|\blautet\b|\bbeträgt\b)",
    r"\b(?:réponse|résultat|solution)\b[^\n.:]{0,40}?(?::|\best\b|\bvaut\b)",
    r"\b(?:respuesta|resultado|solución|resposta|solução|risposta|risultato|soluzione)\b[^\n.:]{0,40}?"
    r"(?::|\bes\b|\bé\b|è)",
    r"(?:ответ|результат|решение)[^\n.:]{0,40}?(?::|—|-|\bравен\b|\bравно\b|\bравна\b|\bэто\b)",
    r"(?:答案|答え|正解|答|结果|結果)(?:[^\n。:：]{0,12}?(?:是|为|為|は))?[ \t]{0,8}[:：]?",
    r"(?:정답|답)(?:은|:|는)",
    r"(?:الجواب|الإجابة|الناتج)[^\n:0-9٠-٩]{0,20}?(?::|هو|هي)",
    r"\b(?:I|we) (?:choose|pick|select)\b:?",
    r"(?:故选|应选|选择|选)[:：]?",
    r"उत्तर(?:[ \t]{0,8}है|[ \t]{0,8}[:：])?",
)
ANNOUNCED = re.compile(
    "(?:" + "|".join(_ANNOUNCES) + r")[*_]{0,2}[ \t]{0,8}(?:\n[ \t]{0,8}(?:```\w{0,10})?){0,3}(?=([^\n]{1,600}))",
    re.IGNORECASE | re.MULTILINE,
)
"""A cue; group 1 is the rest of the line, in which the next cue may stand."""
SUBORDINATE = re.compile(r"\b(?:because|since|which|whose|where|while|but not|rather than|instead of)\b", re.IGNORECASE)
COMPARES = re.compile(
    r"\b(?:greater|less|more|fewer|larger|smaller|bigger|at least|at most|not|between)\b", re.IGNORECASE
)
"""Words that make a number beside them no value."""
_CONCLUDING = (
    r"\b(?:therefore|thus|hence|so|finally|solution|answer|find|get|obtain|have|total)\b",
    r"\b(?:somit|daher|folglich|insgesamt|also|donc|alors|ainsi|luego|portanto|quindi|dunque)\b|por lo tanto|así que",
    r"en total|итого|значит|поэтому|следовательно|所以|因此|故|综上|于是|共|したがって|よって|따라서|그러므로|إذن|لذلك",
    r"अतः|इसलिए|⇒|=>|\\implies|\\Rightarrow",
)
CONCLUDES = re.compile("|".join(_CONCLUDING), re.IGNORECASE)
REFUSES = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|did not|didn't|failed to|unable|don't know|do not know|not sure"
    r"|not possible to|sorry|insufficient|no idea|not enough information|unclear|give up|either|maybe|perhaps|might"
    r"|could be|not provided)\b",
    re.IGNORECASE,
)
"""Refusals and doubts: a number in such a sentence is no answer."""
CLAUSE_END = re.compile(
    r"(?<!\\)(?<!&lt|&gt|&pi|&le|&ge)[.;!。！](?=\s|$|\*)|[.。](?=$)|\*\*(?=[\s.,;:!?]|$)|\s{1,8}[—–-]{1,3}\s{1,8}(?=[a-z]{2})"
    r"|,\s{1,8}(?:that is|i\.e\.)"
    r"|,\s{1,8}not\b"
    r"|,?\s{1,8}(?:because|since|which|where|so that|so|as it|as the|weil|denn|da|car|porque|puisque|потому)\b"
)
VERB = re.compile(
    r"(?:^|\s)(?:is|are|equals|was|ist|lautet|beträgt|est|vaut|es|é|è|is equal to|equal to|by|=|at|be)"
    r"\s{0,8}:?\s{1,8}(?!equal)"
)

PROSE = re.compile(
    r"(?<![\\A-Za-z])(?!(?:a?(?:rc)?(?:sin|cos|tan|cot|sec|csc)h?|sqrt|cbrt|log|exp|abs|max|min|gcd|lcm|and|floor|ceil)(?![a-z]))"
    r"(?!sqrt|Matrix|Rational|Interval|FiniteSet|Union|Eq)[^\W\d_]{3,}"
)
"""A word that is no mathematics."""
SMALL = re.compile(
    r"(?<![\\A-Za-z])(?:it|is|at|of|to|in|so|we|be|by|he|she|no|on|as|an|il|es|la|le)(?![A-Za-z])", re.IGNORECASE
)
FOREIGN = re.compile(
    r"[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u052f\u1e00-\u1eff\u0590-\u08ff\u0900-\u0dff\u0e00-\u0e7f"
    r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
"""Letters that mathematics is not written in: neither plain Latin nor Greek."""
UNITS = re.compile(r"[A-Za-zπ /^²³·-]{0,40}\.?\s{0,8}")
MEASURES = re.compile(r"(?:[A-Za-zπ /^²³·-]|\d+ ?(?=[a-z])){0,50}\.?\s*")
"""Units, of one quantity or of several that follow each other (`2 hours and 30 minutes`)."""
CODE = re.compile(
    r"__|(?<![A-Za-z])(?:[a-z]{5,}|eval|open|exit|dict|list|range|print)\(|\w\.\w+\(|\(\)|\w\(['\"]|\b(?:import|lambda|eval|exec)\b"
)
RELATION = re.compile(
    r"(?<![\w.)])[A-Za-z](?:\([A-Za-z]\)|_\w)?\s{0,8}(?:<=|>=|!=|[<>≤≥≠])\s{0,8}[-−+]?[\w.√/^*()]+(?=\s|[.,;]|$)"
)
VALUE = re.compile(
    r"\([^()\n]{1,60},[^()\n]{1,60}\)|\{[^{}\n]{1,40},[^{}\n]{1,40}\}|\[[^\[\]\n]{1,40},[^\[\]\n]{1,40}\]"
    r"|(?<![A-Za-z0-9_.])[-−+]?\s?(?:\\?\$|[€£¥₹])?(?:\d+(?:[,. \u202f]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
    r"(?:\s{0,8}/\s{0,8}\d+)?(?:\s{0,8}(?:\\?%|percent\b|°))?"
)
"""A number, a pair or an interval in running text."""
