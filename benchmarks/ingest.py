"""Real task logs into an empty store, twice."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.base import Benchmark, Found, Goal
from scheduler.errors import NotFound
from scheduler.ingest import IngestReport, ingest
from scheduler.store import Store

LOGS = ("sizey", "lotaru", "wfinstances")


class Ingest(Benchmark):
    """Every valid row taken once."""

    title = "public task logs into the store"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  it is short anyway
        """Reads the logs twice; raises where a line got lost."""
        if data is None:
            raise NotFound(f"This benchmark needs --data DIR with the folders {', '.join(LOGS)}.")
        with (
            tempfile.TemporaryDirectory() as folder,
            Store.open(f"sqlite:///{folder}/a.db") as store,
        ):
            (first, seconds), (second, again) = _taken(data, store), _taken(data, store)
            kept = store.record_count()
        for report in (first, second):
            assert report.read == report.accepted + report.duplicates + report.quarantined
        assert kept == first.accepted
        return Found(
            work=f"{', '.join(LOGS)}: {first.read:,} rows in {len(first.files)} files, read twice.",
            ours={
                "first": _row(first, seconds),
                "second": _row(second, again),
                "rows per second": first.read / seconds,
            },
            goals=(
                Goal(
                    "valid rows taken",
                    "all",
                    f"{first.accepted:,}, {first.quarantined} quarantined",
                    first.accepted + first.quarantined == first.read and not first.errors,
                ),
                Goal("accepted the second time", "0", str(second.accepted), second.accepted == 0),
            ),
        )


def _taken(data: Path, store: Store) -> tuple[IngestReport, float]:
    began = time.perf_counter()
    report = ingest([data / each for each in LOGS], store, now=datetime.now(UTC))
    return report, time.perf_counter() - began


def _row(report: IngestReport, seconds: float) -> dict[str, object]:
    return {
        "read": report.read,
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "quarantined": report.quarantined,
        "seconds": seconds,
    }
