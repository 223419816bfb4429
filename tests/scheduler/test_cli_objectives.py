"""`allot plan`, `check` and `pareto` under every aim and limit, as a user meets them."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scheduler import cli

GB = 10**9
LOG = "".join(
    json.dumps(
        {"run": f"r{worker}", "task": "t", "kind": "sort", "outcome": "succeeded",
         "worker": worker, "duration": seconds}
    ) + "\n"
    for worker, seconds in (("fast", 1800.0), ("slow", 3600.0))
    for _ in range(9)
)  # fmt: skip
CLUSTER = {
    "name": "c",
    "workers": [
        {"name": "fast", "cores": 1, "memory": 4 * GB, "price": 10.0, "power": 300.0},
        {"name": "slow", "cores": 1, "memory": 4 * GB, "price": 1.0, "power": 100.0},
    ],
}
WORKFLOW = {
    "name": "w",
    "tasks": [
        {"id": task, "kind": "sort", "memory": GB, "owner": "ann"} for task in ("a", "b", "c")
    ],
}
Answer = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def allot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Answer:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALLOT_STORE", raising=False)
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    (tmp_path / "workflow.json").write_text(json.dumps(WORKFLOW))
    (tmp_path / "log.jsonl").write_text(LOG)

    def run(command: str, *words: str) -> tuple[int, dict[str, Any]]:
        files = ("workflow.json", "--cluster", "cluster.json", "--predictor", "history")
        given = (command, *words, *files, "--json") if command != "ingest" else (command, *words)
        monkeypatch.setattr("sys.argv", ["allot", *given])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        out = capsys.readouterr().out
        return int(left.value.code or 0), json.loads(out) if "--json" in given else {}

    run("ingest", "log.jsonl")
    return run


def workers_of(document: dict[str, Any]) -> set[str]:
    return {each["worker"] for each in document["placements"]}


def test_aiming_at_cost_takes_the_cheap_worker(allot: Answer) -> None:
    code, found = allot("plan", "--planner", "thrifty", "--objective", "cost")
    assert (code, workers_of(found)) == (0, {"slow"})
    assert found["measures"]["cost"] == pytest.approx(3.0, rel=0.2)
    assert found["objective"] == {"allot": "objective/1", "cost": 1.0}


def test_the_settings_say_what_is_usual_and_a_flag_wins(allot: Answer, tmp_path: Path) -> None:
    (tmp_path / "allot.toml").write_text("[objective]\ncost = 1\n[objective.quotas]\nann = 1\n")
    _, usual = allot("plan", "--planner", "thrifty")
    assert usual["objective"] == {"allot": "objective/1", "cost": 1.0, "quotas": {"ann": 1.0}}
    _, asked = allot("plan", "--planner", "thrifty", "--objective", "makespan=2,energy=0.5")
    assert asked["objective"] == {
        "allot": "objective/1", "makespan": 2.0, "energy": 0.5, "quotas": {"ann": 1.0}
    }  # fmt: skip


def test_a_file_with_an_objective_is_read(allot: Answer, tmp_path: Path) -> None:
    (tmp_path / "green.toml").write_text("energy = 1\n")
    _, found = allot("plan", "--planner", "thrifty", "--objective", "green.toml")
    assert found["objective"] == {"allot": "objective/1", "energy": 1.0}


def test_a_quota_keeps_the_tasks_of_an_owner_apart(allot: Answer) -> None:
    _, found = allot("plan", "--quota", "ann=1")
    rows = sorted((each["start"], each["end"]) for each in found["placements"])
    assert all(end <= start for (_, end), (start, _) in pairwise(rows))


def test_an_impossible_deadline_is_refused_with_the_reason(allot: Answer) -> None:
    code, found = allot("plan", "--deadline", "60")
    assert (code, found["error"]) == (1, "Infeasible")
    assert "cannot keep its deadline at 60 s" in found["message"]


def test_a_soft_deadline_is_missed_and_told(allot: Answer) -> None:
    code, found = allot("plan", "--deadline", "60", "--soft-deadlines")
    assert code == 0
    assert sorted(found["measures"]["late"]) == ["a", "b", "c"]


def test_a_budget_below_the_cheapest_total_is_refused(allot: Answer) -> None:
    code, found = allot("plan", "--max-cost", "0.5")
    assert (code, found["error"]) == (1, "Infeasible")
    assert "The budget of 0.5 is too small" in found["message"]


def test_a_schedule_is_checked_against_the_limits_of_today(allot: Answer, tmp_path: Path) -> None:
    allot("plan", "--output", "plan.json")
    assert allot("check", "plan.json")[0] == 0
    code, found = allot("check", "plan.json", "--max-cost", "3.5")
    assert code == 1
    assert [each["rule"] for each in found["violations"]] == ["over_budget"]
    assert found["measures"]["cost"] > 3.5


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"task": "nobody"}, "unknown_task"),
        ({"worker": "nowhere"}, "unknown_worker"),
        ({"start": -1e308, "end": 1e308}, "invalid_time"),
        ({"end": 1e308, "cores": -1e308}, "cores_below_need"),
    ],
)
def test_violations_are_told_where_a_schedule_cannot_be_measured(
    allot: Answer, tmp_path: Path, change: dict[str, object], rule: str
) -> None:
    _, plan = allot("plan", "--output", "plan.json")
    first, *rest = plan["placements"]
    broken = {"allot": "schedule/1", "placements": [first | change, *rest]}
    (tmp_path / "plan.json").write_text(json.dumps(broken))
    code, found = allot("check", "plan.json")
    assert (code, found["measures"]) == (1, None)
    assert rule in {each["rule"] for each in found["violations"]}


def test_the_front_falls_in_cost_as_it_rises_in_makespan(allot: Answer) -> None:
    code, found = allot("pareto", "--planner", "thrifty", "--points", "3")
    assert code == 0
    rows = [(each["makespan"], each["cost"]) for each in found["points"]]
    assert len(rows) > 1
    assert rows == sorted(rows)
    assert [cost for _, cost in rows] == sorted((cost for _, cost in rows), reverse=True)


@pytest.mark.parametrize("command", ["plan", "run", "check", "pareto", "explain", "what-if"])
def test_a_quota_for_nobody_is_refused_by_every_command(
    allot: Answer, tmp_path: Path, command: str
) -> None:
    allot("plan", "--output", "plan.json")
    own = {"check": ("plan.json",), "explain": ("plan.json", "a", "--workflow")}
    code, found = allot(command, "--quota", "an=1", *own.get(command, ()))
    assert (code, found["message"][:42]) == (1, "--quota must name an owner of tasks, found")


def test_a_plan_under_a_quota_is_explained_by_the_quota(allot: Answer, tmp_path: Path) -> None:
    wide = {"name": "c", "workers": [{"name": "wide", "cores": 4, "memory": 16 * GB}]}
    (tmp_path / "cluster.json").write_text(json.dumps(wide))
    _, plan = allot("plan", "--quota", "ann=1", "--output", "plan.json")
    last = max(plan["placements"], key=lambda each: each["start"])["task"]
    code, found = allot("explain", "--quota", "ann=1", "plan.json", last, "--workflow")
    assert (code, found["wait"]["cause"]) == (0, "pool")


def test_a_question_is_answered_under_the_limits_asked_for(allot: Answer) -> None:
    _, free = allot("what-if", "--memory", "a=1 GiB")
    _, held = allot("what-if", "--memory", "a=1 GiB", "--quota", "ann=1")
    assert free["after"]["makespan"] < held["after"]["makespan"]
    code, found = allot("what-if", "--memory", "a=1 GiB", "--deadline", "60")
    assert (code, found["error"]) == (1, "Infeasible")


def test_a_question_says_what_replanning_alone_already_changes(allot: Answer) -> None:
    allot("plan", "--quota", "ann=1", "--output", "plan.json")
    asked = ("what-if", "--memory", "a=1 GiB", "--schedule", "plan.json")
    _, found = allot(*asked)
    assert "Replanning alone, with nothing asked, already changes" in found["answer"][-1]
    _, found = allot(*asked, "--quota", "ann=1")
    assert found["after"]["makespan"] == found["before"]["makespan"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--memory", "a=inf"), "--memory must be TASK=BYTES"),
        (("--memory", "a=8 XB"), "--memory must be TASK=BYTES"),
        (("--memory", "a=0.5"), "--memory must be TASK=BYTES"),
        (("--priority", f"a=1{'0' * 400}"), "priority must be at most 1e+18"),
        (("--deadline", "a=soon"), "--deadline must be TASK=SECONDS, or SECONDS for the whole"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(allot: Answer, words, told: str) -> None:
    code, found = allot("what-if", *words)
    assert code == 1
    assert told in found["message"]


def test_a_file_that_is_not_there_is_named_once(allot: Answer) -> None:
    _, found = allot("plan", "--objective", "nope.json")
    assert found["message"] == "nope.json does not exist."


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--objective", "speed=1"), "speed is not a field of this document"),
        (("--objective", "cost=much"), "--objective must be AIM=WEIGHT, found 'cost=much'"),
        (("--objective", "cost=-1"), "cost must be greater than or equal to 0"),
        (("--objective", "none.json"), "none.json"),
        (("--quota", "ann"), "--quota must be OWNER=CORES, found 'ann'"),
        (("--max-cost", "-1"), "--max-cost must not be negative, found -1.0"),
        (("--deadline", "0"), "--deadline must be above zero, found 0.0"),
        (("--quantile", "2"), "--quantile must lie between 0 and 1, found 2.0"),
        (("--objective", ""), "--objective must name an aim (makespan, "),
        (("--objective", "cost,"), "--objective must be AIM=WEIGHT, found ''"),
        (("--quota", "an=1"), "--quota must name an owner of tasks, found 'an'; owners are: ann."),
        (("--planner", "search", "--budget", "inf"), "seconds must be finite"),
        (("--planner", "fifo", "--budget", "1"), "The planner 'fifo' has no seconds to set."),
    ],
)
def test_what_makes_no_objective_is_refused(allot: Answer, words, told: str) -> None:
    code, found = allot("plan", *words)
    assert code == 1
    assert told in found["message"]


def test_an_incomplete_schedule_has_no_measures(allot: Answer, tmp_path: Path) -> None:
    _, plan = allot("plan", "--output", "plan.json")
    rest = {"allot": "schedule/1", "placements": plan["placements"][1:]}
    (tmp_path / "plan.json").write_text(json.dumps(rest))
    code, found = allot("check", "plan.json")
    assert (code, found["measures"]) == (1, None)
    assert "missing_task" in {each["rule"] for each in found["violations"]}


def test_a_run_tells_how_it_was_planned_again_unless_it_must_not_be(allot: Answer) -> None:
    simulated = ("run", "--executor", "simulator", "--seed", "5")
    told = [allot(*simulated)[1]["replans"], allot(*simulated, "--no-replan")[1]["replans"]]
    assert told[1] == []
    assert all(each["ends"] > 0 for each in told[0])
