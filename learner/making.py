"""From examples to what forecasts: fit, choose, calibrate, and fit again on all rows.

`docs/decisions/choice.md` says why.
"""

from dataclasses import dataclass, replace

import numpy as np

from learner.arms.network import Learn, NetworkArm
from learner.examples import Examples, Split
from learner.held_out import HeldOut
from learner.learned import Learned
from learner.lineup import Choice, Lineup
from learner.neighbours import Neighbours
from learner.text import embedding_named
from learner.threads import threads
from learner.training.fit import fit
from learner.training.noted import Progress, Watch
from learner.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Made:
    """What a training made: the fit that is used and the one that is judged, on their examples."""

    examples: Examples
    used: Learned
    judged: Learned
    choice: Choice


@dataclass(frozen=True, eq=False)
class Former:
    """Who serves now: the fit that is used, and the one that has not seen its test rows."""

    used: Learned
    judged: Learned

    @property
    def refitted(self) -> Learned:
        """What a fit on all rows may begin with.

        Where no network serves, none was fitted on all rows: the one kept knows the names of the
        fit that is judged.
        """
        return self.used if NetworkArm.name in self.used.serves.values() else self.judged


def make(
    examples: Examples,
    settings: TrainingSettings,
    *,
    learn: Learn = fit,
    former: Former | None = None,
    on_progress: Watch = lambda _: None,
) -> Made:
    """Fits all arms, chooses among them by target, calibrates, and fits again on all rows.

    What is used is corrected by what was held out from the fits before it, test rows included:
    it saw them, but those who predicted them had not. Methods may begin with what the `former`
    knows; what is judged begins with the fit that has not seen the newest rows.
    """
    judged_before, used_before = (former.judged, former.refitted) if former else (None, None)
    lineup = Lineup.fit(examples, settings, learn=learn, champion=judged_before)
    with threads(settings.threads):
        on_progress(Progress("choosing and calibrating"))
        choice = Choice.of(lineup)
        held = HeldOut.of(lineup, settings, choice.serves)
        plain = lineup.learned(choice.serves)
        judged = held.calibrate(plain, examples)
        used, everything = judged, examples
        if settings.refit:
            on_progress(Progress("fitting on all records"))
            held.note(plain, examples, examples.split.test)
            everything = _all_of(examples, settings)
            again = Lineup.fit(
                everything,
                settings,
                like=lineup,
                names=set(choice.serves.values()),
                champion=used_before,
            )
            used = held.calibrate(again.learned(choice.serves), everything)
        used = replace(used, neighbours=_neighbours(everything, used, settings))
    on_progress(Progress("judging"))
    return Made(examples, used, judged, choice)


def _neighbours(examples: Examples, used: Learned, settings: TrainingSettings) -> Neighbours:
    return Neighbours.fit(
        examples, used.offsets, embedding_named(settings.text), settings.described
    )


def _all_of(examples: Examples, settings: TrainingSettings) -> Examples:
    """The same attempts, all of them to learn from; columns are learned from all of them too."""
    nothing = np.zeros(0, dtype=np.int64)
    split = Split(np.arange(len(examples)), examples.split.validation, nothing)
    known = settings.known_beforehand
    return Examples.of(examples.records, split=split, known_beforehand=known)
