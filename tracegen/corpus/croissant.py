"""Croissant metadata of a corpus: its files, configs and columns, as catalogues and loaders of data sets read them.

After the format's specification, version 1.0: https://docs.mlcommons.org/croissant/docs/croissant-spec.html. A publish
adds its address, version and date.
"""

import json
from collections.abc import Mapping
from typing import Any

from tracegen.corpus.columns import ABOUT_CONFIGS, CONFIGS

TYPES = {"string": "sc:Text", "int32": "sc:Integer", "float64": "sc:Float", "bool": "sc:Boolean"}
_OWN = """
citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset jsonPath
key md5 parentField path recordSet references regex repeated replace samplingRate separator source subField transform
"""
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _OWN.split()},
}
"""The specification's own, whole: readers compare it."""
KEYS = {"curated": "key", "all": "key", "problems": "problem_id"}


def croissant(*, name: str, description: str, licence: str, languages: list[str], citation: str, here: str) -> str:
    """JSON-LD; `here` stands where the address will."""
    tree = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "license": licence,
        "inLanguage": languages,
        "url": here,
        "citeAs": citation,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "repository",
                "name": "repository",
                "description": "The repository of the data set.",
                "contentUrl": here,
                "encodingFormat": "git+https",
                # A repository has no hash of its own; the property has to be there.
                "sha256": "not applicable",
            },
            *(_files(config) for config in CONFIGS),
        ],
        "recordSet": [_records(config) for config in CONFIGS],
    }
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _files(config: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"files-{config}",
        "containedIn": {"@id": "repository"},
        "encodingFormat": "application/x-parquet",
        "includes": f"data/{config}/train-*.parquet",
    }


def _records(config: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "description": ABOUT_CONFIGS[config],
        "key": {"@id": f"{config}/{KEYS[config]}"},
        "field": [_field(config, column, kind, meaning) for column, (kind, meaning) in CONFIGS[config].items()],
    }


def _field(config: str, column: str, kind: str, meaning: str) -> dict[str, Any]:
    place = f"{config}/{column}"
    field = {"@type": "cr:Field", "@id": place, "description": meaning}
    if kind != "messages":
        return {**field, "dataType": TYPES[kind], "source": _source(config, column)}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{place}/{part}",
            "dataType": "sc:Text",
            "source": {**_source(config, column), "transform": {"jsonPath": part}},
        }
        for part in ("role", "content")
    ]
    return {**field, "repeated": True, "source": _source(config, column), "subField": parts}


def _source(config: str, column: str) -> dict[str, Any]:
    return {"fileSet": {"@id": f"files-{config}"}, "extract": {"column": column}}
