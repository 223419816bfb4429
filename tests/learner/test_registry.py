from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logged_worlds import one_learned, one_world

from learner.arms.boosted import BoostedArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.registry import Registry
from scheduler.errors import CorruptVersion, InvalidInput
from scheduler.store.networks import MANIFEST, WEIGHTS, hash_of
from scheduler.store.values import ModelVersion

NOW = datetime(2026, 1, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Registry, ModelVersion]:
    return save(tmp_path_factory.mktemp("models"), "cgc-1")


def save(folder: Path, name: str) -> tuple[Registry, ModelVersion]:
    registry = Registry(folder)
    version, sha256 = registry.save(name, one_learned(), {"for": name})
    return registry, ModelVersion(version, "cgc", NOW, sha256)


def test_what_is_loaded_forecasts_as_what_was_saved(saved) -> None:
    registry, version = saved
    inputs = Examples.of(one_world()).inputs
    told, said = registry.load(version).predict(inputs), one_learned().predict(inputs)
    for target in told:
        assert np.array_equal(told[target], said[target]), target


def test_both_fits_and_all_arms_come_back(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    examples = Examples.of(one_world())
    offset = OffsetArm.fit(examples, one_learned().offsets)
    trees = BoostedArm.fit(examples, one_learned().offsets)
    arms = {"memory": offset, "cpu": offset, "duration": trees, "assignment": trees}
    used = replace(one_learned(), arms=arms, calibration=Calibration.none())
    registry = Registry(tmp_path)
    name, sha256 = registry.save("cgc-1", used, {}, judged=one_learned())
    version = ModelVersion(name, "cgc", NOW, sha256)
    assert registry.load(version).serves["memory"] == "offset"
    for judged, wanted in ((False, used), (True, one_learned())):
        told, said = (
            each.predict(examples.inputs)
            for each in (registry.load(version, judged=judged), wanted)
        )
        for target in told:
            assert np.array_equal(told[target], said[target]), (target, judged)


def test_a_version_of_an_older_release_is_refused_with_what_to_do(tmp_path: Path) -> None:
    registry, version = save(tmp_path, "cgc-1")
    manifest = tmp_path / version.id / MANIFEST
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 1'))
    weights = (tmp_path / version.id / WEIGHTS).read_bytes()
    old = replace(version, sha256=hash_of(weights, manifest.read_bytes()))
    with pytest.raises(CorruptVersion, match=r"format 1, and this release .* allot train"):
        registry.load(old)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([WEIGHTS, MANIFEST]), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_one_flipped_bit_is_noticed(saved, name: str, where: float, bit: int) -> None:
    registry, version = saved
    file = registry.folder / version.id / name
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[int(where * len(whole))] ^= 1 << bit
    file.write_bytes(changed)
    try:
        with pytest.raises(CorruptVersion, match="sha256 differs"):
            registry.load(version)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_a_file_cut_short_is_noticed(tmp_path: Path, name: str) -> None:
    registry, version = save(tmp_path, "cgc-1")
    file = tmp_path / version.id / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CorruptVersion):
        registry.load(version)


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    registry, version = save(tmp_path, "cgc-1")
    (tmp_path / version.id / name).unlink()
    with pytest.raises(CorruptVersion, match=name):
        registry.load(version)


def test_files_of_another_version_are_noticed(tmp_path: Path) -> None:
    registry, one = save(tmp_path, "cgc-1")
    _, two = save(tmp_path, "cgc-2")
    for name in (WEIGHTS, MANIFEST):
        (tmp_path / one.id / name).write_bytes((tmp_path / two.id / name).read_bytes())
    with pytest.raises(CorruptVersion):
        registry.load(one)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/b", "", ".", "A", "a\n"])
def test_an_id_cannot_lead_out_of_the_folder(saved, name: str) -> None:
    registry, version = saved
    with pytest.raises(InvalidInput, match="id"):
        registry.load(replace(version, id=name))


def test_nothing_but_the_two_files_is_left_behind(saved) -> None:
    registry, version = saved
    assert {file.name for file in (registry.folder / version.id).iterdir()} == {WEIGHTS, MANIFEST}
