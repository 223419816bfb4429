"""The loop on a GPU: rows a second, and how far it is from what launches and memory allow."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.base import Part
from benchmarks.fitting import drawn
from learner.training.course import Course
from learner.training.settings import TrainingSettings
from learner.training.team import Team

SIZES = (512, 4096, 65_536)
ROUNDS = 30  # steps that are timed


def measured(rows: int) -> Part:
    """Figures by batch size where a GPU is there; else one line that says so."""
    if not torch.cuda.is_available():
        return Part(ours={"on a GPU": {"rows a second": "not measured: no GPU here"}}, goals=())
    device = torch.device("cuda")
    lesson = drawn.lesson(rows, seed=1)
    found = {f"on a GPU, batches of {size}": _one(lesson, size, device) for size in SIZES}
    return Part(ours={"GPU": torch.cuda.get_device_name(), **found}, goals=())


def _one(lesson: Any, size: int, device: torch.device) -> Mapping[str, float]:
    """A step's seconds, beside those that its kernels are busy and that launching them takes."""
    settings = TrainingSettings(batch=size)
    course = Course(drawn.plan(), lesson, settings, Team(device=device, mixed=True))
    epoch = course.lesson.batches(size, seed=0, forget=settings.forget)
    batches = [batch for batch, _ in zip(epoch, range(ROUNDS + 5), strict=False)]
    for batch in batches[:5]:
        course.step(batch)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for batch in batches[5:]:
        course.step(batch)
    torch.cuda.synchronize()
    step = (time.perf_counter() - began) / max(len(batches) - 5, 1)
    busy, kernels = _profiled(course, batches[-1])
    launch = kernels * _launch(device)
    return {
        "rows a second": size / step,
        "step s": step,
        "kernels in a step": kernels,
        "kernels busy s": busy,
        "launches s": launch,
        "step over the larger of both": step / max(busy, launch),
    }


def _profiled(course: Course, batch: Any) -> tuple[float, int]:
    """Seconds in which kernels run during one step, and how many there are."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as told:
        course.step(batch)
        torch.cuda.synchronize()
    events = [e for e in told.events() if e.device_type.name == "CUDA"]
    return sum(e.device_time for e in events) / 1e6, len(events)


def _launch(device: torch.device) -> float:
    """Seconds that one launch of a kernel with nothing to do takes."""
    one = torch.zeros(1, device=device)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(1000):
        one.add_(1.0)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / 1000
