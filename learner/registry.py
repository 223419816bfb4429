"""Saved versions: two files each, trusted only when they hash to what the store says.

A version may hold two fits of the same arms: the one that is used, which has seen all rows, and
the one that was judged, which had not.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.features import Columns
from learner.learned import Learned, as_arrays, parts_of
from learner.lineup import ARMS
from learner.neighbours import Neighbours
from learner.offsets import Offsets
from learner.text import embedding_named
from scheduler.errors import CorruptVersion
from scheduler.store.networks import MANIFEST, WEIGHTS, checked_id, file_of, files_of, hash_of
from scheduler.store.values import ModelVersion

FORMAT = 2
USED, JUDGED = "used", "judged"
Arrays = Mapping[str, NDArray[Any]]


class Registry:
    """The folder of saved networks, beside the store. Nothing in it is ever executed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self,
        name: str,
        learned: Learned,
        facts: Mapping[str, Any],
        *,
        judged: Learned | None = None,
    ) -> tuple[str, str]:
        """Writes a version whose id begins with `name`; returns the id and its sha256.

        `judged` is the fit that the scores are of, where another one is used. Files appear whole or
        not at all, the manifest last. `facts` are kept in the manifest.
        """
        fits = {USED: learned} | ({} if judged is None else {JUDGED: judged})
        arrays = {f"{fit}.{n}": a for fit, each in fits.items() for n, a in as_arrays(each).items()}
        weights = save_tensors({n: np.ascontiguousarray(a) for n, a in arrays.items()})
        manifest = {
            "format": FORMAT,
            "fits": {
                fit: {
                    "columns": each.columns.as_plain(),
                    "serves": each.serves,
                    "text": None if each.neighbours is None else each.neighbours.reading,
                }
                for fit, each in fits.items()
            },
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "facts": dict(facts),
        }
        text = json.dumps(manifest, sort_keys=True, allow_nan=False).encode()
        sha256 = hash_of(weights, text)
        version = checked_id(f"{name}-{sha256[:8]}")
        place = self.folder / version
        place.mkdir(parents=True, exist_ok=True)
        _write(place / WEIGHTS, weights)
        _write(place / MANIFEST, text)
        return version, sha256

    def load(self, version: ModelVersion, *, judged: bool = False) -> Learned:
        """What a version forecasts with, or with `judged` the fit that its scores are of.

        Raises CorruptVersion when a file is missing or is not, byte for byte, what was registered,
        or is written in another format, NotFound when the transformer that reads its names is not
        installed.
        """
        weights, text = files_of(self.folder, version)
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise CorruptVersion(
                f"Version {version.id!r} is written in format {manifest['format']}, and this "
                f"release reads format {FORMAT} only; train a new one with: allot train"
            )
        arrays = load_tensors(weights)
        fit = JUDGED if judged and JUDGED in manifest["fits"] else USED
        return _rebuilt(manifest["fits"][fit], parts_of(arrays, fit))

    def facts(self, version: ModelVersion) -> Mapping[str, Any]:
        """What was told of a version when it was saved; raises CorruptVersion without its files."""
        text = file_of(self.folder, version, MANIFEST)
        facts: Mapping[str, Any] = json.loads(text)["facts"]
        return facts


def _rebuilt(fit: Mapping[str, Any], arrays: Arrays) -> Learned:
    network = NetworkArm.from_arrays(parts_of(arrays, NetworkArm.name)).network
    serves: Mapping[str, str] = fit["serves"]
    names = set(serves.values()) - {NetworkArm.name}
    arms = {name: ARMS[name].from_arrays(parts_of(arrays, name)) for name in names}
    columns = Columns.from_plain(fit["columns"])
    return Learned(
        network=network,
        columns=columns,
        offsets=Offsets.from_arrays(parts_of(arrays, "offsets")),
        calibration=Calibration(parts_of(arrays, "kinds"), parts_of(arrays, "workers")),
        arms={target: arms[name] for target, name in serves.items() if name in arms},
        neighbours=_neighbours(fit, arrays, columns),
    )


def _neighbours(fit: Mapping[str, Any], arrays: Arrays, columns: Columns) -> Neighbours | None:
    if (text := fit.get("text")) is None:
        return None
    own, embedding = parts_of(arrays, "neighbours"), embedding_named(text["embedding"])
    return Neighbours.from_arrays(own, columns.kinds, embedding, text["described"])


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
