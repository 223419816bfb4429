"""What a training needs to go on after it was cut off: files that are whole or not there.

A checkpoint is one file of tensors and one manifest that names it, with its hash; the manifest is
replaced last, in one step. Nothing in them is ever executed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.optim import Optimizer

from scheduler.errors import AllotError, InvalidInput

MANIFEST = "manifest.json"
TENSOR, PAIRS = "$tensor", "$pairs"  # what JSON has no word for: a tensor; keys that are no texts
State = Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training in a folder of their own; the latest one is kept.

    `about` tells which training they belong to: its rows, settings and network.
    """

    folder: Path
    about: str

    def save(self, state: State, *, epoch: int) -> None:
        """Keeps the state after so many epochs. Killed at any moment, the one before remains.

        State: texts and whole numbers to dictionaries, lists, tensors, numbers, texts and None.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, Tensor] = {}
        plain = _parted(state, tensors)
        content = save_tensors(tensors)
        name = f"epoch-{epoch}.safetensors"
        _replace(self.folder / name, content)
        manifest = {
            "about": self.about,
            "epoch": epoch,
            "file": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "state": plain,
        }
        _replace(self.folder / MANIFEST, json.dumps(manifest).encode())
        for other in self.folder.glob("epoch-*"):
            if other.name != name:
                other.unlink(missing_ok=True)

    def latest(self) -> State | None:
        """The state that was kept last, equal to the last bit; None before the first.

        Raises InvalidInput when it is of another training, AllotError when a file is not what was
        written.
        """
        try:
            manifest = json.loads((self.folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            return None
        if manifest["about"] != self.about:
            raise InvalidInput(
                f"The checkpoint in {self.folder} is of a training on other records, settings or "
                "networks; start a new training instead of resuming this one."
            )
        content = self._content(manifest)
        state: State = _joined(manifest["state"], load_tensors(content))
        return state

    def _content(self, manifest: Mapping[str, Any]) -> bytes:
        try:
            content: bytes = (self.folder / manifest["file"]).read_bytes()
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != manifest["sha256"]:
            raise AllotError(
                f"The checkpoint {manifest['file']} in {self.folder} is missing or is not what was "
                "written (sha256 differs); start a new training instead of resuming this one."
            )
        return content


def _parted(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON, its tensors named and put aside."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = (
            value.detach().to("cpu", copy=True).contiguous()
        )  # two of one memory are two here
        return {TENSOR: name}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _parted(each, tensors) for key, each in value.items()}
        return {PAIRS: [[key, _parted(each, tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return [_parted(each, tensors) for each in value]
    return value


def _joined(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_joined(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return tensors[value[TENSOR]]
    if PAIRS in value:
        return {key: _joined(each, tensors) for key, each in value[PAIRS]}
    return {key: _joined(each, tensors) for key, each in value.items()}


def _replace(file: Path, content: bytes) -> None:
    """The file holds the content on disk, or what it held before."""
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def state_of(part: object) -> dict[str, Any]:
    """What an object holds that steps change: its numbers and tensors, and those of its parts."""
    found: dict[str, Any] = {}
    for name, value in vars(part).items():
        if isinstance(value, nn.Module):
            found[name] = {"state": value.state_dict(), "own": state_of(value)}
        elif isinstance(value, Optimizer):
            found[name] = value.state_dict()
        elif _is_number(value) or (isinstance(value, list) and all(map(_is_number, value))):
            found[name] = value
    return found


def restore(part: object, state: State) -> None:
    """Puts back into an object of the same make what `state_of` found in it."""
    for name, value in state.items():
        own = getattr(part, name)
        if isinstance(own, nn.Module):
            own.load_state_dict(value["state"])
            restore(own, value["own"])
        elif isinstance(own, Optimizer):
            own.load_state_dict(value)
        elif isinstance(own, Tensor) and own.requires_grad:
            own.data.copy_(value)  # an optimiser holds on to this very tensor
        else:
            setattr(part, name, value)


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | Tensor)


def fingerprint(*parts: object) -> str:
    """One text for values that are equal to the last bit: plain ones, tensors, and their tuples."""
    told = hashlib.sha256()
    for part in parts:
        _tell(part, told)
    return told.hexdigest()


def _tell(part: object, told: Any) -> None:
    if isinstance(part, Tensor):
        told.update(str((part.dtype, tuple(part.shape))).encode())
        told.update(part.detach().contiguous().numpy().data)
    elif isinstance(part, Mapping):
        for key, value in part.items():
            told.update(repr(key).encode())
            _tell(value, told)
    elif isinstance(part, list | tuple):
        for each in part:
            _tell(each, told)
    else:
        told.update(repr(part).encode())
