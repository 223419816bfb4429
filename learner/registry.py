"""Saved networks: two files a version, trusted only when they hash to what the store says."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from learner.calibration import Calibration
from learner.features import Columns
from learner.learned import Learned, as_arrays, parts_of
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from scheduler.errors import CorruptVersion, InvalidInput
from scheduler.store.values import ModelVersion

FORMAT = 1
WEIGHTS, MANIFEST = "weights.safetensors", "manifest.json"
Arrays = Mapping[str, NDArray[Any]]


class Registry:
    """The folder of saved networks, beside the store. Nothing in it is ever executed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, name: str, learned: Learned, facts: Mapping[str, Any]) -> tuple[str, str]:
        """Writes a version whose id begins with `name`; returns the id and its sha256.

        Files appear whole or not at all, the manifest last. `facts` are kept in the manifest.
        """
        weights = save_tensors({n: np.ascontiguousarray(a) for n, a in as_arrays(learned).items()})
        manifest = {
            "format": FORMAT,
            "plan": learned.network.plan.as_plain(),
            "columns": learned.columns.as_plain(),
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "facts": dict(facts),
        }
        text = json.dumps(manifest, sort_keys=True, allow_nan=False).encode()
        sha256 = _hash(weights, text)
        version = _checked(f"{name}-{sha256[:8]}")
        place = self.folder / version
        place.mkdir(parents=True, exist_ok=True)
        _write(place / WEIGHTS, weights)
        _write(place / MANIFEST, text)
        return version, sha256

    def load(self, version: ModelVersion) -> Learned:
        """The network of a version.

        Raises CorruptVersion when a file is missing or is not, byte for byte, what was registered.
        """
        place = self.folder / _checked(version.id)
        weights, text = _read(place / WEIGHTS, version), _read(place / MANIFEST, version)
        if _hash(weights, text) != version.sha256:
            raise CorruptVersion(
                f"Version {version.id!r}: its files are not those that were registered (sha256 "
                f"differs); restore {place.name} from a backup, or go back with: allot rollback"
            )
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise CorruptVersion(
                f"Version {version.id!r} is written in format {manifest['format']}, this release "
                f"reads format {FORMAT}; train anew with: allot train"
            )
        return _rebuilt(manifest, load_tensors(weights))


def _rebuilt(manifest: Mapping[str, Any], arrays: Arrays) -> Learned:
    network = Network(Plan.from_plain(manifest["plan"]))
    weights = {name: torch.from_numpy(a) for name, a in parts_of(arrays, "network").items()}
    network.load_state_dict(weights)
    return Learned(
        network=network.eval(),
        columns=Columns.from_plain(manifest["columns"]),
        offsets=Offsets.from_arrays(parts_of(arrays, "offsets")),
        calibration=Calibration(parts_of(arrays, "calibration")),
    )


def _hash(weights: bytes, manifest: bytes) -> str:
    """One hash over both files, each with its length, so that no byte can change sides."""
    digest = hashlib.sha256()
    for part in (manifest, weights):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


def _checked(version: str) -> str:
    """An id is a plain name: nothing in it may lead out of the folder."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,99}", version):
        raise InvalidInput(
            f"A version's id has small letters, digits, - and _ only, found {version!r}."
        )
    return version


def _read(file: Path, version: ModelVersion) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CorruptVersion(
            f"Version {version.id!r}: {file.name} cannot be read ({error.strerror}); restore "
            f"{version.id} from a backup, or go back with: allot rollback"
        ) from error


def _write(file: Path, content: bytes) -> None:
    draft = file.with_name(f"{file.name}.tmp")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
