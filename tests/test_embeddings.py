"""Vectors of texts: of length 1, the same alone and in a batch, pooled as the model says."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny

from tracegen.embeddings import check, embedder
from tracegen.records import MissingExtra, UsageError

TEXTS = ["What is 3 + 4?", "", "A much longer statement than the others, so that they are padded."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("embedding"))


def pooled_by(folder: Path, said: dict[str, object]) -> Path:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    embedder.cache_clear()
    return folder


@pytest.mark.parametrize("mode", ["cls", "lasttoken", "mean"])
def test_a_batch_does_not_matter(folder: Path, mode: str) -> None:
    embed = embedder(str(pooled_by(folder, {"pooling_mode": mode})))
    vectors = embed(TEXTS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.allclose(embed([text])[0], vector, atol=1e-4)


def test_modes_differ_and_switches_name_them_too(folder: Path) -> None:
    vectors = {mode: embedder(str(pooled_by(folder, {"pooling_mode": mode})))(TEXTS) for mode in ("lasttoken", "mean")}
    switched = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    assert np.allclose(embedder(str(pooled_by(folder, switched)))(TEXTS), vectors["mean"])
    assert not np.allclose(vectors["mean"], vectors["lasttoken"], atol=1e-3)
    (folder / "1_Pooling" / "config.json").unlink()
    embedder.cache_clear()
    assert np.allclose(embedder(str(folder))(TEXTS), vectors["mean"])


def test_a_long_text_is_cut_where_the_model_ends(folder: Path) -> None:
    (long,) = embedder(str(folder))(["ab" * 2000])
    assert np.isfinite(long).all()


def test_unknown_pooling_and_absent_models(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pools by max; it has to be one of cls, lasttoken, mean"):
        embedder(str(pooled_by(folder, {"pooling_mode_max_tokens": True})))
    with pytest.raises(UsageError, match="there is no model folder"):
        embedder(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=r"is not a model folder: it has no config\.json"):
        check(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"cannot be loaded: .*give a folder or a name on the Hub"):
        embedder(str(tmp_path))


def test_what_is_missing_is_said_before_a_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracegen.embeddings.find_spec", lambda module: None)
    with pytest.raises(MissingExtra, match=r"tracegen\[hf\]"):
        check("any/model")


def test_embedded_is_the_embedded_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracegen.models.embedded", lambda: pooled_by(folder, {"pooling_mode": "mean"}))
    assert np.allclose(embedder("embedded")(TEXTS), embedder(str(folder))(TEXTS))
