"""Flag over environment over file over default."""

from pathlib import Path

import pytest

from scheduler import settings
from scheduler.door import Door
from scheduler.errors import InvalidInput


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("ALLOT_STORE", "ALLOT_SEED", "ALLOT_TIMEZONE", "ALLOT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_flag_beats_the_environment_which_beats_the_file(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [settings.load().seed]
    (clean / "allot.toml").write_text("seed = 2\n")
    found.append(settings.load().seed)
    monkeypatch.setenv("ALLOT_SEED", "3")
    found += [settings.load().seed, settings.load(seed=4).seed]
    assert found == [1, 2, 3, 4]


def test_a_flag_that_was_not_given_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_STORE", "sqlite:///mine.db")
    assert settings.load(store=None).store == "sqlite:///mine.db"


def test_saved_networks_lie_where_the_settings_say(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_FOLDER", str(clean / "shared"))
    with Door.open().store() as store:
        assert store.folder == clean / "shared"


@pytest.mark.parametrize(("name", "value"), [("seed", "many"), ("timezone", "Mars/Olympus")])
def test_a_setting_that_cannot_be_is_refused_by_name_and_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ALLOT_{name.upper()}", value)
    with pytest.raises(InvalidInput, match=f"'{name}'.*'{value}'"):
        settings.load()


def test_an_unknown_setting_in_the_file_is_refused(clean: Path) -> None:
    (clean / "allot.toml").write_text("sed = 2\n")
    with pytest.raises(InvalidInput, match="'sed'"):
        settings.load()
