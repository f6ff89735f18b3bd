"""A stage shown to the user while it runs: a screen on a terminal, a line now and then elsewhere, nothing if quiet."""

from rich.live import Live

from tracegen.live.every import Every
from tracegen.live.line import line, summary
from tracegen.live.screen import screen
from tracegen.progress import LINE_EVERY, Activity, begin, conclude, console, end, holding, say

REFRESH = 1.0
"""Seconds between two screens."""


class Shown:
    """From now until `close`, which ends with a sentence on what was done."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        begin(activity)
        self._live: Live | None = None
        self._every: Every | None = None
        if console.quiet:
            return
        if console.is_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
            self._live.start()
            holding.screens += 1
            self._every = Every(REFRESH, self._draw, "live")
        else:
            self._every = Every(LINE_EVERY, lambda: say(line(activity.figures())), "live")

    def close(self) -> None:
        if self._every is not None:
            self._every.stop()
        if self._live is not None:
            self._live.stop()
            holding.screens -= 1
            holding.let_go()
        figures = end(self._activity)
        if figures["samples"]["answered"]:
            conclude(summary(figures))

    def _draw(self) -> None:
        if self._live is not None:
            holding.let_go()
            self._live.update(screen(self._activity.figures(), console.width), refresh=True)
