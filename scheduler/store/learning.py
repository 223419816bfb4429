"""Trainings with their metrics, saved networks, who is champion, and what people ask for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import NotFound
from scheduler.store.audits import add_audit
from scheduler.store.base import Part, state_now
from scheduler.store.values import Metric, ModelVersion, Promotion, Request, Training

TRAINING = SQLModel.metadata.tables["training"]
METRIC = SQLModel.metadata.tables["metric"]
VERSION = SQLModel.metadata.tables["version"]
ALIAS = SQLModel.metadata.tables["alias"]
PROMOTION = SQLModel.metadata.tables["promotion"]
REQUEST = SQLModel.metadata.tables["request"]
_DONE = {"champion": "promote", "challenger": "challenge", "refused": "refuse promotion"}


class LearningRows(Part):
    """The part of the store that keeps what was learned, and when."""

    def begin_training(
        self, *, sharing: str, workers: int, settings: Mapping[str, Any], at: datetime
    ) -> int:
        """Notes a training before it starts."""
        row = {
            "state": "running",
            "sharing": sharing,
            "workers": workers,
            "settings": dict(settings),
            "started": at,
            "heartbeat": at,
            "message": "",
        }
        with self._writing() as connection:
            return int(
                connection.execute(TRAINING.insert().returning(TRAINING.c.id), row).scalar_one()
            )

    def resume_training(self, training: int, *, at: datetime) -> None:
        """Notes that a training that was cut off goes on."""
        values = {"state": "running", "ended": None, "heartbeat": at, "message": ""}
        with self._writing() as connection:
            connection.execute(TRAINING.update().where(TRAINING.c.id == training).values(values))

    def training(self, training: int, *, now: datetime) -> Training:
        """One training; raises NotFound when there is none of that number."""
        query = sa.select(TRAINING).where(TRAINING.c.id == training)
        with self._reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no training {training} in the store.")
        return _training(row, now)

    def report_metrics(self, training: int, metrics: Sequence[Metric], *, at: datetime) -> None:
        """Keeps the numbers of epochs while the training goes on; an epoch retold is replaced."""
        rows = [
            {
                "training_id": training,
                "epoch": each.epoch,
                "target": each.target,
                "name": each.name,
                "value": each.value,
            }
            for each in metrics
        ]
        epochs = {each.epoch for each in metrics}
        with self._writing() as connection:
            if rows:
                connection.execute(
                    METRIC.delete().where(
                        METRIC.c.training_id == training, METRIC.c.epoch.in_(epochs)
                    )
                )
                connection.execute(METRIC.insert(), rows)
            connection.execute(
                TRAINING.update().where(TRAINING.c.id == training).values(heartbeat=at)
            )

    def end_training(
        self,
        training: int,
        *,
        state: str,
        at: datetime,
        version: str | None = None,
        message: str = "",
    ) -> None:
        """Notes how a training ended: succeeded, failed or interrupted."""
        values = {
            "state": state,
            "version": version,
            "message": message,
            "ended": at,
            "heartbeat": at,
        }
        with self._writing() as connection:
            connection.execute(TRAINING.update().where(TRAINING.c.id == training).values(values))

    def forget_training(self, training: int) -> None:
        """Deletes a training and its numbers; a version that it saved stays, without it."""
        with self._writing() as connection:
            connection.execute(METRIC.delete().where(METRIC.c.training_id == training))
            saved = VERSION.update().where(VERSION.c.training_id == training)
            connection.execute(saved.values(training_id=None))
            connection.execute(TRAINING.delete().where(TRAINING.c.id == training))

    def trainings(self, *, now: datetime, limit: int = 200) -> tuple[Training, ...]:
        """Trainings, newest first."""
        query = sa.select(TRAINING).order_by(TRAINING.c.id.desc()).limit(limit)
        with self._reading() as connection:
            return tuple(_training(row, now) for row in connection.execute(query).mappings())

    def training_metrics(self, training: int) -> tuple[Metric, ...]:
        """Every number of a training, epoch by epoch."""
        query = (
            sa.select(METRIC.c.epoch, METRIC.c.target, METRIC.c.name, METRIC.c.value)
            .where(METRIC.c.training_id == training)
            .order_by(METRIC.c.epoch, METRIC.c.target, METRIC.c.name)
        )
        with self._reading() as connection:
            return tuple(Metric(*row) for row in connection.execute(query))

    def add_version(self, version: ModelVersion) -> None:
        """Registers a saved network."""
        row = {
            "id": version.id,
            "sharing": version.sharing,
            "created": version.created,
            "sha256": version.sha256,
            "training_id": version.training,
            "metrics": dict(version.metrics),
        }
        with self._writing() as connection:
            connection.execute(VERSION.insert(), row)

    def versions(self) -> tuple[ModelVersion, ...]:
        """Saved networks, newest first."""
        with self._reading() as connection:
            rows = connection.execute(
                sa.select(VERSION).order_by(VERSION.c.created.desc(), VERSION.c.id.desc())
            )
            return tuple(_version(row) for row in rows.mappings())

    def version(self, name: str) -> ModelVersion:
        """One saved network by id or alias (champion, challenger, previous); NotFound otherwise."""
        with self._reading() as connection:
            aliased = connection.execute(
                sa.select(ALIAS.c.version).where(ALIAS.c.name == name)
            ).scalar()
            row = (
                connection.execute(sa.select(VERSION).where(VERSION.c.id == (aliased or name)))
                .mappings()
                .one_or_none()
            )
        if row is None:
            raise NotFound(
                f"There is no version or alias {name!r}; `allot models` lists what there is."
            )
        return _version(row)

    def aliases(self) -> dict[str, str]:
        """Which version each alias names."""
        with self._reading() as connection:
            return {
                row.name: row.version
                for row in connection.execute(sa.select(ALIAS.c.name, ALIAS.c.version))
            }

    def promote(self, version: str, *, reason: str, by: str, at: datetime) -> None:
        """Makes a version champion; the former champion becomes `previous`. It is audited.

        So is all that gives a version another part: `challenge`, `refuse`, `roll_back`.
        """
        self.version(version)
        with self._writing() as connection:
            _crown(connection, version, action="promote", reason=reason, by=by, at=at)

    def challenge(self, version: str, *, reason: str, by: str, at: datetime) -> None:
        """Makes a version the challenger, replacing another."""
        self.version(version)
        with self._writing() as connection:
            former = _aliased(connection, "challenger")
            _point(connection, "challenger", version)
            _note(connection, "challenger", version, replaced=former, reason=reason, by=by, at=at)

    def refuse(self, version: str, *, reason: str, by: str, at: datetime) -> None:
        """Notes that a version does not become champion; it is no challenger any more."""
        self.version(version)
        with self._writing() as connection:
            if _aliased(connection, "challenger") == version:
                connection.execute(ALIAS.delete().where(ALIAS.c.name == "challenger"))
            _note(connection, "refused", version, replaced=None, reason=reason, by=by, at=at)

    def roll_back(self, *, reason: str, by: str, at: datetime) -> ModelVersion:
        """Gives the championship back to the previous version; NotFound when there is none.

        The version that lost it is not `previous` afterwards: rolling back twice never returns it.
        """
        previous = self.aliases().get("previous")
        if previous is None:
            raise NotFound("There is no previous version to roll back to.")
        with self._writing() as connection:
            _crown(connection, previous, action="roll back", reason=reason, by=by, at=at)
            connection.execute(ALIAS.delete().where(ALIAS.c.name == "previous"))
        return self.version(previous)

    def promotions(self, *, limit: int = 200) -> tuple[Promotion, ...]:
        """Changes of aliases, newest first."""
        columns = (
            PROMOTION.c[name] for name in ("alias", "version", "replaced", "reason", "by", "at")
        )
        with self._reading() as connection:
            rows = connection.execute(
                sa.select(*columns).order_by(PROMOTION.c.id.desc()).limit(limit)
            )
            return tuple(Promotion(*row) for row in rows)

    def ask(self, kind: str, payload: Mapping[str, Any], *, by: str, at: datetime) -> int:
        """Writes down what a person asks of the agent or the loop; returns the request's id."""
        row = {
            "kind": kind,
            "payload": dict(payload),
            "state": "open",
            "by": by,
            "at": at,
            "answer": "",
        }
        with self._writing() as connection:
            return int(
                connection.execute(REQUEST.insert().returning(REQUEST.c.id), row).scalar_one()
            )

    def answer(self, request: int, *, state: str, answer: str, at: datetime) -> None:
        """Notes what came of a request: done or refused."""
        with self._writing() as connection:
            connection.execute(
                REQUEST.update()
                .where(REQUEST.c.id == request)
                .values(state=state, answer=answer, handled=at)
            )

    def requests(self, *, state: str | None = None, limit: int = 200) -> tuple[Request, ...]:
        """What people asked for, newest first."""
        columns = (
            REQUEST.c[name] for name in ("id", "kind", "payload", "state", "by", "at", "answer")
        )
        query = sa.select(*columns).order_by(REQUEST.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(REQUEST.c.state == state)
        with self._reading() as connection:
            return tuple(Request(*row) for row in connection.execute(query))


def _training(row: RowMapping, now: datetime) -> Training:
    state = state_now(row["state"], row["heartbeat"], now)
    return Training(
        row["id"],
        state,
        row["sharing"],
        row["workers"],
        row["settings"],
        row["started"],
        row["ended"],
        row["version"],
        row["message"],
    )


def _version(row: RowMapping) -> ModelVersion:
    return ModelVersion(
        row["id"], row["sharing"], row["created"], row["sha256"], row["training_id"], row["metrics"]
    )


def _aliased(connection: Connection, name: str) -> str | None:
    return connection.execute(sa.select(ALIAS.c.version).where(ALIAS.c.name == name)).scalar()


def _point(connection: Connection, name: str, version: str) -> None:
    connection.execute(ALIAS.delete().where(ALIAS.c.name == name))
    connection.execute(ALIAS.insert(), {"name": name, "version": version})


def _crown(
    connection: Connection, version: str, *, action: str, reason: str, by: str, at: datetime
) -> None:
    former = _aliased(connection, "champion")
    former = None if former == version else former
    if former is not None:
        _point(connection, "previous", former)
    if _aliased(connection, "challenger") == version:
        connection.execute(ALIAS.delete().where(ALIAS.c.name == "challenger"))
    _point(connection, "champion", version)
    _note(
        connection, "champion", version, replaced=former, reason=reason, by=by, at=at, action=action
    )


def _note(
    connection: Connection,
    alias: str,
    version: str,
    *,
    replaced: str | None,
    reason: str,
    by: str,
    at: datetime,
    action: str = "",
) -> None:
    """Keeps a change of an alias, and audits it."""
    words = f"{version} is {alias}" + (f" instead of {replaced}" if replaced else "")
    add_audit(
        connection,
        action or _DONE[alias],
        version,
        by=by,
        at=at,
        reason=reason,
        details={"words": words},
    )
    connection.execute(
        PROMOTION.insert(),
        {
            "alias": alias,
            "version": version,
            "replaced": replaced,
            "reason": reason,
            "by": by,
            "at": at,
        },
    )
