"""The card of a corpus: front matter for the Hub, and for a person everything that bears on using the rows.

Shape: `render(folder, about, funnel, census, written) -> Markdown`. Text of a model or a source stands in code only.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tracegen import terms
from tracegen.bill import Spent
from tracegen.corpus import audits
from tracegen.corpus.census import Census
from tracegen.corpus.columns import ABOUT_CONFIGS, ALL, CONFIGS, CURATED, GATES, PROBLEMS
from tracegen.corpus.croissant import croissant
from tracegen.corpus.shards import Written
from tracegen.markdown import counted, environment, inline_code

HERE = "path/to/this/folder"
"""Where the corpus is, as long as it is published nowhere; a publish puts its address in its place."""
MODELS = 4
"""As many are named in the first sentence."""
EXAMPLE_CHARACTERS = 6000
"""Where the example in the card is cut off: about two screens; the rows themselves are whole."""

# The identifiers that the Hub's card validation accepts: https://huggingface.co/docs/hub/repositories-licenses
HUB_LICENCES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense
zlib pddl lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma unknown other
"""


@dataclass(frozen=True, slots=True)
class About:
    """What the rows do not say of themselves; `CorpusWriter` explains the fields."""

    name: str
    teachers: Mapping[str, Mapping[str, Any]]
    prompts: Mapping[str, Mapping[str, Any]]
    student_prompt: str | None
    recipe_hash: str
    licence: str | None
    languages: Sequence[str]
    stats: Mapping[str, int | float | str]


def render(
    folder: Path,
    about: About,
    funnel: Mapping[str, Any],
    census: Census,
    written: Mapping[str, Written],
    spent: Mapping[str, Spent],
) -> str:
    """The README of the corpus in `folder`, whose data files are there."""
    found = terms.of_corpus(folder, about.licence)
    audited, unaudited = audits.of((verifier, version) for verifier, version, _ in census.verdicts)
    return (
        environment()
        .get_template("corpus_card.md.jinja")
        .render(
            front_matter=_front_matter(about, found.name, census, written),
            name=" ".join(about.name.split()),
            licence=found,
            here=HERE,
            teachers=about.teachers,
            models=_models(about, census),
            prompts=about.prompts,
            prompt_users=_prompt_users(about),
            funnel=funnel,
            recipe_hash=about.recipe_hash,
            stats=about.stats,
            census=census,
            written=written,
            example=_example(folder),
            example_characters=EXAMPLE_CHARACTERS,
            configs=ABOUT_CONFIGS,
            gates=[row["filter"] for row in funnel["rows"] if row["filter"] in GATES],
            audits=audited,
            unaudited=unaudited,
            decontamination=_json(folder / "decontamination.json"),
            spent=spent,
            citation=citation(about),
            columns={name: meaning for name, (_, meaning) in CURATED.items()},
            further={name: meaning for name, (_, meaning) in ALL.items() if name not in CURATED},
            of_problems={name: meaning for name, (_, meaning) in PROBLEMS.items()},
        )
    )


def metadata(folder: Path, about: About, census: Census) -> str:
    """The same for catalogues: Croissant."""
    name = " ".join(about.name.split())
    return croissant(
        name=name,
        description=f"{counted(census.rows, 'reasoning trace')} for {counted(census.problems, 'problem')}: chats whose "
        "last turn holds thinking and answer, with verdict and provenance; README.md tells the rest.",
        licence=terms.of_corpus(folder, about.licence).name,
        languages=list(about.languages),
        citation=citation(about),
        here=HERE,
    )


def _front_matter(about: About, licence: str, census: Census, written: Mapping[str, Written]) -> str:
    """The YAML that the Hub reads: https://huggingface.co/docs/hub/datasets-cards"""
    known = licence in HUB_LICENCES.split()
    front = {
        "pretty_name": " ".join(about.name.split()),
        "license": licence if known else "other",
        **({} if known else {"license_name": licence}),
        "language": list(about.languages),
        "task_categories": ["text-generation"],
        "size_categories": [_size_category(census.rows)],
        "tags": ["reasoning", "chain-of-thought", "synthetic", "distillation", "tracegen"],
        "configs": [
            {
                "config_name": config,
                "data_files": [{"split": "train", "path": f"data/{config}/train-*.parquet"}],
                **({"default": True} if config == "curated" else {}),
            }
            for config in CONFIGS
        ],
        "dataset_info": [
            {
                "config_name": config,
                "features": [_feature(name, kind) for name, (kind, _) in columns.items()],
                "splits": [{"name": "train", "num_bytes": written[config].bytes, "num_examples": written[config].rows}],
                "download_size": written[config].download,
                "dataset_size": written[config].bytes,
            }
            for config, columns in CONFIGS.items()
        ],
    }
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)


def citation(about: About) -> str:
    """BibTeX; a name may hold anything, and BibTeX takes little."""
    name = re.sub(r"[^\w .:+-]", " ", about.name)
    models = ", ".join(dict.fromkeys(str(facts.get("model") or who) for who, facts in about.teachers.items()))
    written = re.sub(r"[^\w .,:/+-]", " ", models)
    lines = [
        f"@misc{{tracegen_{re.sub(r'[^a-z0-9]+', '_', about.name.lower()).strip('_') or 'corpus'},",
        f"  title = {{{' '.join(name.split())}: reasoning traces of {' '.join(written.split())}}},",
        f"  howpublished = {{{HERE}}},",
        f"  note = {{Made with tracegen, recipe {about.recipe_hash}}},",
        "}",
    ]
    return "\n".join(lines)


def _models(about: About, census: Census) -> str:
    """The models of the curated rows in brackets, as long as they are few."""
    names = [about.teachers.get(group.label or "", {}).get("model") for group in census.breakdowns["teacher"]]
    few = 0 < len(names) <= MODELS and all(names)
    return f" ({', '.join(inline_code(name) for name in dict.fromkeys(names))})" if few else ""


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _feature(name: str, kind: str) -> dict[str, Any]:
    """A column as the `datasets` library writes it into cards."""
    if kind == "messages":
        return {"name": name, "list": [{"name": part, "dtype": "string"} for part in ("role", "content")]}
    return {"name": name, "dtype": kind}


def _size_category(rows: int) -> str:
    steps = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B"]
    over = next((i for i in range(len(steps)) if rows < 1000 * 10**i), len(steps) - 1)
    return f"{steps[over - 1]}<n<{steps[over]}" if over else "n<1K"


def _prompt_users(about: About) -> dict[str, list[str]]:
    """Who uses each prompt. Without `student_prompt`, the student's is the one that no teacher names."""
    users = {
        prompt: [f"teacher {inline_code(n)}" for n, t in about.teachers.items() if t.get("prompt") == prompt]
        for prompt in about.prompts
    }
    return {
        prompt: ["student"] * (prompt == about.student_prompt if about.student_prompt else not named) + named
        for prompt, named in users.items()
    }


def _example(folder: Path) -> dict[str, Any] | None:
    """The first row."""
    import pyarrow.parquet as parquet

    for file in sorted((folder / "data" / "curated").glob("train-*.parquet")):
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=1):
            row: dict[str, Any] = batch.to_pylist()[0]
            return row
    return None
