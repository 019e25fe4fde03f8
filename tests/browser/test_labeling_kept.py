"""What a labeler writes is never lost: the server killed in mid-typing, two tabs, a closed tab, a lost sign-in."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from labeling.models.tasks import Assignment
from tests.labeling.campaigns import campaign, join
from tilth.settings import ROOT

pytestmark = pytest.mark.browser

SEED = """
import json
from django.test import Client
from tests.labeling.campaigns import campaign, join
from tilth.accounts.models import User
user = User.objects.create_user("labeler@example.org", "correct horse battery")
made = campaign("demonstration", tasks=1)
join(made, user)
client = Client()
client.force_login(user, backend="tilth.accounts.backends.AuthenticationBackend")
print("SEEDED" + json.dumps({"campaign": made.pk, "session": client.cookies["sessionid"].value}))
"""
READ = """
import json
from labeling.models.tasks import Assignment
print("READ" + json.dumps(Assignment.objects.get().draft))
"""


class Server:
    """A real server on a database of its own, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = {
            **keep,
            "TILTH_VAR": str(folder),
            "TILTH_MODE": "embedded",
            "DJANGO_SETTINGS_MODULE": "tilth.settings",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
            "TILTH_SITE_URL": f"http://127.0.0.1:{self.port}",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "tilth.wsgi:application",
            "--bind",
            f"127.0.0.1:{self.port}",
        ]
        self.process = subprocess.Popen(
            [*command, "--threads", "2", "--log-level", "error"], cwd=ROOT, env=self.environment
        )
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("the server did not come up")

    def kill(self) -> None:
        """As a power cut does it: master and workers at once."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in [self.process.pid, *map(int, children)]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "var")
    made.manage("migrate", "--noinput")
    made.manage("collectstatic", "--noinput")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_the_server_is_killed_in_mid_typing_and_nothing_is_lost(server, chromium: Browser):
    seeded = json.loads(server.manage("shell", "-c", SEED).partition("SEEDED")[2])
    server.start()
    context = chromium.new_context(
        base_url=f"http://127.0.0.1:{server.port}", viewport={"width": 1280, "height": 800}
    )
    context.add_cookies(
        [{"name": "sessionid", "value": seeded["session"], "url": f"http://127.0.0.1:{server.port}"}]
    )
    page = context.new_page()
    page.goto(f"/labeling/offer/{seeded['campaign']}/")
    page.get_by_role("button", name="Start").click()
    page.locator("#workspace[data-ready]").wait_for()
    area = page.get_by_label("Turn 2, assistant")
    area.press_sequentially("Short waves scatter ")
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=10_000)
    area.press_sequentially("far ")
    server.kill()
    area.press_sequentially("more than long ones.")
    expect(page.locator("[data-status]")).to_contain_text("kept in this browser", timeout=10_000)
    # The tab crashes while the server is down.
    address = page.url
    page.close(run_before_unload=False)
    server.start()
    page = context.new_page()
    page.goto(address)
    page.locator("#workspace[data-ready]").wait_for()
    expect(page.get_by_label("Turn 2, assistant")).to_have_value(
        "Short waves scatter far more than long ones."
    )
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=20_000)
    saved = json.loads(server.manage("shell", "-c", READ).partition("READ")[2])
    assert saved["messages"][1]["content"] == "Short waves scatter far more than long ones."
    context.close()


def open_task(page, made):
    page.goto(f"/labeling/offer/{made.pk}/")
    page.get_by_role("button", name="Start").or_(page.get_by_role("button", name="Open it")).click()
    page.locator("#workspace[data-ready]").wait_for()
    return page.get_by_label("Turn 2, assistant")


@pytest.mark.django_db(transaction=True)
def test_two_machines_are_reconciled_and_never_overwritten(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    refused = [r"status of 409"]
    here, there = page_for("labeler", allow=refused), page_for("labeler", allow=refused)
    mine, theirs = open_task(here, made), open_task(there, made)
    mine.fill('Written at the desk, with [{"marks"}].')
    expect(here.locator("[data-status]")).to_contain_text("Saved", timeout=10_000)
    theirs.fill("Written on the train.")
    dialog = there.get_by_role("dialog", name="Two texts for one task")
    dialog.wait_for()
    expect(dialog).to_contain_text('Written at the desk, with [{"marks"}].')
    expect(dialog).not_to_contain_text("Why is the sky blue?")
    dialog.get_by_role("button", name="Keep the one written here").click()
    expect(there.locator("[data-status]")).to_contain_text("Saved", timeout=10_000)
    held = Assignment.objects.get()
    assert held.draft["messages"][1]["content"] == "Written on the train."
    kept = {point.payload["messages"][1]["content"] for point in held.history.all()}
    assert kept == {"Written on the train.", 'Written at the desk, with [{"marks"}].'}
    there.get_by_role("button", name="Earlier texts").click()
    earlier = there.locator("#history-points details", has_text="Written at the desk").first
    earlier.locator("summary").click()
    expect(earlier).to_contain_text('Written at the desk, with [{"marks"}].')
    earlier.get_by_role("button", name="Restore this text").click()
    expect(theirs).to_have_value('Written at the desk, with [{"marks"}].')


@pytest.mark.django_db(transaction=True)
def test_a_tab_beside_takes_over_what_the_other_saved(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    first = page_for("labeler")
    mine = open_task(first, made)
    second = first.context.new_page()
    theirs = open_task(second, made)
    mine.fill("From the first tab.")
    expect(theirs).to_have_value("From the first tab.", timeout=10_000)


@pytest.mark.django_db(transaction=True)
def test_a_lost_sign_in_keeps_the_text_until_one_is_back(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", allow=[r"status of 40[13]", r"ERR_", r"Failed to load"])
    area = open_task(page, made)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    area.fill("Written while signed out.")
    expect(page.locator("[data-status]")).to_contain_text("signed out", timeout=10_000)
    expect(page.get_by_role("status").filter(has_text="signed out")).to_be_attached()
    page.context.add_cookies(cookies)
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=30_000)
    assert Assignment.objects.get().draft["messages"][1]["content"] == "Written while signed out."


@pytest.mark.django_db(transaction=True)
def test_what_a_browser_kept_never_overwrites_what_was_saved_elsewhere_since(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    refused = [r"status of 409", r"ERR_"]
    here, there = page_for("labeler", allow=refused), page_for("labeler")
    mine = open_task(here, made)
    here.context.set_offline(True)
    mine.fill("Written on the train.")
    expect(here.locator("[data-status]")).to_contain_text("kept in this browser")
    # Chromium's emulation of a lost network lets the last words of a page through that goes away: on a train
    # they would not arrive either.
    here.evaluate("() => { window.fetch = () => Promise.reject(new TypeError('no network')); }")
    here.goto("about:blank")
    open_task(there, made).fill("Written at the desk.")
    expect(there.locator("[data-status]")).to_contain_text("Saved", timeout=10_000)
    here.context.set_offline(False)
    here.goto(there.url)
    dialog = here.get_by_role("dialog", name="Two texts for one task")
    expect(dialog).to_contain_text("Written at the desk.", timeout=10_000)
    dialog.get_by_role("button", name="Take the one saved elsewhere").click()
    expect(here.get_by_label("Turn 2, assistant")).to_have_value("Written at the desk.")
    kept = {p.payload["messages"][1]["content"] for p in Assignment.objects.get().history.all()}
    assert kept == {"Written on the train.", "Written at the desk."}


@pytest.mark.django_db(transaction=True)
def test_seconds_of_work_outlive_a_lost_connection_and_back_shows_the_task_as_it_is_now(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", allow=["ERR_"])
    area = open_task(page, made)
    told = []

    def lose_the_first(route):
        told.append(route.request.post_data_json["active"])
        if len(told) == 1:
            route.abort()
        else:
            route.continue_()

    page.route("**/draft/", lose_the_first)
    page.wait_for_timeout(1100)
    area.fill("Short waves.")
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=10_000)
    assert told[1] >= told[0] >= 1
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("dialog", name="Submit this work?").get_by_role("button", name="Submit").click()
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Turn 2, assistant")).to_have_value("Short waves.")
    expect(page.get_by_label("Turn 2, assistant")).to_be_disabled()
