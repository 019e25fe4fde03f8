"""A Croissant description (JSON-LD) of an exported folder, as MLCommons' format 1.0 has it. Pure.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html. Nested columns become sub-fields;
tool calls inside messages are left to the Parquet files, for Croissant has no list within a list of fields.
"""

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from tilth.datasets.export.source import Source
from tilth.datasets.export.target import Written
from tilth.datasets.schemas import schema

_TERMS = (
    "citeAs column conformsTo=dct:conformsTo equivalentProperty extract field fileProperty fileObject fileSet format "
    "includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
_DATA = "data"


def context() -> dict[str, Any]:
    """The ``@context`` that the format prescribes."""
    pairs = (term.partition("=") for term in _TERMS.split())
    terms = {name: other or f"cr:{name}" for name, _, other in pairs}
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "sc": "https://schema.org/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **terms,
    }


def croissant(source: Source, files: Iterable[Written]) -> dict[str, Any]:
    """The description of the folder that holds ``files`` under ``data/``."""
    manifest, about = source.manifest, source.about
    listed = [_file(file) for file in files]
    fields = [_field(source, field) for field in source.schema]
    return {
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": re.sub(r"[^A-Za-z0-9_-]", "-", manifest.dataset),
        "alternateName": about.title or manifest.dataset,
        "description": about.description or schema(manifest.kind).description,
        "license": about.licence or "unknown",
        "url": f"urn:tilth:{manifest.reference}",
        "version": f"{manifest.number}.0.0",
        "citeAs": manifest.reference,
        **({"datePublished": about.published} if about.published else {}),
        "distribution": [
            *listed,
            {
                "@type": "cr:FileSet",
                "@id": _DATA,
                "name": _DATA,
                "encodingFormat": "application/x-parquet",
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": fields}],
    }


def _file(file: Written) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def _field(source: Source, field: pa.Field) -> dict[str, Any]:
    column = schema(source.manifest.kind).by_name[field.name]
    described = {
        "@type": "cr:Field",
        "@id": f"rows/{field.name}",
        "name": field.name,
        "description": column.description,
    }
    inner = _item_type(field.type)
    repeated = {"repeated": True} if inner != field.type else {}
    if not pa.types.is_struct(inner):
        return described | repeated | {"dataType": _data_type(inner), "source": _source(field.name)}
    subs = [_sub_field(field.name, inner.field(i)) for i in range(inner.num_fields)]
    return described | repeated | {"subField": [sub for sub in subs if sub]}


def _sub_field(column: str, field: pa.Field) -> dict[str, Any] | None:
    if pa.types.is_nested(field.type):
        return None
    return {
        "@type": "cr:Field",
        "@id": f"rows/{column}/{field.name}",
        "name": field.name,
        "dataType": _data_type(field.type),
        "source": _source(column) | {"transform": {"jsonPath": field.name}},
    }


def _source(column: str) -> dict[str, Any]:
    return {"fileSet": {"@id": _DATA}, "extract": {"column": column}}


def _item_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    return "sc:DateTime" if pa.types.is_timestamp(kind) else "sc:Text"
