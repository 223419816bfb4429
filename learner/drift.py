"""Where observations leave the forecast: of which worker or kind, or kind on a worker, since when.

Every attempt bets on each stream that it belongs to: all attempts, its worker, its kind, its kind
on its worker; once on more than forecast and once on less. A stream's evidence is a mixture of
Shiryaev-Roberts e-detectors (Shin, Ramdas and Rinaldo 2024, eq. 8): where nothing drifts its mean
grows by one with each record, so that an alarm at EVIDENCE comes once in so many of its records at
most. This holds for each stream by its own records, and so however many kinds there are.

A forecast need not be right, only as wrong as it was: residuals are compared with those of a
reference, and the bet is on more than the effect that matters plus what the reference cannot tell.
Ranks among the reference take the place of values, so that tails do not count for more than ranks
do. `docs/decisions/drift.md` has the figures.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from learner.drift_bets import Bets, bets_on_failures, bets_on_quantity, streams_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Names = NDArray[np.str_]
Scope = tuple[str, str]  # kind and worker; empty where it is of all of them
EVIDENCE = 1e6  # 4 levels, 2 sides, 4 targets: a false alarm in 31,250 records at most
EFFECT = 1.15  # of a quantity: what is less does not matter
ODDS = 1.5  # of failing
FEWEST = 10  # records before which nothing is said
SAME = 3.0  # deviations by which what is around a scope has to have shifted like it
QUANTITIES = ("duration", "memory", "cpu")


@dataclass(frozen=True, eq=False)
class Seen:
    """Attempts, oldest first, with what was forecast of each.

    Shape, each n: kind, worker (empty where unknown), run; miss: by quantity, the logarithm of what
    was observed over the median forecast, NaN where it was not; width: by quantity, the logarithm
    of P90 over P10; failed: 0, 1 or NaN; risk: the forecast probability; time: when it was known,
    None where its log has no times.
    """

    kind: Names
    worker: Names
    run: Names
    miss: Mapping[str, Floats]
    width: Mapping[str, Floats]
    failed: Floats
    risk: Floats
    time: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: Ints | NDArray[np.bool_] | slice) -> "Seen":
        """Some of the attempts."""
        return Seen(
            self.kind[rows],
            self.worker[rows],
            self.run[rows],
            {name: each[rows] for name, each in self.miss.items()},
            {name: each[rows] for name, each in self.width.items()},
            self.failed[rows],
            self.risk[rows],
            self.time[rows],
        )

    def then(self, later: "Seen") -> "Seen":
        """These attempts and later ones."""
        return Seen(
            np.concatenate([self.kind, later.kind]),
            np.concatenate([self.worker, later.worker]),
            np.concatenate([self.run, later.run]),
            {n: np.concatenate([each, later.miss[n]]) for n, each in self.miss.items()},
            {n: np.concatenate([each, later.width[n]]) for n, each in self.width.items()},
            np.concatenate([self.failed, later.failed]),
            np.concatenate([self.risk, later.risk]),
            np.concatenate([self.time, later.time]),
        )


@dataclass(frozen=True)
class Drifted:
    """One drift. Without a kind (or worker) it is of all of them.

    `effect` is how many times what was expected is observed (of failure: the odds); `first` and
    `last` are the places, among the attempts looked at, where it seems to have begun and where it
    was found; `records` is how many of them belong to it; `evidence` is a decimal logarithm.
    """

    target: str
    kind: str
    worker: str
    effect: float
    first: int
    last: int
    records: int
    evidence: float
    since: datetime | None = field(default=None, compare=False)
    found: datetime | None = field(default=None, compare=False)

    def __str__(self) -> str:
        place = " on ".join(each for each in (self.kind or "every kind", self.worker) if each)
        return (
            f"{self.target} of {place}: {self.effect:.2f} times what was expected, in "
            f"{self.records} records"
        )


def drifts(reference: Seen, new: Seen, *, evidence: float = EVIDENCE) -> tuple[Drifted, ...]:
    """Every drift of the new attempts, in the order in which they are found.

    The reference are attempts from before, forecast without having been learned from. A kind on a
    worker of which it has fewer than FEWEST takes the first new ones to it. Once found, a drift is
    what is expected: the same is not found twice.
    """
    found: list[Drifted] = []
    for name in (*new.miss, "failure"):
        rows = _told(name, new)
        if len(rows):
            before = reference.take(_told(name, reference))
            told = _Search(name, before, new.take(rows), evidence).run()
            found.extend(_placed(each, rows, new) for each in told)
    return tuple(sorted(found, key=lambda each: (each.last, each.target)))


def _told(name: str, seen: Seen) -> Ints:
    values = seen.failed if name == "failure" else seen.miss[name]
    return np.flatnonzero(~np.isnan(values))


def _placed(each: Drifted, rows: Ints, new: Seen) -> Drifted:
    first, last = int(rows[each.first]), int(rows[each.last])
    return replace(each, first=first, last=last, since=new.time[first], found=new.time[last])


class _Search:
    """One target's attempts, looked at one after the other."""

    def __init__(self, name: str, reference: Seen, new: Seen, evidence: float) -> None:
        self.name, self.new, self.evidence = name, new, evidence
        self.streams = streams_of(reference, new)
        self.reference = reference
        self.shift = np.zeros(len(new))
        self.bets = self._made()
        self.wealth = np.zeros((self.streams.max(initial=0) + 1, 2, self.bets.gains.shape[-1]))
        self.begun = np.zeros(len(self.wealth), dtype=np.int64)  # where each stream begins to count

    def _made(self) -> Bets:
        make = bets_on_failures if self.name == "failure" else bets_on_quantity
        return make(self.name, self.reference, self.new, shift=self.shift, effect=self.matters)

    @property
    def matters(self) -> float:
        """How many times what is expected is worth telling of."""
        return ODDS if self.name == "failure" else EFFECT

    def run(self) -> list[Drifted]:
        found = []
        gains, streams, wealth = self.bets.gains, self.streams, self.wealth
        for row in range(len(self.new)):
            if not self.bets.counts[row]:
                continue
            mine = streams[row]
            wealth[mine] = (wealth[mine] + 1.0) * gains[row]
            if wealth[mine].mean(-1).max() < self.evidence:
                continue
            if (each := self._explained(row)) is not None:
                found.append(each)
                gains = self.bets.gains
        return found

    def _explained(self, row: int) -> Drifted | None:
        """What the loudest stream of a row stands for; it begins anew in either case."""
        mine = self.streams[row]
        level, side = np.unravel_index(self.wealth[mine].mean(-1).argmax(), (len(mine), 2))
        stream = int(mine[level])
        heard = float(self.wealth[stream, side].mean())
        first = self._since(stream, int(level), int(side), row)
        scope, inside = self._scope(first, row, stream, up=side == 0)
        rows = first + np.flatnonzero(inside)
        effect = self.bets.effect(rows)
        self._begin_anew({stream}, row)
        if len(rows) < FEWEST or abs(np.log(effect)) < np.log(self.matters):
            return None
        self._expect(scope, np.log(effect), row)
        return Drifted(
            target=self.name,
            kind=scope[0],
            worker=scope[1],
            effect=float(effect),
            first=int(rows[0]),
            last=row,
            records=len(rows),
            evidence=float(np.log10(heard)),
        )

    def _since(self, stream: int, level: int, side: int, row: int) -> int:
        """The first record from which on its bets gained most."""
        begun = self.begun[stream]
        own = np.flatnonzero(
            (self.streams[begun : row + 1, level] == stream) & self.bets.counts[begun : row + 1]
        )
        own = own + begun
        middle = self.bets.gains.shape[-1] // 2
        gained = np.log(self.bets.gains[own, level, side, middle])
        return int(own[np.cumsum(gained[::-1])[::-1].argmax()])

    def _scope(
        self, first: int, row: int, stream: int, *, up: bool
    ) -> tuple[tuple[str, str], NDArray[np.bool_]]:
        """The kind and worker whose own shift explains most of what was seen since.

        Of scopes that say the same the widest but all; and wider than that as long as what the
        wider scope adds has shifted the same way by itself.
        """
        part = _Part.of(self, slice(first, row + 1), up=up)
        heard = (self.streams[first : row + 1] == stream).any(1)
        scopes = part.scopes(heard)
        chosen = scopes[int(np.argmax([part.gain(each) for each in scopes]))]
        while (wider := part.wider(chosen)) is not None:
            chosen = wider
        return chosen, part.rows(chosen)

    def _expect(self, scope: tuple[str, str], by: float, row: int) -> None:
        """From now on the drift is what is expected of its scope."""
        later = np.arange(len(self.new)) > row
        self.shift[later & _within(scope, self.new.kind, self.new.worker)] += by
        self.bets = self._made()
        rows = _within(scope, self.new.kind, self.new.worker)
        self._begin_anew(set(np.unique(self.streams[rows]).tolist()), row)

    def _begin_anew(self, streams: set[int], row: int) -> None:
        some = list(streams)
        self.wealth[some], self.begun[some] = 0.0, row + 1


@dataclass(frozen=True, eq=False)
class _Part:
    """Consecutive attempts, and how far each lies on the side that is asked about."""

    kind: Names
    worker: Names
    counts: NDArray[np.bool_]
    beyond: Floats
    hang: Floats
    effect: Callable[[NDArray[np.bool_]], float]
    matters: float

    @classmethod
    def of(cls, search: "_Search", part: slice, *, up: bool) -> "_Part":
        bets, sign = search.bets, 1 if up else -1
        return cls(
            search.new.kind[part],
            search.new.worker[part],
            bets.counts[part],
            sign * bets.off[part],
            bets.hang,
            lambda rows: sign * np.log(bets.effect(part.start + np.flatnonzero(rows))),
            np.log(search.matters),
        )

    def scopes(self, heard: NDArray[np.bool_]) -> list[Scope]:
        """What the rows that were heard belong to; of equal ones the first is to be preferred."""
        kind, worker = self.kind[heard].tolist(), self.worker[heard].tolist()
        found = [("", each) for each in sorted(set(worker)) if each]
        found += [(each, "") for each in sorted(set(kind))]
        found += [pair for pair in dict.fromkeys(zip(kind, worker, strict=True)) if all(pair)]
        return [*found, ("", "")]

    def rows(self, scope: Scope) -> NDArray[np.bool_]:
        """The rows of a scope that are judged."""
        return self.counts & _within(scope, self.kind, self.worker)

    def gain(self, scope: Scope) -> float:
        """That of a Gaussian likelihood, of all records for as many as they are worth together.

        By worker or kind that is known too badly to tell one scope from the next.
        """
        rows = self.rows(scope)
        worth = 1.0 if any(scope) else float(self.hang[0])
        total = max(float(self.beyond[rows].sum()), 0.0)
        return float(np.round(total**2 / (2 * max(int(rows.sum()), 1) * worth), 6))

    def score(self, rows: NDArray[np.bool_], scope: Scope) -> float:
        """Deviations by which the sum of rows of a scope lies beyond what is expected."""
        hang = self.hang[bool(scope[1]) + 2 * bool(scope[0])]
        return float(self.beyond[rows].sum()) / float(np.sqrt(max(int(rows.sum()), 1) * hang))

    def wider(self, scope: Scope) -> Scope | None:
        """A scope around one whose other records have shifted the same way, so that it matters."""
        around = [each for each in {("", scope[1]), (scope[0], ""), ("", "")} if each != scope]
        if all(scope):
            around.remove(("", ""))
        best, chosen = SAME, None
        for each in sorted(around):
            rest = self.rows(each) & ~self.rows(scope)
            if int(rest.sum()) < FEWEST or self.effect(rest) < self.matters:
                continue
            if (told := self.score(rest, each)) > best:
                best, chosen = told, each
        return chosen


def _within(scope: tuple[str, str], kind: Names, worker: Names) -> NDArray[np.bool_]:
    inside = np.ones(len(kind), dtype=bool)
    for name, names in zip(scope, (kind, worker), strict=True):
        if name:
            inside &= names == name
    return inside
