"""Shards of a snapshot encoded by Ray Data: read, turned into rows, and streamed back."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import ray.data

from learner.training.snapshot import NUMBER, Snapshot, records_of
from learner.training.streamed import Block, Blocks, Encoder, in_turn
from scheduler.execution.executors.ray_start import ray_running

SHARD = "shard"


@contextmanager
def encoding(workers: int, address: str) -> Iterator[Blocks]:
    """Who encodes shards: this process for 0 workers, else Ray, which runs as long as the block."""
    if workers == 0:
        yield in_turn
        return
    cores = max(os.cpu_count() or 1, workers)
    with ray_running(address=address, cpus=cores):
        yield spread


def spread(snapshot: Snapshot, encode: Encoder) -> Iterator[Block]:
    """The blocks of all shards, encoded on every core that Ray has, in no certain order."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = [{SHARD: str(each)} for each in snapshot.files]
    # not read_parquet: where aiohttp is missing, threads that ask for it at once break each other
    shards = ray.data.from_items(files, override_num_blocks=len(files))
    blocks = shards.map_batches(
        cast("Any", _encoded), fn_kwargs={"encode": encode}, batch_format="numpy", batch_size=1
    )
    for block in blocks.iter_batches(batch_size=None, batch_format="numpy"):
        yield cast("Block", block)


def _encoded(batch: Mapping[str, Any], encode: Encoder) -> Block:
    """One shard, read where it is encoded."""
    table = pq.read_table(batch[SHARD][0])
    numbers = np.asarray(table.column(NUMBER).to_numpy(), dtype=np.int64)
    return encode(records_of(table), numbers)
