"""What crosses the border between sites: bytes in which nothing can be executed."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Arrays = Mapping[str, NDArray[Any]]
Plain = Mapping[str, Any]


def packed(plain: Plain, arrays: Arrays | None = None) -> bytes:
    """Plain values and arrays as bytes."""
    text = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    told = {f".{name}": np.ascontiguousarray(each) for name, each in (arrays or {}).items()}
    return save({"": text, **told})


def unpacked(message: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What was packed."""
    arrays = load(message)
    plain: dict[str, Any] = json.loads(arrays.pop("").tobytes())
    return plain, {name.removeprefix("."): each for name, each in arrays.items()}
