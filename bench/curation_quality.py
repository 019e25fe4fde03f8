"""How good extraction and fuzzy deduplication are: ``python bench/curation_quality.py FOLDER``.

FOLDER holds ``*.warc.gz`` with the pages, ``gold.jsonl`` (``url``, ``gold_text`` or the snippets
``with`` and ``without``), and ``dups.jsonl`` (``url``, ``source_url``, ``edit_rate``: planted near-copies).

Extraction, for pages with a whole gold text: F1 of word 4-grams counted as often as they occur (as the
article extraction benchmark does; a CJK character is a word), per page, averaged; a page from which
nothing is extracted counts 0. Word F1 likewise. For snippets: the share of ``with`` that is found in the
text and the share of ``without`` that is absent, white space aside.

Near-duplicates: pages are compared as the ``minhash`` step does with its default settings, and clusters
are what shared bands connect. Recall: planted pairs in one cluster, by edit rate (the share of words
replaced at random; past about 5 % a copy is no longer one at the default threshold). Precision: pairs in
one cluster whose extracted texts share at least half of their word 5-grams (Jaccard).
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from pathlib import Path
from statistics import mean
from time import process_time

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from curation.pipeline.access import Access  # noqa: E402
from curation.pipeline.dedup import minhash  # noqa: E402
from curation.pipeline.document import Document  # noqa: E402
from curation.pipeline.extract import PageRefused, Settings, main_text  # noqa: E402
from curation.pipeline.sources import open_source, resolve_sources  # noqa: E402
from curation.pipeline.step import Resources  # noqa: E402
from tilth.text.minhash import shingles  # noqa: E402

CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
WORD = re.compile(f"[{CJK}]|[^\\W_{CJK}]+")
SIMILAR = 0.5


def main() -> None:
    """Extract every page once, then print both reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--fast", action="store_true", help="extract with thorough=false")
    options = parser.parse_args()
    texts, seconds = extract_all(options.folder, Settings(thorough=not options.fast), options.workers)
    print(f"{len(texts)} pages extracted at {len(texts) / seconds:.1f} pages/s of one core")
    if (options.folder / "gold.jsonl").exists():
        report_extraction(rows(options.folder / "gold.jsonl"), texts)
    if (options.folder / "dups.jsonl").exists():
        report_duplicates(rows(options.folder / "dups.jsonl"), texts)


def rows(path: Path) -> list[dict]:
    """The objects of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def extract_all(folder: Path, settings: Settings, workers: int) -> tuple[dict[str, str], float]:
    """The text of every page by URL ("" where extraction refused it), and the CPU seconds it took."""
    access = Access.for_shell()
    sources = resolve_sources([f"{folder}/*.warc.gz"], access)
    texts: dict[str, str] = {}
    seconds = 0.0
    with ProcessPoolExecutor(workers) as pool:
        for found, spent in pool.map(
            extract_file, sources, [access] * len(sources), [settings] * len(sources)
        ):
            texts |= found
            seconds += spent
    return texts, seconds


def extract_file(source, access: Access, settings: Settings) -> tuple[dict[str, str], float]:
    """The texts of one WARC file and the CPU seconds of extraction alone."""
    texts: dict[str, str] = {}
    seconds = 0.0
    for document in open_source(source, access):
        if isinstance(document, Document):
            started = process_time()
            try:
                texts[document.url] = main_text(document.content, document.charset, settings)
            except PageRefused:
                texts[document.url] = ""
            seconds += process_time() - started
    return texts, seconds


def report_extraction(gold: list[dict], texts: dict[str, str]) -> None:
    """Print F1 over whole gold texts, by kind of page, and the snippet rates."""
    scores: dict[str, list[tuple[float, float]]] = defaultdict(list)
    found, absent = [], []
    for page in gold:
        text = texts.get(page["url"], "")
        if page.get("gold_text"):
            score = f1(words(text), words(page["gold_text"]), 4), f1(words(text), words(page["gold_text"]), 1)
            for group in ("all pages", f"source {page.get('source')}", f"type {page.get('page_type')}"):
                scores[group].append(score)
        else:
            flat = " ".join(text.split())
            found += [" ".join(snippet.split()) in flat for snippet in page.get("with") or []]
            absent += [" ".join(snippet.split()) not in flat for snippet in page.get("without") or []]
    print("\nExtraction against whole gold texts      pages  4-gram F1  word F1")
    for group, pairs in scores.items():
        print(
            f"  {group:38} {len(pairs):6} {mean(p[0] for p in pairs):10.4f} {mean(p[1] for p in pairs):8.4f}"
        )
    if found and absent:
        print("Snippet-only pages")
        print(f"  with: found       {mean(found):.4f} of {len(found)}")
        print(f"  without: absent   {mean(absent):.4f} of {len(absent)}")


def words(text: str) -> list[str]:
    """Lower-case words; each CJK character is one."""
    return WORD.findall(text.lower())


def f1(mine: list[str], gold: list[str], size: int) -> float:
    """F1 of two texts' word n-grams, each counted as often as it occurs; a shorter text is one n-gram."""
    left, right = grams(mine, size), grams(gold, size)
    shared = sum((left & right).values())
    if not shared:
        return float(not left and not right)
    precision, recall = shared / sum(left.values()), shared / sum(right.values())
    return 2 * precision * recall / (precision + recall)


def grams(found: list[str], size: int) -> Counter[tuple[str, ...]]:
    """Word n-grams with their counts."""
    return (
        Counter(tuple(found[at : at + size]) for at in range(max(1, len(found) - size + 1)))
        if found
        else Counter()
    )


def report_duplicates(planted: list[dict], texts: dict[str, str]) -> None:
    """Print recall of planted copies by edit rate, and precision of the pairs that were put together."""
    clusters = cluster(texts)
    member = {url: number for number, urls in enumerate(clusters) for url in urls}
    together: dict[float, list[bool]] = defaultdict(list)
    for copy in planted:
        ours = member.get(copy["url"], -1), member.get(copy["source_url"], -2)
        together[copy["edit_rate"]].append(ours[0] == ours[1])
    print("\nNear-duplicates: recall of planted copies by share of words replaced")
    for rate in sorted(together):
        print(f"  {rate:4.0%}  {mean(together[rate]):.4f} of {len(together[rate])}")
    pairs = [pair for urls in clusters for pair in combinations(sorted(urls), 2)]
    grams_of = {url: frozenset(shingles(texts[url])) for urls in clusters for url in urls}
    right = [similar(grams_of[left], grams_of[other]) >= SIMILAR for left, other in pairs]
    if right:
        print(f"Precision: {mean(right):.4f} of {len(right)} pairs in {len(clusters)} clusters")


def similar(left: frozenset, right: frozenset) -> float:
    """Jaccard similarity of two sets."""
    return len(left & right) / len(left | right) if left or right else 0.0


def cluster(texts: dict[str, str]) -> list[list[str]]:
    """URLs that share a key of the ``minhash`` step, transitively; clusters of two and more."""
    keys_of = minhash.build(minhash.Settings(scope="global"), Resources())
    parent = {url: url for url in texts}

    def root(url: str) -> str:
        while parent[url] != url:
            parent[url] = url = parent[parent[url]]
        return url

    first: dict[tuple[int, int], str] = {}
    for url, text in texts.items():
        document = Document(url, "bench", 0, 0)
        document.text = text
        for band in keyed(keys_of(document)):
            parent[root(url)] = root(first.setdefault(band, url))
    groups: dict[str, list[str]] = defaultdict(list)
    for url in texts:
        groups[root(url)].append(url)
    return [urls for urls in groups.values() if len(urls) > 1]


def keyed(keys: Iterable[int]) -> list[tuple[int, int]]:
    """Band number and key of every key that is one (0 means none)."""
    return [(number, int(key)) for number, key in enumerate(keys) if key]


if __name__ == "__main__":
    main()
