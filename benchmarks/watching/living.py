"""A store that goes on changing, and how long viewers wait until they see it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.watching import driving
from benchmarks.watching.filling import ended
from scheduler.execution.events import AttemptStarted
from scheduler.planning.schedule import Placement
from scheduler.store import Store

CHANGES, QUIET = 4, 1.37  # changes that are waited for, and seconds between two of them
SILENCE = 30.0  # seconds after which a run should be heard of again: after a minute it is lost
GRID, TILE, MAIN = "[role=grid]", "[data-testid=stMetric]", "[data-testid=stMain]"
SCREENS = {  # address, and what of the screen another attempt changes: the elements, the words
    "Overview": ("", MAIN, r"of [\d,]+ that ended"),
    "Runs": ("runs", GRID, "[^]*"),
    "Schedule": ("schedule?run={run}", TILE, "Tasks done.*"),
    "Task": ("task?run={run}&task={task}", MAIN, r"\d+ of 3"),
    "Decisions": ("decisions?run={run}&task={task}", TILE, "Observed duration.*"),
    "Workers": ("workers", GRID, "[^]*"),
}
OF_A_TASK = ("Task", "Decisions")  # one task ends once
FOUND = """([elements, words]) => {
  const text = [...document.querySelectorAll(elements)].map(each => each.textContent).join('\\n')
  return text.match(new RegExp(words))?.[0]
}"""
# The page itself looks, so that looking at many of them costs little beside what is measured.
WATCH = f"""what => {{
  const found = {FOUND}, before = found(what)
  window.seen_ = null
  const timer = setInterval(() => {{
    const now = found(what)
    if (now && now !== before) {{ window.seen_ = Date.now(); clearInterval(timer) }}
  }}, 25)
}}"""


@dataclass
class Living:
    """A run of which one task after the other is carried out, whenever it is asked to go on."""

    store: Store
    run: int

    def __post_init__(self) -> None:
        self.began = self.store.run(self.run, now=datetime.now(UTC)).started
        tried = {each.task for each in self.store.run_attempts(self.run)}
        plan = sorted(self.store.run_schedule(self.run).placements, key=lambda each: each.start)
        self.left: Iterator[Placement] = (each for each in plan if each.task not in tried)
        self.next = next(self.left)
        self.heard = 0.0

    def goes_on(self) -> float:
        """One more attempt begins and ends well; when that was kept, in seconds of the epoch."""
        each, now = self.next, datetime.now(UTC)
        self.next = next(self.left)
        end = max((now - self.began).total_seconds(), 0.002)
        start = min(each.start, end - 0.001)
        at = self.began + timedelta(seconds=start)
        begun = AttemptStarted(each.task, 1, each.worker, start, at, each.allocation)
        self.store.append_events(self.run, [begun, ended(each, end, self.began)], at=now)
        self.heard = time.time()
        return self.heard

    def lives(self) -> None:
        """It goes on if it has been silent for long."""
        if time.time() - self.heard > SILENCE:
            self.goes_on()


def waited(page: Any, url: str, living: Living, screen: str) -> float:
    """The longest of some changes until a viewer of a screen sees them, in seconds."""
    longest = 0.0
    for number in range(CHANGES):
        living.lives()
        if screen in OF_A_TASK or not number:
            _opened(page, url, living, screen)
        (seen,) = _seen([(page, screen)], living)
        longest = max(longest, seen)
        time.sleep(QUIET)
    return longest


def waited_together(pages: Sequence[Any], url: str, living: Living) -> tuple[float, ...]:
    """After what time each of many viewers, of several screens, sees a change; the worst of some.

    The pages are opened one after the other.
    """
    names = [each for each in SCREENS if each not in OF_A_TASK]
    shown = [(page, names[number % len(names)]) for number, page in enumerate(pages)]
    for page, screen in shown:
        living.lives()
        _opened(page, url, living, screen)
    found = []
    for _ in range(CHANGES):
        living.lives()
        time.sleep(QUIET)
        found.append(tuple(_seen(shown, living)))
    return max(found, key=max)


def _opened(page: Any, url: str, living: Living, screen: str) -> None:
    address, *what = SCREENS[screen]
    address = address.format(run=living.run, task=living.next.task)
    driving.opened(page, f"{url}/{address}", canvas=screen == "Schedule")
    page.wait_for_function(FOUND, arg=what)


def _seen(shown: Sequence[tuple[Any, str]], living: Living) -> Iterator[float]:
    for page, screen in shown:
        page.evaluate(WATCH, SCREENS[screen][1:])
    began = living.goes_on()
    for page, _ in shown:
        page.wait_for_function("() => window.seen_", polling=100)
        yield page.evaluate("window.seen_") / 1000 - began
