"""The command line as a user meets it: answers, exit codes, and what bad input is told."""

import getpass
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scheduler import cli
from scheduler.cluster import Cluster
from scheduler.commands.choosing import HEEDED
from scheduler.discover import implementations
from scheduler.planning import planners
from scheduler.planning.objective import Objective
from scheduler.planning.planners.base import Planner
from scheduler.store import Store
from scheduler.workloads.synthetic import random_problem

GB = 10**9
LOG = '{"run": "r", "task": "t", "kind": "sort", "outcome": "succeeded", "duration": 2.0}\n'
CLUSTER = {
    "allot": "cluster/1",
    "name": "c",
    "workers": [
        {"name": "w1", "cores": 2, "memory": 4 * GB},
        {"name": "w2", "cores": 2, "memory": 2 * GB},
    ],
}
WORKFLOW = {
    "allot": "workflow/1",
    "name": "w",
    "tasks": [
        {"id": "a", "kind": "sort", "memory": GB},
        {"id": "b", "kind": "sort", "memory": GB, "cores": 2},
        {"id": "c", "kind": "sum", "memory": GB, "cores": 2},
    ],
    "dependencies": [{"source": "a", "target": "c", "bytes": 1000}],
}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


Allot = Callable[..., Said]


@pytest.fixture
def allot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Allot:
    """Runs a command in an empty folder, with the folder's own store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALLOT_STORE", raising=False)
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    (tmp_path / "workflow.json").write_text(json.dumps(WORKFLOW))

    def run(*words: str) -> Said:
        monkeypatch.setattr("sys.argv", ["allot", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


def changed(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_every_command_answers_help(allot: Allot) -> None:
    commands = (
        "ingest",
        "predict",
        "plan",
        "check",
        "explain",
        "what-if",
        "run",
        "status",
        "store",
        "doctor",
        "train",
        "models",
        "promote",
        "rollback",
        "evaluate",
        "dashboard",
        "demo",
    )
    assert [allot(command, "--help").code for command in commands] == [0] * len(commands)


def test_a_usage_error_is_exit_code_two(allot: Allot) -> None:
    assert allot("plan").code == 2


def test_a_log_is_taken_once(allot: Allot, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(LOG)
    accepted = [allot("ingest", "log.jsonl", "--json").json["accepted"] for _ in range(2)]
    assert accepted == [1, 0]


def test_a_dry_run_keeps_nothing(allot: Allot, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(LOG)
    assert allot("ingest", "log.jsonl", "--dry-run", "--json").json["accepted"] == 1
    assert allot("store", "check", "--json").json["records"] == 0


def test_bad_lines_go_to_quarantine_and_the_rest_is_taken(allot: Allot, tmp_path: Path) -> None:
    bad = LOG.replace("2.0", "-2.0") + LOG.replace("2.0", "NaN") + LOG.replace("2.0", "1e999")
    (tmp_path / "log.jsonl").write_text(LOG + bad + LOG)
    said = allot("ingest", "log.jsonl", "--json").json
    assert (said["read"], said["accepted"], said["quarantined"]) == (5, 2, 3)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jsonl", b"", "empty"),
        ("latin.jsonl", LOG.replace("sort", "größe").encode("latin-1"), "UTF-8"),
        ("note.txt", b"dear diary\n", "format"),
    ],
)
def test_a_log_that_cannot_be_read_is_exit_code_one_and_costs_the_others_nothing(
    allot: Allot, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / "good.jsonl").write_text(LOG)
    (tmp_path / name).write_bytes(content)
    said = allot("ingest", "good.jsonl", name, "--json")
    assert (said.code, said.json["accepted"]) == (1, 1)
    assert name in said.err.replace("\n", "")
    assert words.lower() in said.err.lower()


def test_a_log_that_is_not_there_is_named(allot: Allot) -> None:
    said = allot("ingest", "missing.jsonl")
    assert said.code == 1
    assert "missing.jsonl" in said.err


def test_a_plan_keeps_every_rule_and_stands_beside_its_lower_bound(allot: Allot) -> None:
    plan = allot("plan", "workflow.json", "--cluster", "cluster.json", "--json").json
    assert plan["violations"] == []
    assert plan["makespan"] >= plan["lower_bound"] > 0
    assert {each["task"] for each in plan["placements"]} == {"a", "b", "c"}


def placements(allot: Allot) -> list[dict[str, Any]]:
    allot("plan", "workflow.json", "--cluster", "cluster.json", "--output", "schedule.json")
    found: list[dict[str, Any]] = json.loads(Path("schedule.json").read_text())["placements"]
    return found


def broken_rules(allot: Allot, plan: list[dict[str, Any]]) -> set[str]:
    changed(Path("schedule.json"), placements=plan)
    said = allot("check", "schedule.json", "workflow.json", "--cluster", "cluster.json", "--json")
    assert said.code == (1 if said.json["violations"] else 0)
    return {each["rule"] for each in said.json["violations"]}


def test_a_plan_that_is_checked_as_it_was_made_is_right(allot: Allot) -> None:
    assert broken_rules(allot, placements(allot)) == set()


def test_a_planted_overlap_is_found(allot: Allot) -> None:
    length = 1e6
    plan = [each | {"worker": "w1", "start": 0.0, "end": length} for each in placements(allot)]
    assert "cores_over_capacity" in broken_rules(allot, plan)


def test_a_broken_precedence_is_found(allot: Allot) -> None:
    plan = [
        each | ({"start": 0.0, "end": 1e6, "worker": "w2"} if each["task"] == "c" else {})
        for each in placements(allot)
    ]
    assert "precedence" in broken_rules(allot, plan)


def test_a_memory_overflow_is_found(allot: Allot) -> None:
    plan = [each | {"memory": 9 * GB} for each in placements(allot)]
    assert "memory_over_capacity" in broken_rules(allot, plan)


def test_a_missing_task_is_found(allot: Allot) -> None:
    assert "missing_task" in broken_rules(allot, placements(allot)[1:])


def test_a_placement_is_explained_with_its_alternatives(allot: Allot) -> None:
    placements(allot)
    said = allot(
        "explain",
        "schedule.json",
        "c",
        "--workflow",
        "workflow.json",
        "--cluster",
        "cluster.json",
        "--json",
    ).json
    assert said["reasons"]
    assert {each["worker"] for each in said["alternatives"]} < {"w1", "w2"}


def test_a_run_that_simulates_the_forecast_adds_no_records(allot: Allot) -> None:
    said = allot(
        "run", "workflow.json", "--cluster", "cluster.json", "--executor", "simulator", "--json"
    )
    assert said.json["state"] == "succeeded"
    (kept,) = allot("status", "--json").json["runs"]
    assert (kept["state"], kept["owner"]) == ("succeeded", getpass.getuser())
    assert allot("store", "check", "--json").json["records"] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tasks": []}, "has no tasks"),
        ({"tasks": WORKFLOW["tasks"] + [{"id": "a", "kind": "sort"}]}, "found twice: a"),  # type: ignore[operator]
        (
            {"dependencies": [{"source": "a", "target": "c"}, {"source": "c", "target": "a"}]},
            "circle",
        ),
        ({"dependencies": [{"source": "a", "target": "ghost"}]}, "'ghost'"),
        (
            {"tasks": [{"id": "a", "kind": "sort", "memory": 64 * GB}], "dependencies": []},
            "'a' has no worker",
        ),
        ({"tasks": [{"id": "a", "kind": "sort", "cores": -1}], "dependencies": []}, "cores"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_workflow_that_cannot_be_planned_is_refused_in_words(
    allot: Allot, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    changed(tmp_path / "workflow.json", **change)
    said = allot("plan", "workflow.json", "--cluster", "cluster.json")
    assert said.code == 1
    assert words in said.err.replace("\n", " ")


def test_a_workflow_of_one_task_is_planned(allot: Allot, tmp_path: Path) -> None:
    changed(tmp_path / "workflow.json", tasks=[{"id": "a", "kind": "sort"}], dependencies=[])
    assert (
        len(
            allot("plan", "workflow.json", "--cluster", "cluster.json", "--json").json["placements"]
        )
        == 1
    )


def test_a_cluster_without_workers_is_refused(allot: Allot, tmp_path: Path) -> None:
    changed(tmp_path / "cluster.json", workers=[])
    said = allot("plan", "workflow.json", "--cluster", "cluster.json", "--json")
    assert said.code == 1
    assert "no workers" in said.json["message"]


def test_a_store_of_a_newer_release_is_refused_and_left_alone(allot: Allot, tmp_path: Path) -> None:
    allot("store", "check")
    with closing(sqlite3.connect(tmp_path / "allot.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (tmp_path / "allot.db").read_bytes()
    said = allot("status")
    assert said.code == 1
    assert "newer release" in said.err
    assert (tmp_path / "allot.db").read_bytes() == before


def test_a_backup_opens_as_a_store(allot: Allot, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(LOG)
    allot("ingest", "log.jsonl")
    assert allot("store", "backup", "copy").code == 0
    said = allot(
        "store", "check", "--json", "--store", f"sqlite:///{tmp_path / 'copy' / 'allot.db'}"
    )
    assert said.json["records"] == 1


def test_an_unknown_planner_is_refused_with_those_that_are_known(allot: Allot) -> None:
    said = allot("plan", "workflow.json", "--cluster", "cluster.json", "--planner", "oracle")
    assert said.code == 1
    assert "heft" in said.err


def test_without_records_training_says_what_to_do(allot: Allot) -> None:
    said = allot("train", "--workers", "0")
    assert said.code == 1
    assert "allot ingest" in said.err.replace("\n", " ")


def test_markup_in_a_name_is_shown_as_it_is(allot: Allot, tmp_path: Path) -> None:
    tasks = [{"id": name, "kind": "sort"} for name in ("[/x]", "[red]a[/]")]
    changed(tmp_path / "workflow.json", name="[bold]w[/w]", tasks=tasks, dependencies=[])
    said = allot("plan", "workflow.json", "--cluster", "cluster.json")
    assert "[/x]" in said.out
    assert "[red]a[/]" in said.out
    run = ("run", "workflow.json", "--cluster", "cluster.json", "--executor", "simulator")
    assert allot(*run).out.startswith("Run 1 ")
    assert allot("status").code == 0


def test_a_schedule_that_breaks_rules_is_not_explained(allot: Allot) -> None:
    changed(Path("schedule.json"), placements=placements(allot)[1:])
    said = allot("explain", "schedule.json", "a", "--workflow", "workflow.json",
                 "--cluster", "cluster.json")  # fmt: skip
    assert said.code == 1
    assert "breaks 1 rule and" in said.err


@pytest.mark.parametrize("command", [("store", "check"), ("store", "upgrade")])
def test_a_database_of_somebody_else_is_left_alone(
    allot: Allot, tmp_path: Path, command: tuple[str, str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "mine.db")) as other:
        other.execute("CREATE TABLE mine (id INTEGER)")
    assert allot(*command, "--store", "sqlite:///mine.db").code == 1
    with closing(sqlite3.connect(tmp_path / "mine.db")) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]


def test_a_file_that_cannot_be_written_is_a_message_and_exit_code_one(allot: Allot) -> None:
    said = allot("plan", "workflow.json", "--cluster", "cluster.json", "--output", "no/where.json")
    assert said.code == 1
    assert "no/where.json" in said.err


def test_settings_that_are_no_toml_are_told(allot: Allot, tmp_path: Path) -> None:
    (tmp_path / "allot.toml").write_text("store = ")
    said = allot("status")
    assert said.code == 1
    assert "allot.toml" in said.err


def test_what_nobody_could_carry_out_is_not_submitted(allot: Allot) -> None:
    submit = ("submit", "workflow.json", "--cluster", "cluster.json")
    said = allot(*submit, "--executor", "nobody")
    assert (said.code, "ray, local, simulator" in said.err) == (1, True)
    said = allot(*submit, "--planner", "nobody")
    assert (said.code, "heft" in said.err) == (1, True)
    assert "No run yet" in allot("status").out


def test_status_tells_what_was_submitted_and_is_no_run(allot: Allot, tmp_path: Path) -> None:
    allot("submit", "workflow.json", "--cluster", "cluster.json", "--executor", "simulator")
    assert "waits for an agent" in allot("status").out
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as store:
        store.answer(1, state="refused", answer="no worker", at=datetime.now(UTC))
    assert "was refused: no worker" in allot("status").out
    assert allot("status", "--json").json["submitted"] == [
        {"request": 1, "state": "refused", "answer": "no worker"}
    ]


def test_a_run_tells_what_was_given_up_and_why(allot: Allot, tmp_path: Path) -> None:
    task = {"id": "a", "kind": "k", "command": ["false"], "max_attempts": 1, "memory": "100 MB"}
    changed(tmp_path / "workflow.json", tasks=[task], dependencies=[])
    said = allot("run", "workflow.json", "--cluster", "cluster.json", "--executor", "local")
    assert said.code == 1
    assert "Given up: a:" in " ".join(said.out.split())


def test_a_seed_out_of_range_is_a_usage_error(allot: Allot) -> None:
    assert allot("run", "workflow.json", "--cluster", "cluster.json", "--seed", "-1").code == 2


@pytest.mark.parametrize("task", [
    {"sizes": {"s": 1e300}}, {"sizes": {"": 1}}, {"sizes": {"a\nb": 1}}, {"timeout": 1e300},
    {"id": " "}, {"kind": " "}, {"kind": "a\u0000"}, {"kind": "k" * 1000}, {"cores": 1e-300},
])  # fmt: skip
def test_what_no_record_could_keep_is_refused_before_it_runs(
    allot: Allot, tmp_path: Path, task: dict[str, object]
) -> None:
    changed(tmp_path / "workflow.json", tasks=[{"id": "a", "kind": "sort"} | task], dependencies=[])
    said = allot("run", "workflow.json", "--cluster", "cluster.json", "--executor", "simulator")
    assert said.code == 1
    assert allot("status", "--json").json["runs"] == []


def test_what_if_shows_both_sides(allot: Allot, tmp_path: Path) -> None:
    more = {"name": "w3", "cores": 4, "memory": "8 GB"}
    (tmp_path / "more.json").write_text(json.dumps(more))
    words = ("what-if", "workflow.json", "--cluster", "cluster.json", "--json")
    less = allot(*words, "--remove-worker", "w2", "--priority", "c=3").json
    assert less["before"]["makespan"] <= less["after"]["makespan"]
    assert less["asked"] == ["w2 is gone", "c has priority 3"]
    grown = allot(*words, "--add-worker", "more.json").json
    assert grown["after"]["makespan"] <= grown["before"]["makespan"]
    assert grown["after"]["utilisation"]["w3"] >= 0


def test_a_question_that_changes_nothing_or_cannot_be_read_is_refused(allot: Allot) -> None:
    words = ("what-if", "workflow.json", "--cluster", "cluster.json")
    assert allot(*words).code == 1
    said = allot(*words, "--priority", "c=high")
    assert (said.code, "'c=high'" in said.err) == (1, True)


DUE = {
    "name": "w",
    "tasks": [
        {"id": each, "kind": "sort"} | more
        for each, more in (("a", {}), ("b", {}), ("c", {"deadline": 31}))
    ],
    "dependencies": [{"source": "a", "target": "b"}],
}
ALONE = {"name": "c", "workers": [{"name": "y", "cores": 1, "memory": "4 GB", "speed": 2}]}
HARD = ("workflow.json", "--cluster", "cluster.json", "--hard-deadlines")


@pytest.fixture
def due(allot: Allot, tmp_path: Path) -> Allot:
    """One worker, on which the task with the deadline must go first; heft lets it wait."""
    (tmp_path / "workflow.json").write_text(json.dumps(DUE))
    (tmp_path / "cluster.json").write_text(json.dumps(ALONE))
    return allot


def test_a_plan_that_breaks_a_limit_says_which_and_what_to_do_next(due: Allot) -> None:
    said = due("plan", *HARD, "--planner", "heft")
    assert said.code == 1
    assert "The plan of heft breaks 1 rule: Task 'c'" in said.err
    assert "Try --planner search, or loosen a limit." in said.err


def test_a_limit_without_a_planner_is_given_one_that_looks_at_it(due: Allot) -> None:
    said = due("plan", *HARD, "--json")
    assert (said.code, said.json["planner"], said.err) == (0, "portfolio", "")
    assert due("plan", *HARD[:3], "--json").json["planner"] == "heft"


def test_a_run_whose_plan_breaks_a_limit_says_what_to_do_next(due: Allot) -> None:
    said = due("run", *HARD, "--executor", "simulator", "--planner", "heft")
    assert said.code == 1
    assert "breaks 1 rule: Task 'c'" in said.err
    assert "Plan with search" in said.err


def test_a_front_without_a_plan_is_refused(due: Allot) -> None:
    said = due("pareto", *HARD, "--planner", "heft", "--points", "1", "--json")
    assert said.code == 1
    assert "No plan that heft found keeps every limit. Try --planner search" in said.err


@pytest.mark.parametrize(
    ("name", "words", "able"),
    [
        ("heft", "cost and energy", "portfolio, search, cp_sat, thrifty."),
        ("urgent", "cost and energy", "portfolio, search, cp_sat, thrifty."),
        ("thrifty", None, ""),
    ],
)
def test_a_planner_that_does_not_look_at_an_aim_is_told(
    due: Allot, name: str, words: str | None, able: str
) -> None:
    said = due("plan", *HARD[:3], "--planner", name, "--objective", "cost,energy")
    told = f"The planner {name} does not look at {words}; these do: {able}\n" if words else ""
    assert (said.code, said.err) == (0, told)


def test_planners_that_are_not_said_to_look_at_aims_do_not() -> None:
    problem = replace(random_problem(np.random.default_rng(3), 12, 3), objective=Objective())
    priced = [replace(each, price=9.0**i) for i, each in enumerate(problem.cluster.workers)]
    problem = replace(problem, cluster=Cluster("c", priced))
    dear = replace(problem, objective=Objective(makespan=0.0, cost=1.0))
    known = implementations(planners, Planner)
    for name in known.keys() - HEEDED.keys() - {"learned"}:  # it keeps the best of some such lists
        assert known[name]().plan(problem).placements == known[name]().plan(dear).placements, name
    for name in ("portfolio", "thrifty"):
        assert known[name]().plan(problem).placements != known[name]().plan(dear).placements, name
