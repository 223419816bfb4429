"""The one command, `allot`: what the scheduler offers, and what the other rooms add.

Exit codes: 0 done, 1 refused or failed, 2 usage, 130 interrupted.
"""

import json
import sys
from typing import cast

import typer
from rich.console import Console
from rich.text import Text

from scheduler import commands
from scheduler.discover import plugged
from scheduler.errors import AllotError
from scheduler.masking import masked

INTERRUPTED = 130


def build() -> typer.Typer:
    """The whole command line, with the commands that installed rooms add."""
    app = typer.Typer(
        name="allot",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Learns from task logs, plans whole workflows, runs the plan and learns again.",
    )
    commands.register(app)
    for register in plugged("allot.commands").values():
        cast("commands.Register", register)(app)
    return app


def main() -> None:
    """Runs the command line; errors of ours become one clear message and exit code 1."""
    try:
        build()()
    except (AllotError, OSError) as error:
        _refuse(error)
    except SystemExit as left:
        if left.code == INTERRUPTED:
            Console(stderr=True).print(
                "Interrupted; what was recorded is in the store. A run or a training goes on by "
                "--resume NUMBER: see allot status, allot trainings."
            )
        raise


def _refuse(error: Exception) -> None:
    sort, message = type(error).__name__, masked(str(error))
    if "--json" in sys.argv:
        typer.echo(json.dumps({"error": sort, "message": message}, ensure_ascii=False))
    Console(stderr=True, soft_wrap=True).print(Text(f"{sort}: {message}", style="red"))
    sys.exit(1)
