"""The durable store of a run: every completion is on disk before anything looks at it.

A ledger is a folder of segments. A live one, `0001.jsonl`, has one JSON object a line and is only appended to; each
launch begins a new one, and so does a full one (`SEGMENT_BYTES`). A full segment is sealed: the same rows become
`0001.parquet`, of which a restart reads the keys alone. Several processes may write at once, each to segments of its
own (`0002-w3.jsonl`).

A row holds the request's key, what was asked (`prompt`, `sampling`, `max_tokens`, `model`, `revision`) and what came
back (`text`, `reasoning`, `finish_reason`, tokens, or `error`). A key may have many rows, at most one finished;
`ranks` says which one counts. A torn last line, left by a crash, is passed over: its completion was never acknowledged
to anyone.

    keys       what identifies a sample
    ranks      which of a key's rows counts
    segments   names, live segments, what a crash leaves
    sealed     Parquet segments
    reading    rows of a whole ledger, all or the best of each key
    index      which keys are answered, held in memory; where what was cut off stands
    store      the one who writes
    pen        group commit
    sizes      what the disk has lost
    check      what is damaged, and putting it aside
    compact    sealing everything, without the texts that no longer count
"""

from tracegen.ledger.index import Found
from tracegen.ledger.keys import sample_key, sample_keys
from tracegen.ledger.ranks import IMPORTED, Row, finished
from tracegen.ledger.reading import best, read
from tracegen.ledger.segments import repair, segments
from tracegen.ledger.store import Ledger

__all__ = [
    "IMPORTED",
    "Found",
    "Ledger",
    "Row",
    "best",
    "finished",
    "read",
    "repair",
    "sample_key",
    "sample_keys",
    "segments",
]
