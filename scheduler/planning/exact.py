"""Scheduling models for CP-SAT (OR-Tools): a problem whole, or a window of a plan.

In a window some tasks are free. Of the others those to the left stay where they are, and those to
the right, put as late as the plan's makespan allows, all move earlier by as much as is won. Times
are whole multiples of a unit: durations rounded up, so that what is found always fits.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

FINE = 1 << 20  # units of a makespan where times are no whole multiples of anything
STEPS = 1 << 12  # units of an amount where amounts are no whole multiples of anything
DECIMALS = 10**6  # in which amounts are looked at


class Ground(NamedTuple):
    """What does not move: the plan, left-justified and right-justified, and who is where in it.

    `worker`, `start`, `end` and `late_start` n; `side` n: 0 free, -1 to the left, 1 to the right.
    """

    worker: Ints
    start: Floats
    end: Floats
    late_start: Floats
    side: Ints
    makespan: float


class Answer(NamedTuple):
    """Workers and starts (n each) in seconds, whether nothing better exists, and a lower bound.

    `start` is None where nothing was found; the bound is zero where none was proved.
    """

    worker: Ints
    start: Floats | None
    proved: bool
    bound: float


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long CP-SAT may try: deterministic seconds, wall seconds, the seed and the searches.

    With `searches` above one they take turns, always in the same way, or, with `parallel`, each
    has a thread, and what is found depends on their luck. With `pair` two threads search by
    themselves, one by branching and one by what makes the objective impossible (cores), and the
    first proof ends both. `hinted` tells it the plan to start from;
    `light` leaves out what does not pay in a small model: relaxations and probing.
    """

    deterministic: float
    seconds: float = 3600.0
    seed: int = 0
    searches: int = 1
    parallel: bool = False
    pair: bool = False
    hinted: bool = True
    light: bool = False


def solved(flat: Flat, ground: Ground, effort: Effort, *, least: float = 0.0) -> Answer:
    """The free tasks placed anew for the least makespan, never a longer one than the plan's.

    `least` is a lower bound on the makespan, and makes the model smaller: zero when none is known.
    With all tasks free and makespan the only aim the answer may be proved, and its bound holds for
    the whole problem; other linear aims are added with their weights.
    """
    from ortools.sat.python import cp_model  # heavy to import, and not every plan needs it

    draft = _Draft(cp_model.CpModel(), flat, ground, least)
    draft.build()
    if not effort.hinted:
        draft.model.clear_hints()  # type: ignore[no-untyped-call]
    if effort.pair:
        return _paired(draft, effort, cp_model)
    solver = _solver(effort, cp_model)
    # searches that take turns end the whole process where a model turns out to be impossible
    turns = effort.searches > 1 and not effort.parallel and draft.possible
    solver.parameters.num_workers = effort.searches if turns or effort.parallel else 1
    solver.parameters.interleave_search = turns
    return draft.answer(solver, solver.solve(draft.model), cp_model)


def _solver(effort: Effort, cp_model: Any) -> Any:
    solver = cp_model.CpSolver()
    solver.parameters.max_deterministic_time = effort.deterministic
    solver.parameters.max_time_in_seconds = effort.seconds
    solver.parameters.random_seed = effort.seed
    solver.parameters.num_workers = 1
    if effort.light:
        solver.parameters.linearization_level = 0
        solver.parameters.cp_model_probing_level = 0
        solver.parameters.symmetry_level = 0
    return solver


def _paired(draft: "_Draft", effort: Effort, cp_model: Any) -> Answer:
    """The better answer of two searches with the better bound; the first proof ends both."""
    solvers = [_solver(effort, cp_model) for _ in range(2)]
    solvers[1].parameters.optimize_with_core = True

    def run(one: Any, other: Any) -> Any:
        status = one.solve(draft.model)
        if status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
            other.stop_search()
        return status

    with ThreadPoolExecutor(2) as threads:
        states = list(threads.map(run, solvers, reversed(solvers)))
    answers = [draft.answer(*each, cp_model) for each in zip(solvers, states, strict=True)]
    found = [
        (solver.objective_value, number)
        for number, (solver, answer) in enumerate(zip(solvers, answers, strict=True))
        if answer.start is not None
    ]
    best = answers[min(found)[1]] if found else answers[0]
    return best._replace(
        proved=any(each.proved for each in answers), bound=max(each.bound for each in answers)
    )


class _Draft:
    """One model while it is built."""

    def __init__(self, model: "cp_model.CpModel", flat: Flat, ground: Ground, least: float) -> None:
        self.model, self.flat, self.ground = model, flat, ground
        self.unit, self.exact = _unit(flat, ground.makespan)
        self.free = np.flatnonzero(ground.side == 0)
        self.duration = flat.duration[flat.row]
        self.memory = flat.memory[flat.row]
        self.most = int(np.floor(ground.makespan / self.unit + 1e-9))
        self.least = min(max(0, self._down(least * (1 - 1e-6))), self.most)
        self.last = model.new_int_var(self.least, self.most, "makespan")
        length = ground.end - ground.start
        whole = not (ground.side != 0)[flat.fixed_worker < 0].any()
        # outside of these times not all that could be in a free task's way is looked at
        self.opens = 0.0 if whole else float(ground.start[self.free].min())
        self.closes = float((ground.late_start + length)[self.free].max())
        self.shuts = self.most if whole else self._up(self.closes)
        self.whole = whole
        self.starts: dict[int, Any] = {}
        self.ends: dict[int, Any] = {}
        self.spans: dict[int, Any] = {}
        self.at: dict[tuple[int, int], Any] = {}
        self.there: dict[tuple[int, int], Any] = {}

    def build(self) -> None:
        for t in self.free.tolist():
            self._task(t)
        self._precedence()
        self._workers()
        self._pools()
        self._budget()
        self.model.minimize(self._objective())

    def answer(self, solver: Any, status: Any, cp_model: Any) -> Answer:
        ground = self.ground
        alone = self.whole and self._only_makespan
        bound = solver.best_objective_bound if alone else 0.0
        if status == cp_model.INFEASIBLE:
            least = self._certified(self.most) if alone else 0.0
            return Answer(ground.worker, None, self._faithful, least)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Answer(ground.worker, None, False, self._certified(bound))
        won = (self.most - solver.value(self.last)) * self.unit
        start, worker = ground.start.copy(), ground.worker.copy()
        right = ground.side > 0
        start[right] = ground.late_start[right] - won
        for t in self.free.tolist():
            start[t] = solver.value(self.starts[t]) * self.unit
            for w in np.flatnonzero(np.isfinite(self.duration[t])).tolist():
                if solver.value(self.at[t, w]):
                    worker[t] = w
        proved = status == cp_model.OPTIMAL and self._faithful
        return Answer(worker, start, proved, self._certified(bound))

    @property
    def possible(self) -> bool:
        """Whether the plan at hand is surely an answer of the model: nothing in it is rounded."""
        limited = self.flat.aims.budget < np.inf or self._due
        return self.exact and self._amounts_exact and not limited

    @property
    def _faithful(self) -> bool:
        """Whether the model forbids nothing that is allowed, but for the rounding of times."""
        spent = self.flat.aims.budget < np.inf
        return self._amounts_exact and not spent and (self.exact or not self._due)

    @property
    def _due(self) -> bool:
        return self.flat.aims.hard_deadlines and bool(np.isfinite(self.flat.deadline).any())

    def _certified(self, bound: float) -> float:
        """A bound in seconds that holds for times and amounts as they are, before rounding."""
        if not self._faithful:
            return 0.0
        if self.exact:
            return max(0.0, bound * self.unit)
        if len(self.flat.closed):
            return 0.0
        roundings = 2 * len(self.free) + 2  # of the durations and transfers of one chain
        return max(0.0, (bound - roundings) * self.unit)

    @cached_property
    def _amounts_exact(self) -> bool:
        flat = self.flat
        cores = np.concatenate([flat.cores, flat.fixed_cores])
        memory = np.concatenate([self.memory.ravel(), flat.fixed_memory])
        columns = [(cores, flat.worker_cores), (memory, flat.worker_memory)]
        columns += [(flat.need[:, k], flat.limit[k : k + 1]) for k in range(len(flat.limit))]
        return all(_scale(need, limit)[1] for need, limit in columns)

    @property
    def _only_makespan(self) -> bool:
        aims = self.flat.aims
        return not (aims.tardiness or aims.flow or aims.cost or aims.energy or aims.fairness)

    def _task(self, t: int) -> None:
        flat, model = self.flat, self.model
        able = np.flatnonzero(np.isfinite(self.duration[t])).tolist()
        seconds = {w: self._up(self.duration[t, w]) for w in able}
        low, high = self._up(max(flat.release[t], flat.now, self.opens)), min(self.most, self.shuts)
        if flat.aims.hard_deadlines and np.isfinite(flat.deadline[t]):
            high = min(high, self._down(flat.deadline[t]))
        start = model.new_int_var(low, max(low, high), f"start {t}")
        end = model.new_int_var(low, max(low, high), f"end {t}")
        self.starts[t], self.ends[t] = start, end
        if len(able) == 1:
            size: Any = seconds[able[0]]
            self.spans[t] = model.new_interval_var(start, size, end, f"{t}")
            self.at[t, able[0]], self.there[t, able[0]] = model.new_constant(1), self.spans[t]
        else:
            size = model.new_int_var(min(seconds.values()), max(seconds.values()), f"size {t}")
            self.spans[t] = model.new_interval_var(start, size, end, f"{t}")
            for w in able:
                here = model.new_bool_var(f"{t} on {w}")
                self.at[t, w] = here
                self.there[t, w] = model.new_optional_interval_var(
                    start, seconds[w], end, here, f"{t} on {w}"
                )
                model.add_hint(here, bool(self.ground.worker[t] == w))
            model.add_exactly_one([self.at[t, w] for w in able])
            model.add(size == sum(seconds[w] * self.at[t, w] for w in able))
        model.add(end <= self.last)
        model.add_hint(start, self._up(self.ground.start[t]))

    def _precedence(self) -> None:
        flat, side = self.flat, self.ground.side
        for t in range(len(side)):
            for e in range(flat.before_start[t], flat.before_start[t + 1]):
                p = int(flat.before_task[e])
                if side[t] == 0 or side[p] == 0:
                    self._wait(p, t, float(flat.before_bytes[e]))
                elif (
                    side[p] < 0 < side[t]
                ):  # fixed on both sides: as much may be won as lies between
                    own, other = self._worker(p), self._worker(t)
                    delay = self._delay(float(flat.before_bytes[e]), own, other)
                    ready = self._up(self.ground.end[p] + delay)
                    self.model.add(self._begin(t) >= ready)

    def _wait(self, p: int, t: int, size: float) -> None:
        """t starts when p has ended and its bytes have come, wherever the two are."""
        model, begin, end = self.model, self._begin(t), self._finish(p)
        model.add(begin >= end)
        before, after = self._places(p), self._places(t)
        if self.flat.uniform and len(before) > 1 and len(after) > 1:
            delay = self._up(self._delay(size, 0, 1)) if len(self.flat.worker_cores) > 1 else 0
            if delay:
                apart = model.new_bool_var(f"{p} apart from {t}")
                model.add(begin >= end + delay).only_enforce_if(apart)
                for w, here in before.items():
                    model.add_bool_or([~here, apart, *([after[w]] if w in after else [])])
            return
        for w, here in before.items():
            for v, there in after.items():
                if delay := self._up(self._delay(size, w, v)):
                    model.add(begin >= end + delay).only_enforce_if([here, there])

    def _places(self, t: int) -> dict[int, Any]:
        if self.ground.side[t] != 0:
            return {self._worker(t): self.model.new_constant(1)}
        able = np.flatnonzero(np.isfinite(self.duration[t])).tolist()
        return {w: self.at[t, w] for w in able}

    def _workers(self) -> None:
        flat = self.flat
        held = self._held()
        for w in range(len(flat.worker_cores)):
            free = [t for t in self.free.tolist() if (t, w) in self.there]
            if not free:
                continue
            rest = [t for t in held if self._worker(t) == w]
            columns = (
                (flat.cores, flat.fixed_cores, flat.worker_cores[w]),
                (self.memory[:, w], flat.fixed_memory, flat.worker_memory[w]),
            )
            closed = flat.closed[flat.closed_start[w] : flat.closed_start[w + 1]]
            for need, happened, limit in columns:
                amount = np.where(flat.fixed_worker >= 0, happened, need)
                spans = [self.there[t, w] for t in free]
                self._cumulative(spans, free, rest, amount, float(limit), closed)

    def _pools(self) -> None:
        for k in range(len(self.flat.limit)):
            need, limit = self.flat.need[:, k], float(self.flat.limit[k])
            free = [t for t in self.free.tolist() if need[t] > 0]
            rest = [t for t in self._held() if need[t] > 0]
            self._cumulative(
                [self.spans[t] for t in free], free, rest, need, limit, np.empty((0, 2))
            )

    def _cumulative(
        self,
        spans: list[Any],
        free: list[int],
        rest: list[int],
        amount: Floats,
        limit: float,
        closed: Floats,
    ) -> None:
        """No more than the limit at any time, closures and tasks that stay included."""
        rows = np.array([*free, *rest], dtype=np.int64)
        if amount[rows].sum() <= limit and not len(closed):
            return
        scale, _ = _scale(amount[rows], np.array([limit]))
        need = [int(np.ceil(amount[t] * scale - 1e-6)) for t in rows.tolist()]
        room = int(np.floor(limit * scale * (1 + 1e-9)))
        spans = [*spans, *(self._still(t) for t in rest)]
        for first, stop in closed.tolist():
            begin, end = self._down(first), self._up(stop)
            spans.append(self.model.new_fixed_size_interval_var(begin, end - begin, "closed"))
            need.append(room)
        room = max(room, *need) if rest else room  # what happened may hold more than there is
        smallest = sorted(need)[:2]
        if len(need) > 1 and sum(smallest) > room and max(need) <= room:
            self.model.add_no_overlap(spans)
        else:
            self.model.add_cumulative(spans, need, room)

    def _budget(self) -> None:
        """The money that all tasks take together, in millionths of the budget."""
        flat, budget = self.flat, self.flat.aims.budget
        if not 0 < budget < np.inf:
            return
        terms: list[Any] = []
        for t in range(len(flat.row)):
            held = flat.cores[t] if flat.fixed_worker[t] < 0 else flat.fixed_cores[t]
            for w, here in self._places(t).items():
                length = self.duration[t, w]
                if self.ground.side[t] != 0:
                    length = self.ground.end[t] - self.ground.start[t]
                paid = length * held / flat.worker_cores[w] * flat.price[w]
                terms.append(int(np.ceil(paid / budget * DECIMALS - 1e-6)) * here)
        self.model.add(sum(terms) <= DECIMALS)

    def _held(self) -> list[int]:
        """The tasks that are not free and can be in the way of those that are."""
        ground = self.ground
        left = (ground.side < 0) & (ground.end > self.opens)
        earliest = ground.late_start - (self.most - self.least + 1) * self.unit
        right = (ground.side > 0) & (earliest < self.closes)
        return np.flatnonzero(left | right).tolist()

    def _still(self, t: int) -> Any:
        length = self._up(self.ground.end[t] - self.ground.start[t])
        if self.ground.side[t] < 0:
            begin = self._down(self.ground.start[t])
            length = self._up(self.ground.end[t]) - begin
            return self.model.new_fixed_size_interval_var(begin, length, f"{t}")
        return self.model.new_fixed_size_interval_var(self._begin(t), length, f"{t}")

    def _begin(self, t: int) -> Any:
        side = self.ground.side[t]
        if side == 0:
            return self.starts[t]
        if side < 0:
            return self._down(self.ground.start[t])
        return self.last + (self._down(self.ground.late_start[t]) - self.most)

    def _finish(self, t: int) -> Any:
        if self.ground.side[t] == 0:
            return self.ends[t]
        if self.ground.side[t] < 0:
            return self._up(self.ground.end[t])
        return self._begin(t) + self._up(self.ground.end[t] - self.ground.start[t])

    def _worker(self, t: int) -> int:
        return int(self.ground.worker[t])

    def _delay(self, size: float, source: int, target: int) -> float:
        if source == target:
            return 0.0
        return float(self.flat.latency + size * self.flat.per_byte[source, target])

    def _objective(self) -> Any:
        if self._only_makespan or not self.whole:
            return self.last
        flat, model, aims = self.flat, self.model, self.flat.aims
        terms: list[Any] = [aims.makespan * self.unit * self.last]
        for t in self.free.tolist():
            weight = float(flat.weight[t])
            terms.append(aims.flow * weight * self.unit * self.ends[t])
            if aims.tardiness and np.isfinite(flat.deadline[t]):
                late = model.new_int_var(0, self.most, f"late {t}")
                model.add(late >= self.ends[t] - self._down(flat.deadline[t]))
                terms.append(aims.tardiness * weight * self.unit * late)
            for w in np.flatnonzero(np.isfinite(self.duration[t])).tolist():
                used = self.duration[t, w] * flat.cores[t] / flat.worker_cores[w]
                spent = aims.cost * flat.price[w] + aims.energy * flat.power[w]
                terms.append(float(spent * used) * self.at[t, w])
        return sum(terms)

    def _up(self, seconds: float) -> int:
        return self._seen(np.ceil(seconds / self.unit - 1e-6))

    def _down(self, seconds: float) -> int:
        return self._seen(np.floor(seconds / self.unit + 1e-6))

    def _seen(self, steps: float) -> int:
        """As it is up to the end of the plan: later moments are one, and CP-SAT's numbers end."""
        return int(min(steps, self.most + 1))


def _unit(flat: Flat, makespan: float) -> tuple[float, bool]:
    """The unit of time, and whether every time is a whole multiple of it."""
    able = np.isfinite(flat.duration)
    delays = flat.latency + np.multiply.outer(
        np.unique(flat.before_bytes), np.unique(flat.per_byte)
    )
    fixed = flat.fixed_worker >= 0
    happened = [flat.fixed_start[fixed], flat.fixed_end[fixed]]
    times = [flat.duration[able], flat.release, flat.closed.ravel(), *happened, [flat.now]]
    if len(flat.worker_cores) > 1:
        times.append(delays.ravel())
    every = np.concatenate([np.asarray(each, dtype=np.float64) for each in times])
    for unit in (1.0, 0.5, 0.25, 0.1, 0.01):
        steps = every / unit
        if makespan / unit < FINE and np.abs(steps - np.round(steps)).max() < 1e-9:
            return unit, True
    return makespan / FINE, False


def _scale(need: Floats, limit: Floats) -> tuple[float, bool]:
    """By what amounts are multiplied to be whole, and whether all of them then are.

    Of what there is only as many whole parts count as fit, which forbids nothing.
    """
    top = float(limit.max())
    values = need[np.isfinite(need) & (need > 0)].ravel()
    if not values.size:
        return 1.0, True
    grain = DECIMALS if top < DECIMALS else 1.0
    whole = np.round(values * grain)
    if np.abs(values * grain - whole).max() < 1e-6 and np.abs(whole).max() < 2**53:
        step = _common(whole.astype(np.int64).tolist())
        if step and top * grain / step <= 1 << 22:
            return grain / step, True
    return STEPS / top, False


def _common(values: Iterable[int]) -> int:
    found = 0
    for each in values:
        found = int(np.gcd(found, each))
    return found
