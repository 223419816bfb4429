"""The store: the only owner of the database."""

from pathlib import Path
from typing import Self

from sqlalchemy.engine import Engine

from scheduler.errors import StoreError
from scheduler.store import migrations
from scheduler.store.audits import AuditRows
from scheduler.store.drafts import DraftRows
from scheduler.store.drifts import DriftRows
from scheduler.store.engine import connect, sqlite_file
from scheduler.store.holds import HoldRows
from scheduler.store.intents import IntentRows
from scheduler.store.learning import LearningRows
from scheduler.store.leases import LeaseRows
from scheduler.store.marks import MarkRows
from scheduler.store.mending import MendingRows
from scheduler.store.outputs import OutputRows
from scheduler.store.plans import PlanRows
from scheduler.store.questions import QuestionRows
from scheduler.store.records import RecordRows
from scheduler.store.runs import RunRows
from scheduler.store.spending import SpendingRows
from scheduler.store.summaries import SummaryRows
from scheduler.store.watching import WatchingRows
from scheduler.store.windows import WindowRows


class Store(
    RecordRows,
    RunRows,
    LearningRows,
    QuestionRows,
    DriftRows,
    LeaseRows,
    IntentRows,
    HoldRows,
    PlanRows,
    AuditRows,
    SpendingRows,
    OutputRows,
    SummaryRows,
    DraftRows,
    MendingRows,
    WatchingRows,
    MarkRows,
    WindowRows,
):
    """Logs, runs, trainings, networks and requests, in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__(engine)
        self.folder = folder

    @classmethod
    def open(cls, url: str, *, folder: Path | None = None) -> "Store":
        """Opens the store at a database URL, and makes it when the database is empty.

        `folder` is where saved networks lie; beside a SQLite file when not given. Raises
        StoreError when the database cannot be reached, or belongs to another release of Allot.
        """
        file = sqlite_file(url)
        if file is not None:
            _make_folder(file.parent)
        engine = connect(url)
        try:
            migrations.prepare(engine)
        except BaseException:
            engine.dispose()
            raise
        beside = file.with_suffix("") if file is not None else Path("allot-store")
        return cls(engine, folder or beside.with_name(f"{beside.name}-models"))

    @property
    def url(self) -> str:
        """The database URL, with its password, for processes that open the store themselves."""
        return self._engine.url.render_as_string(hide_password=False)

    def close(self) -> None:
        """Gives every connection back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise StoreError(f"The folder {folder} of the store cannot be made: {error}") from error
