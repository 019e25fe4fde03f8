"""A Hugging Face dataset folder: ``data/*.parquet``, ``README.md`` with YAML front matter, ``croissant.json``. Pure.

``datasets.load_dataset(folder)`` reads it, and uploading the folder as it is gives a dataset page.
"""

import json
import re
from typing import Any

import pyarrow as pa

from tilth.datasets.card import dataset_card
from tilth.datasets.export.croissant import croissant
from tilth.datasets.export.source import Source, Tick
from tilth.datasets.export.tables import parquet_names, write_parquet
from tilth.datasets.export.target import Noting, Target

_SIZES = (
    (1e3, "n<1K"),
    (1e4, "1K<n<10K"),
    (1e5, "10K<n<100K"),
    (1e6, "100K<n<1M"),
    (1e7, "1M<n<10M"),
    (1e8, "10M<n<100M"),
    (1e9, "100M<n<1B"),
    (1e10, "1B<n<10B"),
    (1e11, "10B<n<100B"),
    (1e12, "100B<n<1T"),
)
_TASKS = {
    "documents": ["text-generation"],
    "prompts": ["text-generation"],
    "conversations": ["text-generation"],
    "preferences": ["text-generation"],
    "choices": ["multiple-choice"],
    "problems": ["question-answering"],
}
_LICENCES = {
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "odc-by",
    "pddl",
    "mit",
    "apache-2.0",
    "cc-by-3.0",
    "cc-by-sa-3.0",
    "odbl",
    "gpl-3.0",
    "bsd-3-clause",
}
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def hf_names(source: Source) -> list[str]:
    """Names of the folder's files."""
    return [*parquet_names(source, "data/"), "README.md", "croissant.json"]


def write_hf(source: Source, target: Target, tick: Tick) -> None:
    """The data first, then what describes it: the Croissant file names the data's hashes."""
    noting = Noting(target)
    write_parquet(source, noting, tick, folder="data/")
    with target.create("README.md") as handle:
        handle.write(readme(source).encode())
    with target.create("croissant.json") as handle:
        document = croissant(source, noting.files)
        handle.write(json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n")


def readme(source: Source) -> str:
    """The card with its front matter."""
    body = dataset_card(source.manifest, source.about)
    return f"---\n{to_yaml(front_matter(source))}---\n\n{body}"


def front_matter(source: Source) -> dict[str, Any]:
    """What the Hub reads: licence, size, languages, configuration and features."""
    manifest, about = source.manifest, source.about
    matter: dict[str, Any] = {"pretty_name": about.title or manifest.dataset, **licence_entry(about.licence)}
    languages = sorted(_languages(manifest.statistics))
    if languages:
        matter["language"] = languages
    matter["size_categories"] = [next((name for limit, name in _SIZES if manifest.rows < limit), "n>1T")]
    if manifest.kind in _TASKS:
        matter["task_categories"] = _TASKS[manifest.kind]
    matter["tags"] = ["tilth", manifest.kind]
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in source.options.splits]
    matter["configs"] = [{"config_name": "default", "data_files": files}]
    matter["dataset_info"] = {"features": [_feature(field.name, field.type) for field in source.schema]}
    return matter


def licence_entry(licence: str) -> dict[str, str]:
    """A licence as the Hub spells it in front matter; its own words where the Hub has no name for it."""
    if not licence:
        return {"license": "unknown"}
    if licence.lower() in _LICENCES:
        return {"license": licence.lower()}
    return {
        "license": "other",
        "license_name": re.sub(r"[^a-z0-9.-]+", "-", licence.lower()).strip("-") or "other",
    }


def _languages(statistics: dict[str, Any]) -> list[str]:
    """ISO codes that make up at least one row in a hundred."""
    column = statistics.get("columns", {}).get("language", {})
    counts = {str(value): rows for value, rows in column.get("top", [])}
    total = sum(counts.values())
    return [
        code for code, rows in counts.items() if rows * 100 >= total and re.fullmatch(r"[a-z]{2,3}", code)
    ]


def _feature(name: str, kind: pa.DataType) -> dict[str, Any]:
    """A column as the Hub's ``dataset_info`` spells it."""
    return {"name": name, **_feature_type(kind)}


def _feature_type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"struct": [_feature(kind.field(i).name, kind.field(i).type) for i in range(kind.num_fields)]}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _feature_type(kind.value_type)
        return {"list": inner["dtype"] if "dtype" in inner else inner.get("struct", inner)}
    if pa.types.is_timestamp(kind):
        zone = f", tz={kind.tz}" if kind.tz else ""
        return {"dtype": f"timestamp[{kind.unit}{zone}]"}
    names = {pa.float64(): "float64", pa.float32(): "float32", pa.bool_(): "bool"}
    return {"dtype": names.get(kind, str(kind))}


def to_yaml(value: dict[str, Any], indent: str = "") -> str:
    """Plain data as block YAML; every string is quoted as JSON, which is YAML too."""
    return "".join(f"{indent}{_entry(key, item, indent)}" for key, item in value.items())


def _entry(key: str, value: Any, indent: str) -> str:
    if isinstance(value, dict) and value:
        return f"{key}:\n{to_yaml(value, indent + '  ')}"
    if isinstance(value, list) and value:
        return f"{key}:\n{''.join(_item(item, indent + '  ') for item in value)}"
    return f"{key}: {_scalar(value)}\n"


def _item(value: Any, indent: str) -> str:
    if isinstance(value, dict):
        return f"{indent}- {to_yaml(value, indent + '  ')[len(indent) + 2 :]}"
    return f"{indent}- {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
