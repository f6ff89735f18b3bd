"""What a run says of itself to whoever looks from outside: the document in `status.json`, in the log, in the metrics.

    {"run", "command", "pid", "host", "started", "written",
     "state": running | done | stopped | failed, "exit_status", "error", "metrics",
     "stage": what goes on now or None, "stages": the last figures of each stage of this launch}

Times are seconds since 1970. docs/watching.md describes the fields.
"""

import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tracegen.progress import going_on
from tracegen.redact import without_secrets


class Record:
    """One launch of a run. May be asked from several threads."""

    def __init__(self, run: Path) -> None:
        self._fixed = {
            "run": str(run),
            "command": without_secrets(" ".join(["tracegen", *sys.argv[1:]])),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": round(time.time(), 3),
        }
        self.metrics: str | None = None
        """Where they are served."""
        self._stages: dict[str, Any] = {}
        self._end: dict[str, Any] = {"state": "running", "exit_status": None, "error": None}
        self._lock = threading.Lock()

    def ended(self, exit_status: int, error: str | None) -> None:
        """The launch is over: done, failed, or stopped by its budget or its user."""
        state = {0: "done", 3: "stopped", 130: "stopped"}.get(exit_status, "failed")
        self._end = {"state": state, "exit_status": exit_status, "error": without_secrets(error)}

    def document(self) -> dict[str, Any]:
        """Everything, as it is now."""
        with self._lock:
            present = going_on[-1:]  # a copy, for stages come and go in another thread
            for activity in present:
                self._stages[activity.stage] = dict(activity.figures())
            stage = present[0].stage if present else None
            return {**self._fixed, "written": round(time.time(), 3), **self._end, "metrics": self.metrics} | {
                "stage": stage,
                "stages": dict(self._stages),
            }

    def keep(self, stage: str, figures: dict[str, Any]) -> None:
        """The last figures of a stage that is over."""
        with self._lock:
            self._stages[stage] = figures
