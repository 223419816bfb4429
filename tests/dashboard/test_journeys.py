"""What people come to the dashboard for, from end to end in a real Chromium, with an agent."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import numpy as np
import pytest

from dashboard.theme import DARK, LIGHT
from scheduler import governor
from scheduler.agent import Agent
from scheduler.documents import cluster_document, objective_document, workflow_document
from scheduler.execution.charge import NEW, Charge
from scheduler.execution.events import AttemptEnded
from scheduler.execution.executors.simulator import AsForecast, SimulatedSession, Simulator
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.policy import Approvals, Policy
from scheduler.predictors.history import HistoryPredictor
from scheduler.service import Service
from scheduler.store import Store
from scheduler.store.networks import MANIFEST, WEIGHTS, hash_of
from scheduler.store.values import ModelVersion
from scheduler.workloads.synthetic import random_world
from tests.dashboard.browsing import (
    APP,
    CONNECTED,
    anew,
    choose_row,
    go,
    harm,
    keep,
    page_of,
    row_of,
    said,
    settled,
    shows,
    turn_to,
)
from tests.dashboard.filler import fill
from tests.dashboard.serving import PATIENCE, Server, until

PEOPLE = {"header": "X-Allot-User", "people": {"ann": "operator", "ada": "admin"}}
WORLD = random_world(np.random.default_rng(3), 8, 2)
STEP = 0.1  # seconds after which a world that stands still is looked at again
FIRST = 3  # ends after which it may stand still
SIZE = {"width": 1280, "height": 900}
WORSE = "x<script>owned = 1</script><img src=x onerror=alert(1)> \u202egnp.exe".ljust(500, "x")
BAD = "task,kind,outcome,duration\na,sort,succeeded,1\nlate,sort,succeeded,-4\n"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def now() -> datetime:
    return datetime.now(UTC)


class Paced(SimulatedSession):
    """A world on paper that stands still after its first ends until a viewer has seen them."""

    def __init__(self, *given: Any, seen: threading.Event) -> None:
        super().__init__(*given)
        self._seen, self._ends = seen, 0

    def wait(self, until: float | None) -> tuple[AttemptEnded, ...]:
        if self._ends >= FIRST and not self._seen.wait(STEP):
            return ()
        ends = tuple(super().wait(until))
        self._ends += len(ends)
        return ends


@dataclass(frozen=True)
class PacedSimulator(Simulator):
    """Runs schedules in such a world."""

    seen: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator[Paced]:
        rng = np.random.default_rng(1)
        session = Paced(problem, self.truth, rng, self.began, self.outages, seen=self.seen)
        session.go_on_from(charge.since)
        yield session


def learner(store: Store, at: datetime) -> None:
    """Answers what was asked of the learner with a network that could have been trained."""
    for each in store.requests(state="open"):
        if each.kind == "retrain":
            place = store.folder / f"cgc-{each.id + 100}"
            place.mkdir(parents=True)
            for name in (WEIGHTS, MANIFEST):
                (place / name).write_bytes(name.encode())
            known = hash_of(WEIGHTS.encode(), MANIFEST.encode())
            store.add_version(ModelVersion(place.name, "cgc", at, known))
            store.challenge(place.name, reason="so in 93% of draws", by="loop", at=at)
            store.answer(each.id, state="done", answer=f"trained {place.name}", at=at)


@contextmanager
def agent(url: str, seen: threading.Event) -> Iterator[None]:
    """An agent that serves a store beside a learner; people are to approve of each run."""
    stop = threading.Event()
    with Store.open(url) as store:
        made = Agent(
            HistoryPredictor.learn([]), Heft(),
            PacedSimulator(AsForecast(), began=now(), seen=seen), store, now, group=0.0,
            governor=governor.Governor(
                store, Policy(approvals=Approvals(seconds=0.0)), now, time.monotonic, time.sleep
            ),
        )  # fmt: skip
        service = Service(
            store, lambda _: made, now, time.monotonic, stop, turn=0.5,
            companions={"learner": learner},
        )  # fmt: skip
        thread = threading.Thread(target=service.serve)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE)


@dataclass
class Desk:
    """A dashboard on a store that an agent serves, and people who look at it.

    The runs of the agent stand still on their way while nobody has `seen` that.
    """

    store: Store
    server: Server
    seen: threading.Event
    people: dict[str, Any] = field(default_factory=dict)

    def visit(self, name: str, address: str) -> Any:
        """The page of somebody, on a screen."""
        go(self.people[name], f"{self.server.url}/{address}")
        return self.people[name]

    def submitted(self) -> int:
        """The number of a run that the agent has begun, and that waits for people."""
        payload = {
            "token": uuid4().hex, "workflow": workflow_document(WORLD.workflow),
            "cluster": cluster_document(WORLD.cluster),
            "objective": objective_document(Objective()), "priority": 0, "how": {},
        }  # fmt: skip
        self.store.ask("run", payload, by="ann", at=now())
        until(lambda: self.questions(), "the agent asks people about the run")
        (question,) = self.questions()
        assert question.run is not None
        return int(question.run)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """What is begun meanwhile goes on to its end after the block only."""
        self.seen.clear()
        try:
            yield
        finally:
            self.seen.set()

    def questions(self) -> Any:
        return self.store.questions(state="open")


@pytest.fixture(scope="module")
def desk(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One dashboard, one agent and three people: a viewer, an operator and an admin."""
    folder = tmp_path_factory.mktemp("desk")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("ALLOT_DASHBOARD", json.dumps(PEOPLE))
        store = stack.enter_context(Store.open(f"sqlite:///{folder / 'allot.db'}"))
        fill(store)
        made = Desk(store, Server(store.url, folder), threading.Event())
        made.seen.set()
        stack.enter_context(agent(store.url, made.seen))
        stack.callback(made.server.stop)
        made.server.start()
        for name in ("eve", "ann", "ada"):
            headers = {str(PEOPLE["header"]): name}
            page, _ = stack.enter_context(
                page_of(chromium, extra_http_headers=headers, viewport=SIZE)
            )
            page.add_init_script(SOCKET)
            made.people[name] = page
        yield made


# What goes to the server can be held back, seen, and sent by others.
SOCKET = """(() => { const Own = window.WebSocket
window.WebSocket = class extends Own {
  constructor(...a) { super(...a); window.socket_ = this }
  send(data) { if (!window.held_) return super.send(data)
    window.held_.push(Array.from(data instanceof ArrayBuffer ? new Uint8Array(data) : data)) }
} })()"""


def tile(page: Any, label: str) -> Any:
    return page.get_by_test_id("stMetric").filter(has_text=label)


def act(page: Any, key: str, why: str = "", *, choose: tuple[str, str] | None = None) -> None:
    """Opens the form of an act, fills it in and sends it."""
    page.locator(f".st-key-{key}-0 button").first.click()
    if choose:
        page.locator(f".st-key-{key}-0-{choose[0]} input").click()
        page.locator("[role=option]", has_text=choose[1]).first.click()
    if why:
        page.locator(f".st-key-{key}-0-why input").fill(why)
    page.locator(f".st-key-{key}-0-do button").click()


def decide(desk: Desk, run: int, answer: str = "approve") -> None:
    """Somebody else decides, elsewhere."""
    (question,) = (each for each in desk.questions() if each.run == run)
    governor.decide(desk.store, question.id, answer, by="cem", reason="", at=now())


def test_a_run_is_watched_to_its_end_without_a_reload(desk: Desk, tmp_path: Path) -> None:
    with desk.standing_still():
        run = desk.submitted()
        page = desk.visit("ann", f"schedule?run={run}")
        done = tile(page, "Tasks done")
        done.get_by_text("0 / 8").wait_for()
        page.evaluate("window.same_ = true")
        decide(desk, run)
        done.get_by_text(re.compile("[1-7] / 8")).wait_for()
        keep(page, "journey-watch", tmp_path)
    done.get_by_text("8 / 8").wait_for()
    assert page.evaluate("window.same_") is True


def test_why_a_task_is_late_is_found_from_the_schedule(desk: Desk, tmp_path: Path) -> None:
    page = desk.visit("ann", "schedule?run=2")
    whole = said(page)
    page.locator('[data-testid="stCheckbox"]', has_text="Late only").locator("label").click()
    page.wait_for_url(re.compile("late=yes"))
    anew(page, whole)
    canvas = page.locator("canvas.sheet")
    canvas.focus()
    canvas.press("Tab")
    task = page.locator(".gantt .tip b").inner_text()
    canvas.press("Enter")
    page.wait_for_url(re.compile(f"task={task}"))
    turn_to(page, "task")
    page.wait_for_selector("text=/^It ended .* later than planned/")
    page.locator("text=/^\\+.*: it (waited|ran|was|took|had)/").first.wait_for()
    keep(page, "journey-late", tmp_path)


def test_a_task_is_sent_to_another_worker_and_runs_there(desk: Desk, tmp_path: Path) -> None:
    run = desk.submitted()
    planned = desk.store.run_schedule(run).placements[-1]
    other = next(each for each in WORLD.cluster.index if each != planned.worker)
    page = desk.visit("ann", f"decisions?run={run}&task={planned.task}")
    act(page, "decision-override", "its files are there", choose=("worker", other))
    page.wait_for_selector(f"text=/reassign {planned.task} on {other}, run {run}: /")
    (question,) = desk.questions()
    act(page, f"question-{question.id}-approve", "go on")
    keep(page, "journey-override", tmp_path)
    until(lambda: desk.store.run(run, now=now()).ended, "the run ends")
    ran = {each.worker for each in desk.store.run_attempts(run) if each.task == planned.task}
    assert ran == {other}


def test_a_bad_line_of_an_upload_is_mended_and_taken_in(desk: Desk, tmp_path: Path) -> None:
    before = desk.store.quarantine_count(state="open")
    page = desk.visit("ann", "logs?shown=quarantine")
    file = {"name": "friday.csv", "mimeType": "text/csv", "buffer": BAD.encode()}
    page.set_input_files("input[type=file]", files=[file])
    page.get_by_role("button", name="Take in 1 record").click()
    page.wait_for_selector("text=/1 new record, .* 1 line in quarantine/")
    table = page.locator(".st-key-quarantine-open [data-testid=stDataFrame]")
    until(lambda: desk.store.quarantine_count(state="open") > before, "the line is refused")
    row_of(table, "friday.csv")
    settled(page)
    choose_row(table, 0)  # the newest line comes first
    page.wait_for_selector("text=/friday.csv, line 3: duration/")
    line = desk.store.quarantined(state="open", limit=1)[0]
    key = f".st-key-mend-{line.id}"
    page.locator(f"{key}-text textarea").fill("late,sort,succeeded,4")
    page.locator(f"{key}-why input").fill("a slip of the pen")
    keep(page, "journey-mend", tmp_path)
    page.locator(f"{key}-do button").click()
    page.wait_for_selector("text=/Line 3 of friday.csv is taken in/")
    assert desk.store.quarantine_count(state="open") == before


def test_a_hostile_log_is_text_from_its_upload_to_its_quarantine(
    desk: Desk, tmp_path: Path
) -> None:
    boxes = list[str]()
    page = desk.visit("ann", "logs?shown=quarantine")
    page.once("dialog", lambda box: (boxes.append(box.message), box.dismiss()))
    name = "<img src=x onerror=alert(1)> **bold**.csv"
    lines = f'task,kind,outcome,duration\na,"{WORSE}",succeeded,1\nb,"{WORSE}",succeeded,-4\n'
    file = {"name": name, "mimeType": "text/csv", "buffer": lines.encode()}
    page.set_input_files("input[type=file]", files=[file])
    page.get_by_role("button", name="Take in 1 record").click()
    page.wait_for_selector("text=/1 new record, .* 1 line in quarantine/")
    table = page.locator(".st-key-quarantine-open [data-testid=stDataFrame]")
    row_of(table, "<img src=x")
    settled(page)
    choose_row(table, 0)
    page.get_by_text(f"{name}, line 3: duration").wait_for()
    page.get_by_text("<script>owned").first.wait_for()
    keep(page, "journey-hostile-log", tmp_path)
    assert (harm(page), boxes) == ([], [])


def test_a_training_is_asked_for_and_its_network_promoted(desk: Desk, tmp_path: Path) -> None:
    page = desk.visit("ada", "training")
    act(page, "retrain", "new disks")
    said = page.locator("text=/train a network: trained cgc-1/")
    said.wait_for()
    name = said.inner_text().split()[-1]
    turn_to(page, "models")
    act(page, "promote", "it knows the new disks")
    page.wait_for_selector(f"text={name} is champion now")
    tile(page, "Champion").get_by_text(name).wait_for()
    keep(page, "journey-promote", tmp_path)
    assert desk.store.aliases()["champion"] == name


def test_a_plan_that_was_tried_is_kept(desk: Desk, tmp_path: Path) -> None:
    page = desk.visit("ann", "what_if?run=2")
    page.get_by_label("Leave out workers").click()
    page.locator("[role=option]", has_text="w2").first.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Plan it").click()
    page.wait_for_selector("text=/^If: .*w2/")
    settled(page)
    page.locator(".st-key-keep-0 button").first.click()
    page.locator(".st-key-keep-0-name input").fill("without w2")
    page.locator(".st-key-keep-0-do button").click()
    page.wait_for_selector("text=The plan 'without w2' is kept")
    page.wait_for_selector("h3:has-text('Plans that were kept')")
    keep(page, "journey-what-if", tmp_path)
    assert [(each.name, each.by) for each in desk.store.drafts(run=2)] == [("without w2", "ann")]


def test_a_cheaper_plan_is_chosen_by_a_click_on_what_speed_costs(
    desk: Desk, tmp_path: Path
) -> None:
    page = desk.visit("ann", "what_if?run=2")
    draw = page.locator('[data-testid="stCheckbox"]', has_text="none is both shorter and cheaper")
    draw.locator("label").click()
    cheapest = page.locator(".scatterlayer .trace").first.locator(".point").last
    cheapest.wait_for()
    settled(page)
    cheapest.hover(force=True)
    told = page.locator(".hoverlayer .hovertext").first.text_content()
    cheapest.click(force=True)
    page.wait_for_url(re.compile("change=.*cost"))
    page.wait_for_selector("text=/^If: .*cost/")
    settled(page)
    keep(page, "journey-trade", tmp_path)
    cost = tile(page, "Cost").get_by_test_id("stMetricValue").inner_text()
    assert cost.split()[0] in told
    assert "-" in tile(page, "Cost").get_by_test_id("stMetricDelta").inner_text()


def test_a_link_shows_somebody_else_the_same(desk: Desk, tmp_path: Path) -> None:
    page = desk.visit("ann", "schedule?run=2&lanes=kind&late=yes")
    canvas = page.locator("canvas.sheet")
    canvas.focus()
    canvas.press("Tab")
    canvas.press("Enter")
    page.wait_for_url(re.compile("task="))
    settled(page)
    other = desk.visit("eve", page.url.removeprefix(desk.server.url + "/"))
    for each in (page, other):
        each.get_by_text("Why this worker?").first.wait_for()  # of the task that is selected
    told = [
        (
            said(each),
            parse_qs(urlsplit(each.url).query)["task"],
        )
        for each in (page, other)
    ]
    keep(other, "journey-link", tmp_path)
    assert told[0] == told[1]


def test_the_keyboard_alone_leads_to_why_a_task_runs_where_it_runs(
    desk: Desk, tmp_path: Path
) -> None:
    def tab_to(wanted: str) -> None:
        """Tab after Tab until the focus is there."""
        came = list[str]()
        while not came or not came[-1].endswith(wanted):
            assert len(came) < 60, came
            page.keyboard.press("Tab")
            came.append(page.evaluate(FOCUSED))

    page = desk.visit("ann", "")  # the overview
    tab_to("Schedule")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Schedule')")
    settled(page)
    tab_to("canvas")
    page.keyboard.press("Tab")
    task = page.locator(".gantt .tip b").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"task={task}"))
    settled(page)
    page.keyboard.press("Escape")
    tab_to("Why this worker?")
    keep(page, "journey-keyboard", tmp_path)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Decisions')")
    page.wait_for_selector(f"text=/^{task} runs on /")


RAN = """() => { const app = document.querySelector('[data-testid="stApp"]')
const note = () => { window.ran_ ||= app.dataset.testScriptState === 'running' }
new MutationObserver(note).observe(app, {attributes: true}) }"""
CLICKED = """key => window.held_.find(bytes =>
  String.fromCharCode(...bytes).includes(key))"""  # others are those of parts drawn again and again
FOCUSED = """() => { let e = document.activeElement
while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
return e?.tagName === 'CANVAS' ? 'canvas' : (e?.innerText ?? '').trim() }"""


def test_a_viewer_cannot_act_on_a_screen_or_by_a_request_of_their_own(
    desk: Desk, tmp_path: Path
) -> None:
    number = desk.store.begin_training(sharing="cgc", workers=0, settings={}, at=now())
    desk.store.resume_training(number, at=now() + timedelta(hours=1))  # it is not found silent
    operator = desk.visit("ann", f"training?training={number}")
    viewer = desk.visit("eve", f"training?training={number}")
    stop = f".st-key-stop-{number} button"
    assert viewer.locator(stop).first.is_disabled()
    viewer.locator(stop).first.hover(force=True)
    viewer.wait_for_selector("text=This is for the role operator; yours is viewer.")
    keep(viewer, "journey-viewer", tmp_path)
    operator.evaluate("window.held_ = []")
    operator.locator(stop).first.click()
    asked = operator.wait_for_function(CLICKED, arg=f"stop-{number}").json_value()
    send = "bytes => socket_.send(new Uint8Array(bytes))"
    viewer.evaluate(RAN)
    viewer.evaluate(send, asked)
    viewer.wait_for_function("() => window.ran_")
    settled(viewer)
    assert asked_to_stop(desk, number) == []
    operator.evaluate("window.held_ = null")
    operator.evaluate(send, asked)
    operator.wait_for_selector("text=/asked to end after its epoch/")
    assert asked_to_stop(desk, number) == ["ann"]


def asked_to_stop(desk: Desk, training: int) -> list[str]:
    return [each.by for each in desk.store.requests() if each.payload == {"training": training}]


def test_a_page_goes_on_with_its_selection_when_the_server_was_started_anew(
    desk: Desk, tmp_path: Path
) -> None:
    page = desk.visit("ann", "schedule?run=2&lanes=kind&task=solve-23")
    before = said(page)
    page.evaluate("window.same_ = true")
    desk.server.stop()
    try:
        page.wait_for_selector(f"{APP}:not({CONNECTED})")
        keep(page, "journey-server-away", tmp_path, still=False)
        run = desk.store.run(2, now=now())
        assert run.ended is not None
        desk.store.end_run(
            2, state=run.state, makespan=run.makespan, message="looked at again", at=run.ended
        )
    finally:
        desk.server.start()
    page.wait_for_selector("text=looked at again")
    settled(page)
    assert said(page) == before
    page.locator("strong:has-text('solve-23')").wait_for()
    keep(page, "journey-reconnected", tmp_path)
    turn_to(page, "task")
    page.locator("strong:has-text('solve-23')").wait_for()
    assert page.evaluate("window.same_") is True


def test_a_page_that_is_open_turns_dark_with_its_browser_and_keeps_what_is_selected(
    desk: Desk, tmp_path: Path
) -> None:
    page = desk.visit("eve", "schedule?run=2&task=solve-23")
    before = said(page)
    page.evaluate("window.same_ = true")
    page.emulate_media(color_scheme="dark")
    try:
        shows(page, DARK)
        assert said(page) == before
        keep(page, "journey-dark", tmp_path)
        for screen in ("graph", "decisions"):
            turn_to(page, screen)
            shows(page, DARK)
            page.locator("text=solve-23").first.wait_for()
            keep(page, f"journey-dark-{screen}", tmp_path)
    finally:
        page.emulate_media(color_scheme="light")
    shows(page, LIGHT)
    assert page.evaluate("window.same_") is True
