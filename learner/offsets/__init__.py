"""The explainable part of a forecast: what networks stand on, and learn the rest of.

`docs/decisions/offset.md` says why. Everything here is closed form or a small fixed search, and
numpy.
"""

from learner.offsets.offsets import PENALTY, Offsets, burden

__all__ = ["PENALTY", "Offsets", "burden"]
