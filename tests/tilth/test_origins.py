"""The files that a version was made from: order, limits, and names without places or logins."""

import random

from tilth.datasets.manifest import Manifest
from tilth.datasets.origins import LISTED, listed, origin, renamed, sources_of


def test_files_are_in_order_and_cut_with_the_whole_count() -> None:
    files = [origin(f"file:{n:05d}.warc.gz", 10, n % 10) for n in range(LISTED + 5)]
    shuffled = random.Random(3).sample(files, len(files))
    found = listed(shuffled)
    assert found == listed(files)
    assert (found["count"], found["read"], len(found["files"])) == (LISTED + 5, 10 * (LISTED + 5), LISTED)
    assert found["files"][0] == {"id": "file:00000.warc.gz", "name": "00000.warc.gz", "read": 10, "kept": 0}
    assert found["kept"] == sum(file["kept"] for file in files)


def test_logins_are_no_part_of_a_name() -> None:
    file = origin("https://ada:secret@example.org/a@b.warc.gz", 1, 1)
    assert file["id"] == file["name"] == "https://example.org/a@b.warc.gz"


def test_uploads_are_called_by_their_file_names() -> None:
    files = [origin(f"upload:{'a' * 64}", 3, 2), origin(f"upload:{'b' * 64}", 1, 1), origin("cc:x", 1, 0)]
    manifest = Manifest("notes", 1, "documents", 1, statistics={"rows": 2, "sources": listed(files)})
    named = renamed(
        manifest, lambda digests: {digest: "notes.jsonl" for digest in digests if digest[0] == "a"}
    )
    assert [file["name"] for file in sources_of(named)["files"]] == [
        "cc:x",
        "notes.jsonl",
        f"upload:{'b' * 64}",
    ]
    assert named.statistics["rows"] == 2
    assert renamed(Manifest("notes", 1, "documents", 1), lambda digests: {}).statistics == {}
