"""Answers as typed values: cleaned (`text`), read (`tokens`, `parse`), evaluated (`numeric`) and compared (`compare`).

Nothing here evaluates code: text becomes tokens, tokens become a tree of three node types, and the tree is computed by
a table of functions with a limit on every one of them. Math-Verify (`peer`) is asked only about what cannot be read.
"""
