"""How fast the pipeline is on one core, and where the time goes: ``python bench/curation.py WARC…``.

Every file goes through the recipe's document steps in this process, after one warm-up page (models
load, kernels compile). Prints documents/s per core and the share of each step; ``read`` is reading and
decompressing records, ``keys`` the deduplication keys of the kept documents.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from curation.pipeline.access import Access  # noqa: E402
from curation.pipeline.document import Document  # noqa: E402
from curation.pipeline.passage import Passage, build  # noqa: E402
from curation.pipeline.reading import open_source  # noqa: E402
from curation.pipeline.recipe import load_recipe  # noqa: E402
from curation.pipeline.samples import Samples  # noqa: E402
from curation.pipeline.shard import key_functions  # noqa: E402
from curation.pipeline.sources import resolve_sources  # noqa: E402
from curation.pipeline.step import Resources  # noqa: E402
from curation.pipeline.warc import BadRecord  # noqa: E402

WARM_UP = (
    "<html><body><article>"
    + "<p>The old mill by the river was painted again in the spring, and people came to look.</p>" * 20
    + "</article></body></html>"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="WARC")
    parser.add_argument("--recipe", default="fineweb")
    parser.add_argument("--limit", type=int, default=sys.maxsize, help="documents at most")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe)
    program = build(recipe, Resources())
    keys, _ = key_functions(recipe.to_toml())
    warm = Document("https://example.org/", "s", 0, 1, content=WARM_UP.encode(), content_type="text/html")
    Passage(program, Samples(0)).take(warm)
    for function in keys:
        function(warm)
    passage = Passage(program, Samples(), timed=True)
    total = measure(passage, keys, options.sources, options.limit)
    report(passage, total)


def measure(passage: Passage, keys: list, sources: list[str], limit: int) -> float:
    """Take every document through; CPU seconds in all, with ``read`` and ``keys`` in the passage's table."""
    access = Access.for_shell()
    started, key_seconds, count = time.process_time(), 0.0, 0
    for source in resolve_sources(sources, access):
        for item in open_source(source, access):
            if isinstance(item, BadRecord):
                passage.bad(item)
                continue
            if passage.take(item) is not None:
                before = time.process_time()
                for function in keys:
                    function(item)
                key_seconds += time.process_time() - before
            count += 1
            if count >= limit:
                break
    total = time.process_time() - started
    steps = sum(passage.seconds.values())
    passage.seconds |= {"keys": key_seconds, "read": total - steps - key_seconds}
    return total


def report(passage: Passage, total: float) -> None:
    """Print the table."""
    documents = passage.funnel.steps[0].left.documents
    kept = passage.funnel.kept.documents
    print(
        f"{documents:,} documents, {kept:,} kept, {total:.1f} s of CPU: {documents / total:.1f} documents/s per core"
    )
    for name, seconds in sorted(passage.seconds.items(), key=lambda item: -item[1]):
        print(f"{name:<20}{seconds / total:>7.1%}{1e3 * seconds / documents:>10.3f} ms/document")


if __name__ == "__main__":
    main()
