"""croissant.json: a release in MLCommons' Croissant 1.0, for tools that read it. Pure; no Django.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html. What the specification recommends and a release does
not know is left out: address, creator, and the date, which would make each cut another file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from exporters.card import filled_sides, opening
from exporters.facts import ReleaseFacts
from exporters.files import WrittenFile
from exporters.formats import ExportFormat
from exporters.words import one_line

SPECIFICATION = "http://mlcommons.org/croissant/1.0"
FILES = "data-files"
ENCODINGS = {"parquet": "application/x-parquet", "jsonl": "application/jsonlines"}
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification gives (appendix 1)."""


def croissant(facts: ReleaseFacts, export_format: ExportFormat, files: Sequence[WrittenFile]) -> str:
    """croissant.json of one format; its rows are described as Parquet, its JSONL files are listed beside them."""
    body: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": SPECIFICATION,
        "name": facts.project,
        **({"license": facts.settings.license} if facts.settings.license else {}),
        "description": f"{one_line(facts.name)}. {opening(facts, export_format.unit).strip()}",
        "keywords": [export_format.tag, "human-feedback"],
        "isLiveDataset": False,
        "distribution": [
            *(file_object(file) for file in files if file.split),
            file_set("parquet"),
        ],
        "recordSet": [
            split_records(filled_sides(facts)),
            {
                "@type": "cr:RecordSet",
                "@id": export_format.key,
                "name": export_format.key,
                "description": export_format.title,
                "field": [
                    split_field(export_format.key),
                    *(
                        record_field(export_format.key, column, export_format.columns[column.name])
                        for column in export_format.schema
                    ),
                ],
            },
        ],
    }
    if facts.languages:
        body["inLanguage"] = list(facts.languages)
    return as_text(body)


def croissant_for(text: str, kind: str) -> str:
    """croissant.json of a folder that holds only files of `kind` (`parquet` or `jsonl`)."""
    body = json.loads(text)
    objects = [node for node in body["distribution"] if node.get("encodingFormat") == ENCODINGS[kind]]
    body["distribution"] = [*(node for node in objects if node["@id"] != FILES), file_set(kind)]
    return as_text(body)


def as_text(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def file_object(file: WrittenFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size} B",
        "encodingFormat": ENCODINGS[file.type],
        "sha256": file.sha256,
    }


def file_set(kind: str) -> dict[str, Any]:
    """All data files of one kind, whatever their side and number; a record's source is this set."""
    return {
        "@type": "cr:FileSet",
        "@id": FILES,
        "name": FILES,
        "description": f"All rows as {kind}; the other files hold the same rows.",
        "encodingFormat": ENCODINGS[kind],
        "includes": f"*.{kind}*",
    }


def split_records(sides: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": side} for side in sides],
    }


def split_field(records: str) -> dict[str, Any]:
    """The side of a row, which stands in the name of its file."""
    return {
        "@type": "cr:Field",
        "@id": f"{records}/split",
        "name": "split",
        "description": "The side of the split.",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": FILES},
            "extract": {"fileProperty": "filename"},
            "transform": {"regex": "^([a-z]+)"},
        },
        "references": {"field": {"@id": "splits/name"}},
    }


def record_field(records: str, column: pa.Field, meaning: str) -> dict[str, Any]:
    entry = typed_field(f"{records}/{column.name}", column, column.name)
    return entry | {"description": meaning}


def typed_field(key: str, column: pa.Field, source: str, path: str = "") -> dict[str, Any]:
    """A field of the column `source`; `path` is the JSONPath to a part of it.

    The specification lets parts have parts. mlcroissant 1.1 checks those, but cannot read rows of the four formats
    that have them (rankings, judgments, argilla, openai); pandas and `datasets` can.
    """
    kind: pa.DataType = column.type
    entry: dict[str, Any] = {"@type": "cr:Field", "@id": key, "name": key.split("/", 1)[-1]}
    if pa.types.is_list(kind):
        entry["repeated"] = True
        kind = kind.value_type
    if pa.types.is_struct(kind):
        parts = [kind.field(number) for number in range(kind.num_fields)]
        entry["subField"] = [
            typed_field(f"{key}/{part.name}", part, source, f"{path}.{part.name}".lstrip("."))
            for part in parts
        ]
    else:
        entry["dataType"] = data_type(kind)
    entry["source"] = {"fileSet": {"@id": FILES}, "extract": {"column": source}}
    if path:
        entry["source"]["transform"] = {"jsonPath": path}
    return entry


def data_type(kind: pa.DataType) -> str:
    for holds, name in (
        (pa.types.is_string, "sc:Text"),
        (pa.types.is_boolean, "sc:Boolean"),
        (pa.types.is_integer, "sc:Integer"),
        (pa.types.is_floating, "sc:Float"),
    ):
        if holds(kind):
            return name
    raise TypeError(f"Croissant has no data type for {kind}")
