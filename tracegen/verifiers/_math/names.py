"""What names mean: functions, constants, Greek letters, relations, and the words that part or join answers."""

_PLAIN = (
    "sin cos tan cot sec csc sinh cosh tanh coth exp ln log lg sqrt cbrt arcsin arccos arctan arccot arcsec arccsc gcd"
    " lcm max min floor ceil"
)
FUNCTIONS = {
    **{name: name for name in _PLAIN.split()},
    **{"sh": "sinh", "ch": "cosh", "th": "tanh"},
    **{"asin": "arcsin", "acos": "arccos", "atan": "arctan", "arctg": "arctan", "tg": "tan", "ctg": "cot"},
    **{"ceiling": "ceil", "Abs": "abs", "abs": "abs", "factorial": "factorial", "binomial": "binom", "root": "root"},
    **{"sgn": "sign", "sign": "sign", "det": "det", "Rational": "ratio_of", "arsinh": "asinh", "arcosh": "acosh"},
    **{"asinh": "asinh", "acosh": "acosh", "atanh": "atanh", "artanh": "atanh", "Pow": "power", "re": "re", "im": "im"},
}
"""Spelling to the operation's name."""

BRACKETED = {"abs", "factorial", "binom", "root", "ratio_of", "power", "gcd", "lcm", "max", "min", "sqrt", "cbrt"}
"""Operations that take their arguments in brackets and nothing else."""

CONSTANTS = {"pi": "pi", "infty": "inf", "infinity": "inf", "Infinity": "inf", "oo": "inf", "inf": "inf"}

_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma tau"
    " upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar aleph"
)
GREEK = frozenset(_GREEK.split())

ALIASES = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho"}

RELATIONS = {
    **{"=": "=", "==": "=", ":=": "=", "equiv": "equiv", "approx": "approx", "sim": "approx", "simeq": "approx"},
    **{"<": "<", ">": ">", "lt": "<", "gt": ">", "<=": "<=", "=<": "<=", ">=": ">=", "=>": ">=", "le": "<="},
    **{"ge": ">=", "leq": "<=", "geq": ">=", "leqslant": "<=", "geqslant": ">=", "leqq": "<=", "geqq": ">="},
    **{"ne": "!=", "neq": "!=", "!=": "!=", "in": "in", "doteq": "approx", "cong": "approx", "approxeq": "approx"},
    **{"to": "to", "mapsto": "to", "rightarrow": "to", "mid": "mid", "parallel": "parallel", "perp": "perp"},
    **{"subset": "subset", "subseteq": "subset", "notin": "notin", "propto": "propto"},
}
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
ORDER = ("<", ">", "<=", ">=")

JOINS = {
    **{"and": "and", "or": "or", "und": "and", "oder": "or", "et": "and", "ou": "or", "as well as": "and"},
    **{"和": "and", "与": "and", "及": "and", "或": "or", "と": "and", "и": "and", "или": "or"},
}
"""Words between answers."""

WRAPPERS = {
    *("vec", "overline", "hat", "bar", "widehat", "tilde", "overrightarrow", "underline", "mathbf", "mathcal", "bm"),
    *("boldsymbol", "mathit", "mathsf", "displaystyle", "widetilde", "dot", "ddot", "mathscr", "mathfrak", "textstyle"),
}
"""Macros that dress one symbol or expression."""
IGNORED = {"angle", "triangle", "measuredangle", "Rightarrow", "therefore", "because", "implies", "square", "colon"}
SETS = {"R": "reals", "Z": "integers", "N": "naturals", "Q": "rationals", "C": "complexes"}
BASES = {
    **{"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10},
    **{"eleven": 11, "twelve": 12, "sixteen": 16, "bin": 2, "oct": 8, "hex": 16, "dec": 10},
}
PERCENT = {"percent", "percentage", "pct", "percents", "prozent", "porciento", "pourcent", "процентов", "процента"}
