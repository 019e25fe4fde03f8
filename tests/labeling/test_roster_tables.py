"""Long tables of addresses: checked by a program, followed line by line, whatever breaks on the way."""

import csv

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from labeling.actions import rosterfiles
from labeling.models.campaigns import Campaign, Profile, RosterInvite
from labeling.models.rosters import RosterImport
from labeling.protocol import rosterload
from tests.labeling.campaigns import campaign, join
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Invitation
from tilth.jobs.runner import run_inline

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, storage, tmp_path):
    settings.JOBS_POLL_SECONDS = 0.03
    settings.JOBS_RETRY_SECONDS = 0
    settings.SCRATCH = tmp_path / "scratch"


@pytest.fixture
def lead(people):
    return Actor(user=people["lead"])


def table(cast, people, fresh=90):
    """Fresh addresses, people with accounts, one who is there, one who does not label, and bad lines."""
    lines = ["email,weekly_minutes,expertise", "broken,,", f"{cast[0].email},60,law", f"{cast[1].email},,"]
    lines += [f"{people['researcher'].email},,", "=cmd,,"]
    return "\n".join([*lines, *(f"new{n}@example.org,,physics" for n in range(fresh)), "new0@example.org,,"])


def send(client, made, text):
    file = SimpleUploadedFile("people.csv", text.encode())
    return client.post(reverse("labeling:roster_file", args=[made.pk]), {"file": file}, follow=True)


def check(made, row, cast, fresh=90):
    row.refresh_from_db()
    assert (row.state, row.rows, row.done) == ("done", fresh + 6, fresh + 6)
    assert (row.members, row.accounts, row.already, row.bad) == (1, fresh, 2, 3)
    assert [line for line, _ in row.faults] == [2, 5, 6]
    assert "does not label" in dict(map(tuple, row.faults))[5]
    assert made.members.get(user=cast[0]).weekly_minutes == 60
    assert Profile.objects.get(user=cast[0]).expertise == "law"
    assert RosterInvite.objects.filter(campaign=made).count() == Invitation.objects.count() == fresh
    found = rosterfiles.links(row)
    assert len(found) == len(set(found.values())) == fresh


def test_a_long_table_is_followed_by_a_job_and_tells_what_came_of_it(client_for, people, cast, storage):
    made, client = campaign(lead=people["lead"]), client_for("lead")
    join(made, cast[1])
    page = send(client, made, table(cast, people))
    row = RosterImport.objects.get()
    assert page.redirect_chain[-1][0] == reverse("labeling:roster_import", args=[row.pk])
    assert "hx-trigger" in page.content.decode() and not RosterInvite.objects.exists()
    assert run_inline(row.job).state == "succeeded"
    check(made, row, cast)
    assert "@example.org" not in str(row.job.params) + str(row.links)
    kept = (
        row.job.params["table"],
        rosterload.lines_key(row.job.prefix),
        rosterload.faults_key(row.job.prefix),
    )
    assert not any(storage.exists(key) for key in kept), "no address stays behind"
    page = client.get(reverse("labeling:roster_import", args=[row.pk])).content.decode()
    assert "Line 5:" in page and "hx-trigger" not in page
    reports = [
        client.get(reverse("labeling:roster_report", args=[row.pk, what])) for what in ("bad-lines", "links")
    ]
    bad, links = (list(csv.DictReader(r.content.decode().splitlines())) for r in reports)
    assert [line["line"] for line in bad] == ["2", "5", "6"]
    assert len(links) == 90 and all("/invitation" in line["link"] or "http" in line["link"] for line in links)
    assert "people.csv" in client.get(reverse("labeling:campaign_roster", args=[made.pk])).content.decode()
    assert AuditEntry.objects.filter(verb="member.invite_address").count() == 90
    others = client_for("reviewer")
    assert others.get(reverse("labeling:roster_import", args=[row.pk])).status_code == 403
    made.leads.set([people["admin"]])
    for name, *rest in (("roster_import",), ("roster_report", "links")):
        assert client.get(reverse(f"labeling:{name}", args=[row.pk, *rest])).status_code == 403


def test_what_breaks_off_goes_on_and_invites_nobody_twice(lead, people, cast, monkeypatch):
    made = campaign(lead=lead.user)
    join(made, cast[1])
    row = rosterfiles.invite_file(lead, made, table(cast, people))
    real, calls = rosterfiles._invite_account, []

    def once(line):
        calls.append(line.email)
        if len(calls) == 45:
            raise OSError("the machine went down")
        return real(line)

    monkeypatch.setattr(rosterfiles, "_invite_account", once)
    job = run_inline(row.job)
    assert (job.state, job.attempts.count()) == ("succeeded", 2)
    check(made, row, cast)


def test_the_table_that_failed_can_be_sent_again(lead, people, cast, monkeypatch, client_for):
    made = campaign(lead=lead.user)
    join(made, cast[1])
    row = rosterfiles.invite_file(lead, made, table(cast, people))
    real, calls = rosterfiles._invite_account, []

    def down(line):
        calls.append(line)
        if len(calls) > 30:
            raise OSError("the machine is down")
        return real(line)

    monkeypatch.setattr(rosterfiles, "_invite_account", down)
    assert run_inline(row.job).state == "failed"
    row.refresh_from_db()
    assert row.state == "failed" and 0 < row.done < row.rows
    page = client_for("lead").get(reverse("labeling:roster_import", args=[row.pk])).content.decode()
    assert "Send the same table again" in page
    monkeypatch.setattr(rosterfiles, "_invite_account", real)
    again = rosterfiles.invite_file(lead, made, table(cast, people))
    assert run_inline(again.job).state == "succeeded"
    again.refresh_from_db()
    assert again.members == 0 and again.accounts + row.accounts == 90
    assert RosterInvite.objects.count() == 90


def test_a_lead_who_leads_no_more_invites_nobody(lead, people, cast):
    made = campaign(lead=lead.user)
    row = rosterfiles.invite_file(lead, made, table(cast, people))
    made.leads.set([people["admin"]])
    run_inline(row.job)
    row.refresh_from_db()
    assert (row.state, row.members, row.accounts) == ("failed", 0, 0)
    assert "Only the leads of" in row.message
    assert not RosterInvite.objects.exists()


def test_a_campaign_that_closes_meanwhile_invites_nobody(lead, people, cast):
    made = campaign(lead=lead.user)
    row = rosterfiles.invite_file(lead, made, table(cast, people))
    Campaign.objects.update(state="closed")
    run_inline(row.job)
    row.refresh_from_db()
    assert (row.state, row.members, row.accounts) == ("failed", 0, 0)
    assert "is closed" in row.message


def test_a_short_table_is_followed_at_once(lead, cast):
    made = campaign(lead=lead.user)
    report = rosterfiles.invite_file(lead, made, f"email\n{cast[0].email}\n")
    assert report.members == [cast[0].email]
    assert not RosterImport.objects.exists()
