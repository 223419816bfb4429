"""A store that cannot be used just now: told apart from a broken one, and never in the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from worlds import chain

from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import StaleEpoch, StoreAway, StoreError
from scheduler.planning.planners.heft import Heft
from scheduler.store import Store, leases
from scheduler.store.engine import connect, writing
from scheduler.store.leases import LEASE, Lease, demand

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHORT = 0.4  # seconds instead of ten


@contextmanager
def impatient() -> Iterator[None]:
    """The server bounds transactions that begin here by less; others are let be slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases, "LONGEST", SHORT)
        yield


@pytest.fixture
def postgres(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    with Store.open(postgres_url, folder=tmp_path) as store:
        for each in store.leases():
            with writing_beside(store) as connection:
                connection.execute(LEASE.delete().where(LEASE.c.name == each.name))
        yield store


@contextmanager
def writing_beside(store: Store) -> Iterator[sa.Connection]:
    """A transaction of somebody else."""
    engine = connect(store.url)
    try:
        with writing(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def held(store: Store) -> Lease:
    lease = store.take_lease("agent", "first", seen=None, at=NOW)
    assert lease is not None
    return lease


def one_row(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT 1"))


def many_rows(connection: sa.Connection) -> None:
    rows = [{"name": f"other{i}", "holder": "", "epoch": 1, "beats": 0, "at": NOW} for i in (1, 2)]
    connection.execute(LEASE.insert(), rows)


@pytest.mark.postgres
@pytest.mark.parametrize("write", [one_row, many_rows])
def test_who_falls_silent_while_it_writes_does_not_keep_the_lease_locked(
    postgres: Store, write: Callable[[sa.Connection], None]
) -> None:
    lease, taken = held(postgres), list[Lease | None]()

    def freeze_halfway() -> None:
        with writing_beside(postgres) as frozen:
            with impatient():
                demand(frozen, lease, NOW)
            write(frozen)
            taken.append(postgres.take_lease("agent", "second", seen=lease, at=NOW))

    while not taken:  # it may fall silent before it writes, where the machine is busy
        with pytest.raises(StoreAway, match="terminating connection"):
            freeze_halfway()  # what it wrote in silence has not been
    assert taken[0] is not None
    with pytest.raises(StaleEpoch):
        postgres.beat_lease(lease, at=NOW)
    assert [each.name for each in postgres.leases()] == ["agent"]


@pytest.mark.postgres
def test_a_lease_that_somebody_keeps_locked_cannot_be_taken_and_says_so(postgres: Store) -> None:
    lease = held(postgres)
    with writing_beside(postgres) as busy:
        busy.execute(LEASE.update().values(beats=7))
        words = r"'agent' could not be taken; try again.*(lock timeout|idle-in-transaction)"
        with impatient(), pytest.raises(StoreAway, match=words):
            postgres.take_lease("agent", "second", seen=lease, at=NOW)
    assert postgres.lease("agent") == Lease("agent", "first", 1, 7, NOW)


def test_a_store_that_was_moved_away_is_not_made_anew_in_its_place(tmp_path: Path) -> None:
    place, aside = tmp_path / "allot.db", tmp_path / "aside"
    aside.mkdir()
    with Store.open(f"sqlite:///{place}") as store:
        lease = held(store)
        store.close()  # its connections would go on with the file that was moved
        place.rename(aside / place.name)
        for use in (lambda: store.leases(), lambda: store.beat_lease(lease, at=NOW)):
            with pytest.raises(StoreAway, match="unable to open"):
                use()
        assert not place.exists()
        (aside / place.name).rename(place)
        store.beat_lease(lease, at=NOW)


def test_no_two_runs_have_one_token(store: Store) -> None:
    problem = chain()

    def begin(token: str) -> int:
        return store.begin_run(
            workflow=workflow_document(problem.workflow),
            cluster=cluster_document(problem.cluster),
            objective={},
            forecast=problem.forecast,
            schedule=Heft().plan(problem),
            executor="Simulator",
            label="planned",
            at=NOW,
            token=token,
        )

    assert begin("") != begin("")  # those without one are not of anybody
    run = begin("one")
    with pytest.raises(StoreError):
        begin("one")
    assert store.run_of("one") == run
