"""The files of saved networks: which there are, and whether they are those that were registered."""

import hashlib
import re
from pathlib import Path

from scheduler.errors import CorruptVersion, InvalidInput
from scheduler.store.values import ModelVersion

WEIGHTS, MANIFEST = "weights.safetensors", "manifest.json"


def hash_of(weights: bytes, manifest: bytes) -> str:
    """One hash over both files, each with its length, so that no byte can change sides."""
    digest = hashlib.sha256()
    for part in (manifest, weights):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


def files_of(folder: Path, version: ModelVersion) -> tuple[bytes, bytes]:
    """The weights and the manifest of a version, as they were registered.

    Raises CorruptVersion where one is missing, or is not what was registered, byte for byte.
    """
    weights, text = (file_of(folder, version, name) for name in (WEIGHTS, MANIFEST))
    if hash_of(weights, text) != version.sha256:
        raise CorruptVersion(
            f"Version {version.id!r}: its files are not those that were registered (sha256 "
            f"differs); restore {version.id} from a backup, or go back with: allot rollback"
        )
    return weights, text


def file_of(folder: Path, version: ModelVersion, name: str) -> bytes:
    """One file of a version, unchecked; raises CorruptVersion where it is missing."""
    file = folder / checked_id(version.id) / name
    try:
        return file.read_bytes()
    except OSError as error:
        raise CorruptVersion(
            f"Version {version.id!r}: {file.name} cannot be read ({error.strerror}); restore "
            f"{version.id} from a backup, or go back with: allot rollback"
        ) from error


def checked_id(version: str) -> str:
    """An id is a plain name: nothing in it may lead out of the folder."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,99}", version):
        raise InvalidInput(
            f"A version's id has small letters, digits, - and _ only, found {version!r}."
        )
    return version
