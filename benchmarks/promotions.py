"""Promotions that are tried, and attacks on the logs from which challengers learn."""

from pathlib import Path

from benchmarks.base import Benchmark, Found, combined
from benchmarks.looping import poison, tried

WORK = (
    "logs of five kinds on four workers, told by four sources; champions and challengers are "
    "offsets, so that hundreds can be tried; ten promotions that would do harm and ten that would "
    "do good; six attacks by a fifth source that tells 1, 5 and 20 % of 900 new attempts, and as "
    "many sound sources, judged on 600 pinned attempts of the others"
)


class Promotions(Benchmark):
    """Whether harm is kept out, and good let in."""

    title = "who becomes champion, and who does not"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  makes its own work
        """The tries and the attacks of each seed."""
        return combined(WORK, [tried.part(1 if quick else 5), poison.part(1 if quick else 20)])
