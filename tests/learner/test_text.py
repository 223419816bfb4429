import json
import socket
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from learner import text
from learner.text import (
    Embedding,
    Grams,
    Transformer,
    descriptions_of,
    embedding_named,
    kinds_as_vectors,
    words,
)
from scheduler.errors import InvalidInput, NotFound

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "bwa", "mem", "sort", "index"]
KINDS = ("chipseq/bwa_mem", "atacseq/bwa_mem", "chipseq/fastqc", "eager/preseq")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small transformer with weights drawn at random, as Hugging Face writes it."""
    from transformers import BertConfig, BertModel

    place = tmp_path_factory.mktemp("transformer")
    (place / "vocab.txt").write_text("\n".join(VOCABULARY))
    (place / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    torch.manual_seed(0)
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(VOCABULARY), intermediate_size=16, **size)
    BertModel(config).save_pretrained(place)
    return place


@pytest.fixture(params=["grams", "transformer"])
def embedding(request: pytest.FixtureRequest, folder: Path) -> Embedding:
    return Grams() if request.param == "grams" else Transformer(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bwa_mem", "bwa mem"),
        ("NFCORE:MAG:BUSCO_QC", "nfcore mag busco qc"),
        ("makeSeqDict", "make seq dict"),
        ("größe/Prüfen", "größe prüfen"),
        ("::/", ""),
    ],
)
def test_names_are_read_as_words(name: str, said: str) -> None:
    assert words(name) == said


def test_vectors_have_length_one(embedding: Embedding) -> None:
    vectors = embedding.of(["bwa mem", "sort"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0)


def test_a_text_without_letters_is_like_nothing(embedding: Embedding) -> None:
    nothing, something = embedding.of(["-_-", "sort"])
    assert not nothing.any()
    assert something.any()


def test_the_vector_of_a_text_does_not_depend_on_the_texts_beside_it(embedding: Embedding) -> None:
    alone = embedding.of(["bwa mem"])[0]
    among = embedding.of(["sort", "a far longer text with many words", "bwa mem"])[2]
    assert alone.tolist() == among.tolist()


def test_an_embedding_is_found_by_its_name(embedding: Embedding) -> None:
    assert embedding_named(embedding.name) == embedding


def test_no_text_is_no_vector(embedding: Embedding) -> None:
    assert len(embedding.of([])) == 0


def test_the_same_tool_in_another_workflow_is_the_nearest(embedding: Embedding) -> None:
    vectors = kinds_as_vectors(KINDS, embedding)
    alike = vectors @ vectors.T
    assert alike[0].argsort()[-2] == 1


def test_kinds_that_share_a_piece_of_a_word_are_more_alike_than_those_that_do_not() -> None:
    index, mem, other = Grams().of(["bwa_index", "bwa_mem", "fastqc"])
    assert index @ mem > 0.2 > abs(index @ other)


def test_the_cosine_of_two_kinds_is_the_mean_over_whole_names_and_last_parts() -> None:
    first, second = kinds_as_vectors(KINDS[:2], Grams())
    whole = Grams().of(KINDS[:2])
    assert first @ second == pytest.approx((whole[0] @ whole[1] + 1.0) / 2)


def test_descriptions_bring_kinds_together_whose_names_do_not() -> None:
    told = {"a1": "sort the alignment", "b2": "sort alignment by place"}
    plain, described = (kinds_as_vectors(["a1", "b2"], Grams(), each) for each in ({}, told))
    assert plain[0] @ plain[1] < 0.1 < described[0] @ described[1]


def test_descriptions_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "kinds.json"
    file.write_text('{"bwa_mem": "aligns reads"}')
    assert descriptions_of(file) == {"bwa_mem": "aligns reads"}


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"a": 1}'])
def test_other_files_are_refused_with_what_is_wanted(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kinds.json"
    file.write_text(content)
    with pytest.raises(InvalidInput, match=r"descriptions in .*kinds\.json must be"):
        descriptions_of(file)


def test_a_missing_file_of_descriptions_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.json"):
        descriptions_of(tmp_path / "nowhere.json")


def test_a_transformer_is_the_mean_of_its_last_layer(folder: Path) -> None:
    from transformers import BertModel

    network = BertModel.from_pretrained(folder).eval()
    with torch.no_grad():
        ids = torch.tensor([[2, 5, 6, 3]])  # [CLS] bwa mem [SEP]
        layer = network(input_ids=ids).last_hidden_state[0].mean(0).double().numpy()
    told = Transformer(folder).of(["bwa_mem"])[0]
    np.testing.assert_allclose(told, layer / np.linalg.norm(layer), rtol=1e-5)


@pytest.fixture
def fresh(folder: Path, tmp_path: Path) -> Path:
    """The same transformer in a folder from which nothing was read yet."""
    return copytree(folder, tmp_path / "fresh")


def test_no_connection_is_ever_asked_for(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    assert Transformer(fresh).of(["index"]).shape == (1, 8)


def test_without_the_extra_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "find_spec", lambda _: None)
    with pytest.raises(NotFound, match=r"pip install 'allot\[text\]'"):
        Transformer.packaged()


def test_without_the_library_the_way_to_get_it_is_told(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(text, "import_module", missing)
    with pytest.raises(NotFound, match=r"'transformers' is not installed; pip install"):
        Transformer(fresh).of(["sort"])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"config\.json, found none in .*nowhere"):
        Transformer(tmp_path / "nowhere").of(["sort"])


def test_a_folder_without_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InvalidInput, match="weights as safetensors"):
        Transformer(tmp_path).of(["sort"])
