"""Importing in a real browser: a file is sent with progress, looked at, mapped, and becomes a dataset."""

import json
import re

import pytest
from playwright.sync_api import expect

from tilth.datasets.models import DatasetVersion
from tilth.jobs.models import Job
from tilth.jobs.runner import run_inline

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

XSS = "<img src=x onerror=\"document.title='owned'\">"


def test_from_a_file_to_a_published_dataset(page_for, storage, tmp_path, shoot):
    rows = [{"question": f"What is {n} + {n}?", "answer": f"{n} + {n} is #### {2 * n}"} for n in range(40)]
    rows[7] = {"question": XSS, "answer": None}
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    page = page_for("researcher")
    page.goto("/import/")
    shoot(page, "import-choose")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.wait_for_url(re.compile(r"upload=[0-9a-f]{64}"))
    expect(page.get_by_text("GSM8K")).to_be_visible()
    expect(page.get_by_text("39 of 40 looked at can be imported")).to_be_visible()

    page.get_by_label("Kind").select_option("conversations")
    messages = page.get_by_label("Messages")
    expect(messages).to_have_value("user:question|assistant:answer")
    page.get_by_label("Kind").select_option("problems")
    answer = page.get_by_label("Answer", exact=False).first
    expect(answer).to_have_value("answer>>####")

    page.get_by_label("Dataset name").fill("sums")
    page.get_by_label("Licence").select_option("MIT")
    shoot(page, "import-preview")
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("heading", name="Import sums.jsonl as sums@1")).to_be_visible()

    job = run_inline(Job.objects.get())
    assert job.state == "succeeded", job.error
    expect(page.get_by_role("link", name="Open sums@1")).to_be_visible(timeout=15_000)
    shoot(page, "import-report")
    expect(page.get_by_text("is required and has no value")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "row,field,message" in download.value.path().read_text()
    page.get_by_role("link", name="Open sums@1").click()
    expect(page.get_by_role("heading", name="sums@1")).to_be_visible()
    assert DatasetVersion.objects.get().rows == 39
    assert page.title() != "owned"


def test_a_refused_file_says_why_beside_its_name(page_for, storage, tmp_path, settings):
    settings.MAX_UPLOAD_BYTES = 10
    file = tmp_path / "large.jsonl"
    file.write_text('{"text": "more than ten bytes"}\n')
    page = page_for("researcher", allow=["status of 413"])
    page.goto("/import/")
    page.get_by_label("File", exact=True).set_input_files(file)
    expect(page.get_by_text("larger than")).to_be_visible()


def test_a_file_chosen_before_the_script_has_come_is_sent(page_for, storage, tmp_path):
    file = tmp_path / "sums.jsonl"
    file.write_text('{"question": "1+1?", "answer": "2"}\n')
    page, held, script = page_for("researcher"), [], re.compile(r"/upload[^/]*\.js$")
    page.route(script, lambda route: held.append(route), times=1)
    with page.expect_request(script):
        page.goto("/import/", wait_until="commit")
    page.get_by_label("File", exact=True).set_input_files(file)
    for route in held:
        route.continue_()
    assert held
    page.wait_for_url(re.compile(r"upload=[0-9a-f]{64}"))
    expect(page.get_by_text("1 of 1 looked at can be imported")).to_be_visible()
