"""Attached files: what is taken, told by its bytes; who keeps them and who sees them."""

import io
import struct
import zipfile

import pytest
from django.urls import reverse

from labeling.actions import attachments, claims, handover
from labeling.protocol import media
from labeling.protocol.media import read_project, sniff
from tests.labeling.campaigns import campaign, join
from tests.labeling.work import hand_in
from tilth.accounts.actors import Actor
from tilth.errors import InvalidInput

PNG = b"\x89PNG\r\n\x1a\nimage"


def packed(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (PNG, "figure.txt", "image/png"),
        (b"\xff\xd8\xff\xe0", "a", "image/jpeg"),
        (b"GIF89a", "a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a.png", "image/webp"),
        (b"%PDF-1.7", "a.png", "application/pdf"),
        (b"<p>Hello", "page.HTM", "text/html"),
        (b"<p>Hello", "page.png", "text/plain"),
        ("Grüße".encode(), "a.exe", "text/plain"),
        (b"<svg onload=alert(1)>", "a.svg", "text/plain"),
        (packed({"a.txt": "a"}), "a.png", "application/zip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_a_file_is_what_its_bytes_say(data, name, kind):
    assert sniff(data, name) == kind


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "empty"),
        (b"\x7fELF\x02\0", "Attach images"),
        ("Grüße".encode("latin-1"), "Attach images"),
        (packed({"a.txt": b"\xff\xfe"}), "a.txt is no text"),
        (packed({f"{n}.txt": "" for n in range(201)}), "200 files"),
        (packed({"a.txt": "a" * 100})[:-60], "damaged"),
        (packed({"a.txt": "a"}, zipfile.ZIP_BZIP2), "deflate"),
        (packed({"a.txt": "a"}, zipfile.ZIP_LZMA), "deflate"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else "data"
    ),  # an archive holds the time: as an id it would differ from one test process to the next
)
def test_what_is_no_such_file_is_refused_with_the_reason(data, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        sniff(data, "drawing.svg")


def test_a_file_may_not_be_too_large(monkeypatch):
    monkeypatch.setattr(media, "LARGEST", 4)
    with pytest.raises(InvalidInput) as refused:
        sniff(b"abcde", "a.txt")
    assert refused.value.status == 413


def test_a_bomb_is_cut_off_while_it_opens():
    bomb = bytearray(packed({"a.txt": b"0" * 30_000_000}))
    for marker, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # it claims to hold ten bytes
        at = bomb.find(marker) + offset
        bomb[at : at + 4] = struct.pack("<I", 10)
    for archive in (
        packed({"a.txt": b"0" * 30_000_000}),
        packed({f"{n}": b"0" * 100_000 for n in range(60)}),
    ):
        with pytest.raises(InvalidInput, match="larger than 5 MB"):
            read_project(archive)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_project(bytes(bomb))


def test_damage_within_a_file_is_no_fault_of_ours():
    data = bytearray(packed({"a.txt": "".join(chr(33 + n * 7 % 90) for n in range(4000))}))
    data[45:60] = b"\xff" * 15
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_project(bytes(data))


def test_files_go_with_the_draft_to_whoever_goes_on_with_it(people, storage, cast):
    made = campaign(tasks=1, lead=people["lead"])
    join(made, *cast)
    held = claims.claim(Actor(user=cast[0]), made)
    file = attachments.add(Actor(user=cast[0]), b"notes", "notes.txt", assignment=held)
    moved = handover.hand_over(Actor(user=people["lead"]), held, cast[1])
    assert attachments.shown(cast[1], moved) == [file]
    assert attachments.shown(cast[0], held) == []


def test_reviewers_see_the_files_of_the_work_and_of_the_task(client_for, people, storage):
    made = campaign(tasks=1, lead=people["lead"], review_rate=1.0)
    join(made, people["labeler"])
    held = claims.claim(Actor(user=people["labeler"]), made)
    mine = attachments.add(Actor(user=people["labeler"]), b"notes", "notes.txt", assignment=held)
    given = attachments.add(Actor(user=people["lead"]), PNG, "figure.png", task=held.task)
    pk = hand_in(people["labeler"], held).pk
    pages = {
        ("reviewer", "review_annotation", pk): [mine, given],
        ("lead", "annotation", pk): [mine, given],
        ("lead", "task_adjudicate", held.task_id): [mine, given],
        ("labeler", "my_annotation", pk): [mine, given],
        ("researcher", "annotation", pk): [given],
    }
    for (role, name, key), files in pages.items():
        text = client_for(role).get(reverse(f"labeling:{name}", args=[key])).text
        for file in (mine, given):
            assert (reverse("labeling:attachment", args=[file.pk]) in text) == (file in files), (role, name)
        assert "/remove/" not in text, "what was handed in keeps its files"


def test_files_are_sent_shown_and_removed_over_the_web(client_for, people, storage):
    made = campaign(tasks=1)
    join(made, people["labeler"])
    held = claims.claim(Actor(user=people["labeler"]), made)
    client, url = client_for("labeler"), reverse("labeling:attach", args=[held.pk])
    project = packed({"src/a.py": "print('<b>')", "README": "Read me."})
    sent = client.post(url, project, "application/octet-stream", headers={"X-File-Name": "it%20all.zip"})
    assert (sent.status_code, sent.json()["name"]) == (201, "it all.zip")
    text = client.get(sent.json()["url"]).text
    assert "src/a.py" in text
    assert "print(&#x27;&lt;b&gt;&#x27;)" in text
    download = client.get(f"{sent.json()['url']}?download=1")
    assert download.content == project
    assert download["Content-Disposition"] == 'attachment; filename="it_all.zip"'
    refused = client.post(url, b"\x7fELF\0", "application/octet-stream", headers={"X-File-Name": "a.png"})
    assert (refused.status_code, refused.json()["code"]) == (400, "wrong_type")
    pdf = client.post(url, b"%PDF-1.7", "application/octet-stream", headers={"X-File-Name": "a%22.pdf"})
    response = client.get(pdf.json()["url"])
    assert response["Content-Disposition"] == 'attachment; filename="a_.pdf"'
    client.post(f"{pdf.json()['url']}remove/")
    assert client.get(pdf.json()["url"]).status_code == 404
    assert [file.name for file in attachments.shown(people["labeler"], held)] == ["it all.zip"]
    other = client_for("reviewer").post(url, b"text", "application/octet-stream")
    assert other.status_code == 404
