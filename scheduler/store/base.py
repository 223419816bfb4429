"""What every part of the store shares: one engine, and how long silence may last."""

from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from scheduler.store import engine as database

SILENCE = timedelta(seconds=60)


class Part:
    """Some of the store's tables, behind methods that take and return values."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _reading(self) -> AbstractContextManager[Connection]:
        return database.reading(self._engine)

    def _writing(self) -> AbstractContextManager[Connection]:
        return database.writing(self._engine)


def state_now(state: str, heartbeat: datetime, now: datetime) -> str:
    """The state as it stands: `running` turns into `lost` after a minute without a heartbeat."""
    return "lost" if state == "running" and now - heartbeat > SILENCE else state
