"""Teachers' terms come from the recipe or a dated table, and stop what they forbid: in one sentence, with a way out."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest
import yaml

from tracegen import known_terms, recipe, shipped, terms, training
from tracegen.licences import FREE
from tracegen.recipe import Recipe, Teacher
from tracegen.records import UsageError

OPENAI = "https://api.openai.com/v1"
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


def teacher(model: str, base_url: str | None = None, **given: Any) -> Teacher:
    options = {"base_url": base_url} if base_url else {}
    return Teacher(model=model, engine="openai" if base_url else "auto", options=options, terms=given)


def made(teachers: dict[str, Teacher], **more: Any) -> Recipe:
    tree = {"name": "r", "problems": {"source": "jsonl", "path": "p.jsonl"}, "prompt": "math"} | more
    return Recipe.model_validate(tree | {"teachers": {name: found.model_dump() for name, found in teachers.items()}})


def corpus(
    folder: Path, *rows: tuple[str | None, str | None, str, str | None, bool | None], config: str = "curated"
) -> Path:
    """A corpus of rows (source, licence, teacher, teacher_licence, may_train), as far as terms look at it."""
    names = ("source", "licence", "teacher", "teacher_licence", "may_train")
    schema = pyarrow.schema([(name, pyarrow.bool_() if name == "may_train" else pyarrow.string()) for name in names])
    (folder / "data" / config).mkdir(parents=True)
    table = pyarrow.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema)
    parquet.write_table(table, folder / "data" / config / "train-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize(
    ("asked", "licence", "may_train"),
    [
        (teacher("embedded"), "apache-2.0", True),
        (teacher("deepseek-ai/DeepSeek-R1-0528"), "mit", True),
        (teacher("deepseek-ai/DeepSeek-R1-Distill-Llama-8B"), "llama3.1", True),
        (teacher("Qwen/QwQ-32B-AWQ", "http://127.0.0.1:8000/v1"), "apache-2.0", True),
        (teacher("Qwen/QwQ-32B", "http://gpu-node-3:8000/v1"), "apache-2.0", True),
        (teacher("Qwen/QwQ-32B", "http://10.1.2.3:8000/v1"), "apache-2.0", True),
        (teacher("Qwen/QwQ-32B", "http://vllm.lab.svc.cluster.local/v1"), "apache-2.0", True),
        (teacher("Qwen/QwQ-32B", "https://models.example.com/v1"), "apache-2.0", "unknown"),
        (teacher("openai/gpt-oss-20b"), "apache-2.0", True),
        (teacher("meta-llama/Meta-Llama-3-70B-Instruct"), "llama3", False),
        (teacher("meta-llama/Meta-Llama-3.1-70B-Instruct"), "llama3.1", True),
        (teacher("google/gemma-3-27b-it"), "gemma", True),
        (teacher("google/gemma-4-31b-it"), "apache-2.0", True),
        (teacher("gpt-x", OPENAI), None, False),
        (teacher("claude-x", "https://api.anthropic.com/v1"), None, False),
        (teacher("deepseek-reasoner", "https://api.deepseek.com"), None, True),
        (teacher("nobody/knows-this"), None, "unknown"),
        (teacher("nobody/knows-this", licence="MIT"), "MIT", True),
        (teacher("nobody/knows-this", licence="house-terms"), "house-terms", "unknown"),
        (teacher("nobody/knows-this", licence="llama3"), "llama3", False),
    ],
    ids=lambda value: str(getattr(value, "model", value)),
)
def test_who_may_be_trained_on(asked: Teacher, licence: str | None, may_train: bool | str) -> None:
    found = terms.of(asked)
    assert (found.licence, found.may_train) == (licence, may_train)
    assert found.because
    assert may_train == "unknown" or found.url or licence == "MIT"


def test_the_recipe_goes_before_the_table_where_it_says_something() -> None:
    allowed = terms.of(teacher("gpt-x", OPENAI, may_train=True, url="https://contract.example"))
    assert (allowed.may_train, allowed.because, allowed.url) == (True, "the recipe says so", "https://contract.example")
    assert terms.of(teacher("embedded", may_train=False)).may_train is False
    assert terms.of(teacher("gpt-x", OPENAI, may_train="unknown")).may_train is False


def test_the_table_is_dated_names_its_sources_and_guesses_nothing() -> None:
    table = known_terms.table()
    licences = {entry.licence for entry in table["licences"]}
    for entry in (*table["licences"], *table["models"], *table["services"]):
        assert entry.url.startswith("https://")
        assert entry.dated is None or entry.dated <= entry.read
    assert all(entry.licence in licences or entry.licence in FREE for entry in table["models"])
    assert all(entry.because for entry in (*table["licences"], *table["services"]) if entry.may_train is not True)
    for kind, names in (("models", "model"), ("licences", "licence"), ("services", "host")):
        keys = [getattr(entry, names) for entry in table[kind]]
        assert len(keys) == len(set(keys)), kind
    # A line above that fits as well would hide it.
    assert all(known_terms.of_weights((entry.model or "").replace("*", "x")) == entry for entry in table["models"])


def test_what_the_terms_forbid_stops_a_run_before_anything_is_asked(
    call: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    (tmp_path / "p.jsonl").write_text('{"id": "p", "statement": "1 + 1?", "answer": "2", "verifier": "exact"}\n')
    found = made({"gpt": teacher("gpt-x", OPENAI)}, student={"model": "embedded"})
    (tmp_path / "r.yaml").write_text(found.to_yaml())
    status, _, err = call("run", "r.yaml")
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith(
        "tracegen: what teacher 'gpt' wrote may not be trained on: outputs may not be used to develop models that "
    )
    assert "(https://openai.com/policies/services-agreement/, as of " in err
    assert "leave its traces out with the filter `licence`, or, where its owner allows it to you, say" in err
    assert "teachers.gpt.terms.may_train=true" in err
    assert not (tmp_path / "runs" / "r" / "traces").exists()


def test_before_the_corpus_is_there_the_filter_is_trusted_and_afterwards_the_rows_count(tmp_path: Path) -> None:
    both = {"gpt": teacher("gpt-x", OPENAI), "own": teacher("embedded")}
    terms.refuse_training(made(both, filters={"licence": {}}))
    left = corpus(tmp_path / "left", ("s", "mit", "own", "apache-2.0", True))
    terms.refuse_training(made(both), left)
    kept = corpus(tmp_path / "kept", ("s", "mit", "own", "apache-2.0", True), ("s", "mit", "gpt", None, False))
    for refuse, word in ((terms.refuse_training, "trained on"), (terms.refuse_publishing, "published")):
        with pytest.raises(UsageError, match=f"teacher 'gpt' wrote may not be {word}: outputs may not be used"):
            refuse(made(both, filters={"licence": {}}), kept)
    # The recipe's present word goes before what the rows were written with, and rows speak for who left the recipe.
    terms.refuse_training(made(both | {"gpt": teacher("gpt-x", OPENAI, may_train=True)}), kept)
    with pytest.raises(UsageError, match="teacher 'gpt' wrote may not be published: its rows say so"):
        terms.refuse_publishing(made({"own": both["own"]}), kept)


def test_what_a_model_wrote_as_problems_is_looked_at_too() -> None:
    own = {"own": teacher("embedded")}
    written = {"source": "synthesize", "model": "gpt-x", "engine": "openai", "options": {"base_url": OPENAI}}
    with pytest.raises(
        UsageError, match=r"what gpt-x wrote as problems may not be trained on: .*problems\.terms\.may_train"
    ):
        terms.refuse_training(made(own, problems=written))
    terms.refuse_training(made(own, problems=written | {"terms": {"may_train": True}}))


def test_licences_that_may_not_stand_together_stop_training_and_publishing(tmp_path: Path) -> None:
    own = {"own": teacher("embedded")}
    rows = [("alike", "cc-by-sa-4.0", "own", "apache-2.0", True), ("money", "cc-by-nc-4.0", "own", "apache-2.0", True)]
    mixed = corpus(tmp_path / "mixed", *rows)
    for refuse in (terms.refuse_training, terms.refuse_publishing):
        with pytest.raises(UsageError, match=r"source 'alike' \(cc-by-sa-4.0\) and source 'money' \(cc-by-nc-4.0\)"):
            refuse(made(own), mixed)
    alike = corpus(tmp_path / "alike", rows[0])
    with pytest.raises(
        UsageError, match=r"set corpus\.licence=cc-by-sa-4\.0, or leave it out .* `tracegen curate` again"
    ):
        terms.refuse_publishing(made(own, corpus={"licence": "mit"}), alike)
    terms.refuse_publishing(made(own, corpus={"licence": "cc-by-sa-4.0"}), alike)


def test_what_others_are_given_is_looked_at_whole_and_what_is_trained_on_alone(tmp_path: Path) -> None:
    """A corpus whose `all` holds a teacher and whose `problems` a source that `curated` has not."""
    both = {"own": teacher("embedded"), "gpt": teacher("gpt-x", OPENAI)}
    folder = corpus(tmp_path, ("s", "mit", "own", "apache-2.0", True))
    corpus(folder, ("s", "mit", "gpt", None, False), config="all")
    terms.refuse_training(made(both), folder)
    with pytest.raises(UsageError, match="teacher 'gpt' wrote may not be published"):
        terms.refuse_publishing(made(both), folder)
    problems = pyarrow.table({"source": ["s", "fixed"], "licence": ["mit", "cc-by-nd-4.0"]})
    (folder / "data" / "problems").mkdir()
    parquet.write_table(problems, folder / "data" / "problems" / "train-00000-of-00001.parquet")
    terms.refuse_training(made(both), folder)
    allowed = both | {"gpt": teacher("gpt-x", OPENAI, may_train=True)}
    with pytest.raises(UsageError, match=r"source 'fixed' is cc-by-nd-4\.0"):
        terms.refuse_publishing(made(allowed), folder)


def test_what_is_not_known_is_said_and_stops_nothing(tmp_path: Path, capsys: Any) -> None:
    silent = corpus(tmp_path, (None, None, "x", None, None), ("s", "mit", "x", None, None))
    terms.refuse_publishing(made({"x": teacher("nobody/knows-this")}), silent)
    said = capsys.readouterr().err
    assert (
        "whether teacher 'x' may be trained on is not known: the licence of nobody/knows-this is not in the table"
        in said
    )
    assert "the licence of a source without a name is not known" in said


def test_a_licence_of_weights_is_not_that_of_the_words(tmp_path: Path) -> None:
    found = terms.of_corpus(corpus(tmp_path / "a", ("s", "mit", "t", "llama3.3", True)))
    assert (found.name, found.why) == ("mit", "all parts are mit")
    research = terms.of_corpus(corpus(tmp_path / "b", ("s", "mit", "t", "mrl", None)))
    assert research.name == "mrl"
    assert terms.corpus_licence([("s", "mit")], {"t": terms.of(teacher(LLAMA))}).name == "mit"


@pytest.mark.parametrize(
    ("base", "source", "teacher_model", "licence"),
    [
        ({"model": "embedded"}, "mit", "embedded", "apache-2.0"),
        ({"model": "embedded"}, "cc-by-nc-4.0", "embedded", "cc-by-nc-4.0"),
        ({"model": "embedded"}, "mit", "google/gemma-3-4b-it", "gemma"),
        ({"model": "mine/own"}, "mit", "embedded", None),
        ({"model": "mine/own", "licence": "mit"}, "mit", "embedded", "mit"),
    ],
)
def test_the_licence_of_a_student(
    tmp_path: Path, base: dict[str, Any], source: str, teacher_model: str, licence: str | None
) -> None:
    found = made({"t": teacher(teacher_model)}, student=base)
    rows = corpus(tmp_path, ("s", source, "t", terms.of(found.teachers["t"]).licence, True))
    said = terms.of_student(found, rows)
    assert (said["name"], said["licence"], bool(said["licence_why"])) == ("r-student", licence, True)


def test_a_student_of_llama_is_called_so_and_says_so(tmp_path: Path) -> None:
    found = made({"t": teacher(LLAMA)}, student={"model": "embedded"})
    rows = corpus(tmp_path, ("s", "mit", "t", "llama3.3", True))
    said = terms.of_student(found, rows)
    assert said["name"] == "Llama-r-student"
    assert said["duties"] == [f"llama3.3: {terms.of(teacher(LLAMA)).duty} ({terms.of(teacher(LLAMA)).url})"]
    terms.refuse_student(found, rows, "me/Llama-small")
    with pytest.raises(UsageError, match=r"me/small does not begin with 'Llama' as llama3\.3 asks of a student's name"):
        terms.refuse_student(found, rows, "me/small")


def test_a_base_model_that_only_the_recipe_knows_asks_as_well(tmp_path: Path) -> None:
    found = made({"t": teacher("embedded")}, student={"model": "mine/tuned", "licence": "llama3.1"})
    said = terms.of_student(found, corpus(tmp_path, ("s", "mit", "t", "apache-2.0", True)))
    assert (said["name"], said["licence"], len(said["duties"])) == ("Llama-r-student", "llama3.1", 1)


def test_training_looks_at_the_corpus_before_it_loads_a_model(tmp_path: Path, monkeypatch: Any) -> None:
    never = ModuleType("sft.train")
    never.train = lambda **_: pytest.fail("trained")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sft.train", never)
    monkeypatch.setattr(training, "chats", lambda corpus: [[{"role": "user", "content": "?"}]])
    found = made({"gpt": teacher("gpt-x", OPENAI)}, student={"model": "embedded"})
    corpus(tmp_path / "corpus", ("s", "mit", "gpt", None, False))
    with pytest.raises(UsageError, match="teacher 'gpt' wrote may not be trained on"):
        training.train(SimpleNamespace(recipe=found, folder=tmp_path, problems={}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", shipped.names("recipes"))
def test_no_recipe_that_trains_is_refused(name: str) -> None:
    found = recipe.load(shipped.find("recipes", name))
    if found.student is not None:
        terms.refuse_training(found)


def test_the_table_is_yaml_with_three_lists() -> None:
    assert yaml.safe_load(shipped.find("data", "terms.yaml").read_text()).keys() == {"licences", "models", "services"}
