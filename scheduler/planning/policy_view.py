"""What a policy sees of a problem before anything is placed, and the plan that it makes of it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.aiming import Start
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.aims import by_key
from scheduler.planning.kernels.graph import earliest_ends, longest_after
from scheduler.planning.kernels.policy import HEIRS, Guide, guided
from scheduler.planning.kernels.policy_passes import burdens, families, heirs
from scheduler.planning.kernels.scoring import score
from scheduler.planning.policy import Policy
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank, mean_duration, transfers, upward_rank

Bools = NDArray[np.bool_]
FAR = 1.5  # powers of ten beyond which problems are alike
LEAST = 1e-6  # an affinity below this is no surer than this
NOBODY: Ints = np.zeros(0, np.int64)
UNSEEN: Floats = np.zeros((0, 0, 0))
SAME = 0.05  # deviation of the logarithms of durations over workers that are as good as alike
NO_DOUBT: Floats = np.zeros((0, 0))


class View:
    """Ranks (n x RANKS), world (WORLD), place (n x PLACE) and what guides the choice of workers.

    Made once for a problem, for any number of policies.
    """

    def __init__(self, problem: Problem) -> None:
        flat, after, before = problem.flat, problem.successors, problem.predecessors
        self.flat, self.by_rank = flat, by_upward_rank(problem)
        onward, back = transfers(problem, after.bytes), transfers(problem, before.bytes)
        mean, self.up = mean_duration(problem), upward_rank(problem)
        backwards, no_delay = flat.order[::-1].copy(), np.zeros(onward.size)
        able = np.isfinite(problem.duration)
        self.after = _after(problem, backwards, onward, able)
        self.heir, self.parcel, self.sent = heirs(flat, onward, self.up, HEIRS)
        self.family, self.doubt = families(flat, mean), _doubt(flat, mean, able)
        plain = longest_after(backwards, after.start, after.task, no_delay, mean)
        least = longest_after(
            backwards, after.start, after.task, onward, problem.duration.min(axis=1)
        )
        down = longest_after(flat.order, before.start, before.task, back, mean) - mean
        burden = burdens(flat, mean * flat.cores) / flat.worker_cores.sum()
        table, spread = _averages(problem.duration, self.after, able, mean)
        fan = np.diff(after.start)
        self.ranks = np.column_stack(
            [plain, least, mean + table, down, mean, self.sent, burden, spread, fan * mean.mean()]
        )
        work = float((mean * flat.cores).sum() / flat.worker_cores.sum())
        transfer = float(onward.mean() / mean.mean()) if onward.size else 0.0
        self.world = np.array([1.0, _power(transfer), _power(work / float(plain.max()))])
        self.place = _place(self.world, self.up, down, self.sent, mean, fan, np.diff(before.start))
        self.remote = _remote(flat)

    def order(self, policy: Policy) -> Ints:
        """Every task after its predecessors, the most urgent to the policy's mind first."""
        if not policy.ranks.any():
            return self.by_rank
        return by_key(self.flat, -(self.up + self.ranks @ (policy.ranks @ self.world)))

    def guide(self, weight: Floats) -> Guide:
        """What the choice of workers reads, with these weights (n x TERMS) of its terms."""
        return Guide(
            weight=weight,
            after=self.after,
            family=self.family,
            doubt=self.doubt,
            heir=self.heir,
            parcel=self.parcel,
            sent=self.sent,
            remote=self.remote,
        )

    def timed(self, policy: Policy) -> tuple[Ints, Floats, Floats]:
        """Worker, start and end of each task, n each, in one pass."""
        weight = self.place @ policy.terms.T
        return guided(self.flat, self.order(policy), self.guide(weight), NOBODY, UNSEEN)


def learned(problem: Problem, policies: Iterable[Policy]) -> list[Start]:
    """The plan of each policy: the policies look once together and take one pass each."""
    view, found = View(problem), []
    place = np.argsort(problem.topological)
    for policy in policies:
        timed = view.timed(policy)
        order = np.lexsort((place, timed[1]))  # predecessors first where a clock cannot tell
        found.append(Start(order, *timed, score=score(view.flat, *timed)))
    return found


def _after(problem: Problem, backwards: Ints, onward: Floats, able: Bools) -> Floats:
    """The optimistic cost table of PEFT (Arabnejad and Barbosa 2014), n x m; 0 where not able."""
    edges, duration = problem.successors, np.ascontiguousarray(problem.duration)
    whole = earliest_ends(backwards, edges.start, edges.task, onward, duration)
    table: Floats = np.where(able, whole - np.where(able, duration, 0.0), 0.0)
    return table


def _doubt(flat: Flat, mean: Floats, able: Bools) -> Floats:
    """Mean seconds x log of (an even share / the affinity) x trust, n x m; empty without any."""
    share = flat.affinity[flat.row]
    if (np.ptp(share, axis=1) <= LEAST).all():
        return NO_DOUBT
    odds = np.log(np.maximum(share, LEAST) * flat.worker_cores.size)
    trust = _trust(odds, flat.duration[flat.row], able)
    return np.ascontiguousarray(-odds * (trust * mean[:, None])) if trust > 0 else NO_DOUBT


def _trust(odds: Floats, duration: Floats, able: Bools) -> float:
    """How far the affinity goes with the durations: their correlation over workers, 0 to 1.

    An affinity that points anywhere is noise. Where durations hardly differ between workers they
    contradict nobody, and the affinity is all that is known: 1.
    """
    count = able.sum(axis=1, keepdims=True)
    quick = np.where(able, -np.log(np.where(able, duration, 1.0)), 0.0)
    told = np.where(able, odds, 0.0)
    quick = np.where(able, quick - quick.sum(axis=1, keepdims=True) / count, 0.0)
    told = np.where(able, told - told.sum(axis=1, keepdims=True) / count, 0.0)
    spread = float((quick**2).sum())
    if spread <= SAME**2 * able.sum():
        return 1.0
    together = float((quick * told).sum()) / np.sqrt(spread * float((told**2).sum()) + 1e-300)
    return max(0.0, float(together))


def _averages(duration: Floats, after: Floats, able: Bools, mean: Floats) -> tuple[Floats, Floats]:
    """What follows on the average worker, and the deviation of durations over workers, n each."""
    count = able.sum(axis=1)
    away = np.where(able, duration, mean[:, None]) - mean[:, None]
    return after.sum(axis=1) / count, np.sqrt((away**2).sum(axis=1) / count)


def _place(
    world: Floats, up: Floats, down: Floats, sent: Floats, mean: Floats, out: Ints, into: Ints
) -> Floats:
    columns = (
        1.0 - (up + down) / (up + down).max(),
        sent / (sent + mean),
        up / up.max(),
        np.log1p(out) / 4,
        np.tanh(np.log(mean / mean.mean())),
        np.log1p(into) / 4,
    )
    return np.column_stack([np.broadcast_to(world, (mean.size, world.size)), *columns])


def _remote(flat: Flat) -> Floats:
    rate = flat.per_byte.sum(axis=1)
    usual = rate.mean()
    return rate / usual if usual > 0 else np.zeros(rate.size)


def _power(value: float) -> float:
    """The power of ten, as far as it tells worlds apart."""
    return float(np.clip(np.log10(value), -FAR, FAR)) if value > 0 else -FAR
