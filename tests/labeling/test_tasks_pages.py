"""Pages of tasks and imports, through HTTP: lists, bulk actions, edits, the preview of an import."""

import re

import pytest
from django.urls import reverse

from labeling import tasklists
from labeling.actions import tasks
from labeling.models.tasks import TaskImport
from labeling.protocol import taskfields
from labeling.protocol.taskload import report_key
from tests.labeling.campaigns import campaign, task
from tests.labeling.test_tasks import ROWS, start, upload
from tests.tilth.published import document, publish
from tilth.jobs.models import Job


@pytest.fixture
def lead(as_role):
    return as_role("lead")


@pytest.fixture
def client(client_for):
    return client_for("lead")


def listed(client, made, **query):
    """Positions on the list, in its order, and the page's text."""
    text = client.get(reverse("labeling:campaign_tasks", args=[made.pk]), query).content.decode()
    return [int(n) for n in re.findall(r'aria-label="Choose task (\d+)"', text)], text


def test_lists_are_sorted_by_disagreement_and_go_on_where_a_page_ends(client, lead, monkeypatch):
    monkeypatch.setattr(tasklists, "PAGE", 2)
    made = campaign(lead=lead.user)
    for value in (0.5, None, 0.9, 0.5, 0.5):
        task(made, disagreement=value)
    first, text = listed(client, made, order="disagreement")
    assert first == [3, 1]
    mark = re.search(r"after=([^\"]+)\"", text).group(1)
    second, text = listed(client, made, order="disagreement", after=mark.replace("%7E", "~"))
    assert second == [4, 5]
    back = re.search(r"before=([^\"]+)\"", text).group(1)
    assert listed(client, made, order="disagreement", before=back)[0] == [3, 1]
    assert listed(client, made, order="disagreement", after="nonsense~x")[0] == [3, 1]


def test_words_are_looked_for_in_so_many_tasks_at_once(client, lead, monkeypatch):
    monkeypatch.setattr(tasklists, "LOOKED", 3)
    made = campaign(lead=lead.user)
    for text in ("Weizen und Öl", "oats", "rye", 'He said "wheat"', "WHEAT"):
        task(made, payload={"messages": [{"role": "user", "content": text}]})
    assert listed(client, made, q="Öl")[0] == [1]
    none, page = listed(client, made, q='"wheat"')
    assert none == [] and "after=3" in page and "up to 3 of 5" in page
    assert listed(client, made, q='"wheat"', after="3")[0] == [4]
    found, page = listed(client, made, q="wheat", after="3")
    assert found == [4, 5] and "Look further" not in page


def test_lists_are_filtered_by_number_row_id_import_and_facets(client, lead):
    made = campaign(lead=lead.user)
    row = TaskImport.objects.create(campaign=made, source="t.jsonl")
    task(made, difficulty="hard")
    task(made, key="ab" * 16, imported_by=row)
    for query, found in (({"q": "2"}, [2]), ({"q": "ab" * 16}, [2]), ({"import": row.pk}, [2]), ({"import": "x"}, []),
                         ({"difficulty": "hard"}, [1]), ({"q": "9" * 25}, [])):  # fmt: skip
        assert listed(client, made, **query)[0] == found, query


def test_bulk_actions_on_a_selection_tell_its_number_first(client, lead):
    made = campaign(lead=lead.user)
    for n in range(6):
        task(made, topic="law" if n % 2 else "art")
    address = reverse("labeling:campaign_tasks", args=[made.pk])
    asked = {"verb": "withdraw", "all": "1", "topic": "law"}
    text = client.post(address, asked).content.decode()
    assert "Withdraw 3 tasks?" in text and not made.tasks.filter(state="withdrawn").exists()
    client.post(address, {**asked, "confirmed": "1"})
    assert set(made.tasks.filter(state="withdrawn").values_list("topic", flat=True)) == {"law"}
    client.post(address, {"verb": "pilot", "task": [made.tasks.get(position=1).pk]})
    assert list(made.tasks.filter(role="pilot").values_list("position", flat=True)) == [1]


def test_a_huge_selection_is_changed_in_parts(client, lead, monkeypatch):
    monkeypatch.setattr(tasks, "MOST_CHANGED", 2)
    monkeypatch.setattr(tasks, "BATCH", 1)
    made = campaign(tasks=3, lead=lead.user)
    address = reverse("labeling:campaign_tasks", args=[made.pk])
    for verb, changed in (("withdraw", {"state": "withdrawn"}), ("pilot", {"role": "pilot"})):
        asked = {"verb": verb, "all": "1", "confirmed": "1"}
        assert "do it again for the rest" in client.post(address, asked, follow=True).content.decode()
        assert list(made.tasks.filter(**changed).values_list("position", flat=True)) == [1, 2]
        assert "do it again" not in client.post(address, asked, follow=True).content.decode()
        assert made.tasks.filter(**changed).count() == 3


def test_texts_are_edited_one_by_one_and_versions_show_what_changed(client, lead):
    made = campaign("rating", lead=lead.user)
    document_ = {"text": "Old\r\nwheat", "url": "https://example.org/w", "html": "<p>Old"}
    found = tasks.add(lead, made, {"text": "x", "url": "https://example.org/w", "html": "<p>Old"})
    found.payload["document"] = document_
    found.save()
    address = reverse("labeling:task_edit", args=[found.pk])
    names = {f.label: f"text_{n}" for n, f in enumerate(taskfields.fields(found.payload))}
    assert list(names) == ["Document text", "Document url", "Document html"]
    sent = {names[f.label]: f.text.replace("\r\n", "\n") for f in taskfields.fields(found.payload)}
    client.post(address, {**sent, "version": 1, "topic": "grain"})
    found.refresh_from_db()
    assert (found.version, found.topic, found.payload["document"]) == (1, "grain", document_)
    client.post(address, {**sent, names["Document text"]: "New wheat", "version": 1, "note": "spelling"})
    found.refresh_from_db()
    assert (found.version, found.payload["document"]) == (2, {**document_, "text": "New wheat"})
    text = client.get(reverse("labeling:task", args=[found.pk])).content.decode()
    assert (
        "spelling" in text and re.search(r"<del>.*?Old", text, re.S) and re.search(r"<ins>.*?New", text, re.S)
    )
    stale = client.post(address, {**sent, "version": 1}).content.decode()
    assert "edited this task meanwhile" in stale
    as_json = {"payload": '{"text": "Plain"}', "version": 2, "topic": "", "difficulty": "", "language": ""}
    client.post(f"{address}?json", as_json)
    found.refresh_from_db()
    assert (found.version, found.payload["text"]) == (3, "Plain")


def test_every_text_has_a_name_of_its_own():
    payload = {
        "system": "s",
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    }
    found = taskfields.fields(payload)
    assert [f.label for f in found] == ["System", "Message 1, user", "Message 2, assistant"]
    changed = taskfields.replace(payload, {"messages.1.content": "c"})
    assert changed["messages"][1] == {"role": "assistant", "content": "c"} and changed["system"] == "s"


def test_an_import_shows_its_first_rows_before_it_starts(client, lead, storage):
    made = campaign(lead=lead.user)
    rows = [{**row, "category": "sky", "why": "hard"} for row in ROWS]
    sent = upload(lead, [*rows, {"prompt": "alone"}])
    address = reverse("labeling:campaign_import", args=[made.pk])
    text = client.get(address, {"upload": sent}).content.decode()
    assert "Why 0?" in text and '<option value="category" selected>' in text
    mapping = {
        "map_prompt": "prompt",
        "map_answers": "response_a,response_b",
        "map_topic": "",
        "map_difficulty": "why",
    }
    text = client.post(address, {"upload": sent, "look": "1", **mapping}).content.decode()
    assert '<option value="why" selected>' in text and not made.imports.exists()
    wrong = client.post(address, {"upload": sent, "start": "1", "limit": "-2", **mapping}).content.decode()
    assert "greater than or equal to 1" in wrong and not made.imports.exists()
    client.post(address, {"upload": sent, "start": "1", "limit": "4", "sample": "on", "seed": "7", **mapping})
    made_import = made.imports.get()
    assert made_import.job.params["mapping"] == {"prompt": "prompt", "answers": "response_a,response_b", "topic": "", "difficulty": "why"}  # fmt: skip
    assert {k: made_import.options[k] for k in ("limit", "sample", "seed")} == {
        "limit": 4,
        "sample": True,
        "seed": 7,
    }


def test_conditions_on_a_version_are_checked_before_anything_starts(client, lead, storage):
    version = publish(storage, "pages", "documents", [document(n) for n in range(12)])
    made = campaign("rating", lead=lead.user)
    address = reverse("labeling:campaign_import", args=[made.pk])
    asked = {"version": version.reference, "filters": "has.url = page/11"}
    assert "page/11" not in client.get(address).content.decode()
    text = client.get(address, asked).content.decode()
    assert "Row 12" in text and "Row 11" not in text
    assert (
        "no filter &#x27;is.none&#x27;"
        in client.get(address, {**asked, "filters": "is.none=1"}).content.decode()
    )
    assert "Write conditions like" in client.get(address, {**asked, "filters": "en"}).content.decode()
    client.post(address, {**asked, "start": "1", "map_text": "text", "map_url": "url"})
    assert made.imports.get().job.params["where"]["filters"] == {"has.url": "page/11"}


def test_a_failed_import_still_offers_its_report(client, lead, storage):
    row = start(lead, campaign(lead=lead.user))
    address = reverse("labeling:import", args=[row.pk])
    Job.objects.filter(pk=row.job_id).update(state="failed")
    TaskImport.objects.update(state="failed", message="No row can become a task.")
    assert "bad-rows.csv" not in client.get(address).content.decode()
    storage.write_bytes(report_key(row.job.prefix), b"row,field,problem\r\n1,answers,needs 2\r\n")
    assert "bad-rows.csv" in client.get(address).content.decode()


def test_a_cell_of_the_matrix_leads_to_its_quota(client, lead):
    made = campaign(lead=lead.user)
    task(made, topic="law & order", language="en")
    address = reverse("labeling:campaign_coverage", args=[made.pk])
    link = re.search(r'href="(\?topic=[^"]+)#ask"', client.get(address).content.decode()).group(1)
    text = client.get(address + link.replace("&amp;", "&")).content.decode()
    assert 'name="topic" value="law &amp; order"' in text and 'name="language" value="en"' in text
    quota = {"topic": "law & order", "difficulty": "", "language": "en"}
    client.post(reverse("labeling:quota", args=[made.pk]), {**quota, "target": 3})
    assert made.quotas.get().target == 3
    wrong = client.post(reverse("labeling:quota", args=[made.pk]), {**quota, "target": "-1"}, follow=True)
    assert "greater than or equal to 0" in wrong.content.decode()
