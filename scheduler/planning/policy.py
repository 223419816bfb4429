"""A learned taste in list scheduling: which task next and which worker for it, in one pass.

What is weighed is seconds, and how much it weighs depends on shares of seconds alone: a workflow in
milliseconds and the same one in hours get the same plan. Weights of zero are HEFT.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from scheduler.errors import InvalidInput
from scheduler.planning.flat import Floats

RANKS = ("plain", "least", "table", "down", "own", "sent", "burden", "spread", "fan")
WORLD = ("one", "transfers", "crowding")
TERMS = (
    "ahead", "slow", "paid", "queued", "idle", "child", "second", "family", "parcel", "doubt",
)  # fmt: skip
PLACE = (*WORLD, "slack", "sent", "urgency", "fan_out", "size", "fan_in")
FORMAT = 1
SHIPPED = Path(__file__).with_name("policy.json")


@dataclass(frozen=True, eq=False)
class Policy:
    """How much each rank counts for the order of tasks, and each term for the worker of a task.

    Shape: ranks RANKS x WORLD, terms TERMS x PLACE. A weight is the sum over what it depends on:
    WORLD describes the problem, PLACE also the task. Raises InvalidInput where a shape differs or a
    weight is not finite.
    """

    ranks: Floats
    terms: Floats

    def __post_init__(self) -> None:
        for name, wanted in (
            ("ranks", (len(RANKS), len(WORLD))),
            ("terms", (len(TERMS), len(PLACE))),
        ):
            found = getattr(self, name)
            if found.shape != wanted or not np.isfinite(found).all():
                raise InvalidInput(
                    f"Policy: {name} must be finite numbers of the shape {wanted}, found "
                    f"{found.shape}. Make it anew with `python -m learner.planning`."
                )

    @property
    def vector(self) -> Floats:
        """All weights in a row: ranks, then terms."""
        return np.concatenate([self.ranks.ravel(), self.terms.ravel()])


def policy_of(vector: Floats) -> Policy:
    """The policy whose `vector` this is."""
    ranks, terms = np.split(vector, [len(RANKS) * len(WORLD)])
    return Policy(ranks.reshape(-1, len(WORLD)), terms.reshape(-1, len(PLACE)))


def heft() -> Policy:
    """The policy that has no taste of its own."""
    return policy_of(np.zeros(len(RANKS) * len(WORLD) + len(TERMS) * len(PLACE)))


def save(file: Path, policies: Sequence[Policy], **made: Any) -> None:
    """Writes policies, the best one alone first, as JSON; `made` says how they came about."""
    document = {
        "format": FORMAT,
        "made": made,
        "names": _names(),
        "policies": [
            {"ranks": each.ranks.tolist(), "terms": each.terms.tolist()} for each in policies
        ],
    }
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


@lru_cache(maxsize=8)
def load(file: Path = SHIPPED) -> tuple[Policy, ...]:
    """The policies of a file; raises InvalidInput where it is none, or one for other features."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"Policy file {file.name!r} cannot be read: {error}.") from error
    if not isinstance(document, dict) or document.get("names") != _names():
        raise InvalidInput(
            f"Policy file {file.name!r} must weigh what this version sees. Make it anew with "
            "`python -m learner.planning`."
        )
    return tuple(_policy(each) for each in document["policies"])


def _policy(weights: Mapping[str, Any]) -> Policy:
    return Policy(*(np.array(weights[name], dtype=np.float64) for name in ("ranks", "terms")))


def _names() -> dict[str, list[str]]:
    return {"ranks": list(RANKS), "world": list(WORLD), "terms": list(TERMS), "place": list(PLACE)}
