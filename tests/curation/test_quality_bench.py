"""The quality bench: its measures on known answers, and a run over a small folder."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.curation.warcs import http, members, page, record

BENCH = Path(__file__).resolve().parents[2] / "bench" / "curation_quality.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("curation_quality", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_f1_of_known_texts(bench):
    gold = bench.words("one two three four five six")
    assert bench.f1(gold, gold, 4) == 1
    assert bench.f1(gold[:5], gold, 4) == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))
    assert bench.f1(["seven"], gold, 4) == 0 and bench.f1([], gold, 4) == 0 and bench.f1([], [], 4) == 1
    assert bench.f1(bench.words("a a b"), bench.words("a b b"), 1) == pytest.approx(2 / 3)
    assert bench.words("Grüße 市议会 x_y") == ["grüße", "市", "议", "会", "x", "y"]


def test_it_prints_both_reports_over_a_folder(tmp_path: Path):
    urls = {name: f"https://{name}.example.org/" for name in ("first", "copy", "other")}
    pages = {
        urls["first"]: page("Report", 8),
        urls["copy"]: page("Report", 8),
        urls["other"]: page("Harvest", 9),
    }
    (tmp_path / "x.warc.gz").write_bytes(members(*(record(url, http(body)) for url, body in pages.items())))
    snippet = {"url": urls["first"], "with": ["the council met"], "without": ["All rights reserved"]}
    (tmp_path / "gold.jsonl").write_text(
        json.dumps(snippet) + "\n" + json.dumps({"url": urls["other"], "gold_text": "x y"})
    )
    (tmp_path / "dups.jsonl").write_text(
        json.dumps({"url": urls["copy"], "source_url": urls["first"], "edit_rate": 0.0})
    )
    command = [sys.executable, str(BENCH), str(tmp_path), "--workers", "1"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "3 pages extracted" in printed
    assert "with: found       1.0000 of 1" in printed and "without: absent   1.0000 of 1" in printed
    assert (
        "0%  1.0000 of 1" in printed and "all pages                                   1     0.0000" in printed
    )
