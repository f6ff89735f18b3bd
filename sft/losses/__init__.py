"""What a student learns from a teacher, one loss a module: `def x(student, teacher, labels, *, options) -> Tensor [n]`.

A loss gives a value for each of the n trained positions; the trainer weighs and sums them and divides by the tokens of
the whole accumulated batch (`sft/objective.py`), so no loss averages over positions itself. `READS` says what of a
view it looks at: "logits", "spans", "hidden" or "attention". `temperature` (a number or a tensor [n]) is
filled in by the house.
"""
