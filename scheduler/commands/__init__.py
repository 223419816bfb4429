"""The scheduler's own commands, a file for each group."""

from collections.abc import Callable

import typer

from scheduler.commands import (
    agent,
    asking,
    backtest,
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
    for group in (logs, planning, asking, fronts, running, agent, outputs, backtest, upkeep):
        group.register(app)
