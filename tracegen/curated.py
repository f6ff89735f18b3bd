"""What curation has left behind, as plain numbers and a few texts: twins that were dropped, benchmarks looked for.

    clusters(run)        how many kept traces have how many dropped twins
    contamination(run)   what `decontamination.json` says, benchmark by benchmark, with a few leaks side by side

Where a filter has not run there is nothing.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracegen.evidence import json_file

SIZES = ("2", "3", "4", "5", "6–9", "10–19", "20+")
"""How clusters of equal or nearly equal traces are counted, the kept one included."""
_STARTS = (2, 3, 4, 5, 6, 10, 20)
EXAMPLES = 5


def clusters(run: Path) -> dict[str, int]:
    """Clusters by their size, as in SIZES; empty where nothing was dropped as a twin of something kept."""
    import pyarrow.parquet as parquet

    file = run / "dropped" / "reasons.parquet"
    if not file.is_file():
        return {}
    twins: Counter[str] = Counter()
    for batch in parquet.ParquetFile(file).iter_batches(columns=["detail"]):
        for text in batch.column("detail").to_pylist():
            detail = json.loads(text) if text and '"kept"' in text else {}
            # Filter `choose` notes all that it kept, of which the dropped one is no twin.
            if isinstance(detail, Mapping) and isinstance(kept := detail.get("kept"), str):
                twins[kept] += 1
    sizes = Counter(max(start for start in _STARTS if start <= count + 1) for count in twins.values())
    return {name: sizes[start] for name, start in zip(SIZES, _STARTS, strict=True)} if sizes else {}


def contamination(run: Path) -> dict[str, Any]:
    """The benchmarks that the corpus was compared with, those it was not, and the first leaks; empty if it was not."""
    found: dict[str, Any] = json_file(run / "corpus" / "decontamination.json")
    if found:
        found["examples"] = list(found.get("examples") or ())[:EXAMPLES]
    return found
