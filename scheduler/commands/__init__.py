"""The scheduler's own commands, a file for each group."""

from collections.abc import Callable

import typer

from scheduler.commands import (
    agent,
    approvals,
    asking,
    backtest,
    control,
    fronts,
    logs,
    outputs,
    planning,
    running,
    upkeep,
)

Register = Callable[[typer.Typer], None]


def register(app: typer.Typer) -> None:
    """Adds every command of the scheduler to the command line."""
    groups = (logs, planning, asking, fronts, running, agent, control, approvals, outputs, backtest)
    for group in (*groups, upkeep):
        group.register(app)
