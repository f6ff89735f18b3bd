"""What goes on in a run, while it goes on: counted once, shown wherever somebody looks.

    watch.py      `Watch`: told of every request, answer and verdict of one stage; `figures()` is what is known
    tally.py      the counts of one teacher
    window.py     how much of something came in the last minute
    projected.py  what the whole will cost
    shown.py      shows a stage to the user: screen.py on a terminal, line.py elsewhere; words.py has the numbers
    outside.py    `watched`: lets others look on; record.py is what they see, in status.json, a log, or metrics.py

Limits: tokens count when an answer ends, so a stage of very long answers shows none for its first minutes.
"""

from tracegen.live.outside import options, watched
from tracegen.live.watch import Watch

__all__ = ["Watch", "options", "watched"]
