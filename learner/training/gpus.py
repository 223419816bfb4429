"""Whether the GPUs that a training asks for are there."""

import ray
import torch

from scheduler.errors import InvalidInput
from scheduler.execution.executors.ray_start import ray_running


def refuse_missing_gpus(workers: int, address: str) -> None:
    """Raises InvalidInput, before any work, where there are fewer GPUs than training workers.

    Workers 0 want one in this process. Of a Ray at an address it is asked what it has.
    """
    wanted = max(workers, 1)
    if workers == 0 or address == "local":
        there, where = torch.cuda.device_count(), "torch finds on this machine"
    else:
        with ray_running(address=address):
            found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        there, where = int(found.get("GPU", 0)), f"the Ray at {address} has"
    if there < wanted:
        raise InvalidInput(
            f"Training on GPUs with {workers} workers needs {wanted}, and {where} {there}; train "
            "without --gpus, with fewer workers, or where GPUs are."
        )
