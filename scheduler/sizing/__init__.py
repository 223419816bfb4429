"""How much memory an attempt gets, so that little is wasted, retries included.

>>> from scheduler.sizing import MemorySizing
>>> sizing = MemorySizing()
>>> for memory in (4.0e9, 4.1e9, 3.9e9, 4.0e9, 4.1e9, 4.0e9):
...     sizing.observe("align", memory=memory, duration=600.0)
>>> ladder = sizing.allocate("align", limit=16e9)
>>> 4.0e9 < ladder.first < 5e9
True
>>> ladder.after(ladder.first) > ladder.first
True
"""

from scheduler.sizing.beliefs import Told
from scheduler.sizing.inheritance import InheritedSizes
from scheduler.sizing.ladder import Ladder, Terms
from scheduler.sizing.memory import MemorySizing
from scheduler.sizing.planned import Telling, with_allocations

__all__ = [
    "InheritedSizes",
    "Ladder",
    "MemorySizing",
    "Telling",
    "Terms",
    "Told",
    "with_allocations",
]
