"""What no browser sends: every form of campaigns, rosters, guidelines and time answers with words, never a crash."""

import pytest
from django.urls import reverse

from labeling.forms.campaigns import CampaignForm
from labeling.models.campaigns import Campaign, RosterInvite
from labeling.models.guidelines import Guideline
from tests.labeling.campaigns import campaign, guideline, join, task
from tests.labeling.test_protocol import GUIDE
from tests.labeling.work import label

BAD = [
    "", "a\x00b", "-1", "NaN", "9" * 19, "9" * 5000, "½", "x" * 6000, "[]", "9999-12-31", ["1", "2"], None,
]  # fmt: skip
"""Texts, a field sent twice, and a field left out."""

ANSWERS = {200, 302, 400, 403, 404, 405}


def broken(fields, each=None):
    """The fields with one of them spoilt in turn; with ``each`` in so many ways, other ones field by field."""
    each = each or len(BAD)
    for number, name in enumerate(fields):
        for way in range(each):
            bad = BAD[(number * each + way) % len(BAD)]
            changed = {**fields, name: bad}
            yield name, bad, {key: value for key, value in changed.items() if value is not None}


def settings(**fields):
    """The form of a campaign, filled in."""
    values = {name: field.initial or "" for name, field in CampaignForm.base_fields.items()}
    values |= {"languages": "en de", "skills": [], "visibility": "hidden", "pay_basis": "none"}
    return {**values, "instructions": "Keep this sentence.", "consent": "And this one.", **fields}


@pytest.fixture
def lead(client_for):
    return client_for("lead")


def test_the_settings_say_what_is_wrong_and_keep_the_rest(lead, people):
    made = campaign(tasks=1, lead=people["lead"])
    address = reverse("labeling:campaign_edit", args=[made.pk])
    refused = 0
    for name, bad, data in broken(settings(title="Sky"), each=4):
        answer = lead.post(address, data)
        assert answer.status_code in {200, 302}, (name, bad)
        if answer.status_code == 200:
            refused += 1
            page = answer.content.decode()
            assert 'class="field-error"' in page or "error" in page, (name, bad)
            for kept, text in (("instructions", "Keep this sentence."), ("consent", "And this one.")):
                assert name == kept or text in page, (name, bad)
            assert answer.context["form"].errors, (name, bad)
    assert refused > 40
    made.refresh_from_db()
    assert 1 <= made.overlap <= 50


def test_a_new_campaign_says_what_is_wrong_and_keeps_the_rest(lead, people):
    address = reverse("labeling:campaign_new") + "?kind=rating"
    for name, bad, data in broken(settings(title="Sky", name="fuzz"), each=4):
        answer = lead.post(address, data)
        assert answer.status_code in {200, 302}, (name, bad)
        assert answer.status_code == 302 or answer.context["form"].errors, (name, bad)
        Campaign.objects.filter(created_by=people["lead"]).update(name=f"used-{name}-{hash(str(bad))}"[:90])


def forms(people, cast):
    """Address and fields of every other form, by name."""
    made = campaign(tasks=6, lead=people["lead"], pay_basis="task", pay_amount=1)
    (member,) = join(made, people["labeler"])
    other = campaign(tasks=2)
    join(other, cast[0])
    stranger = label(cast[0], other)
    held = label(people["labeler"], made).assignment
    task(made, role="pilot")
    invited = RosterInvite.objects.create(campaign=made, email="a@b.org")
    text = Guideline.objects.create(name="drafts", title="Drafts", draft=GUIDE)
    at = lambda name, *args: reverse(f"labeling:{name}", args=args)  # noqa: E731
    return {
        "invite": (at("roster_invite", made.pk), {"user": cast[1].pk, "weekly_minutes": 60}),
        "file": (at("roster_file", made.pk), {"file": "no file"}),
        "reserve": (at("reserve", made.pk), {"labeler": people["labeler"].pk, "count": 1, "release": ""}),
        "held": (at("held", made.pk), {"assignment": [stranger.assignment_id, held.pk], "receiver": "", "reason": "x"}),
        "announce": (at("announce", made.pk), {"text": "Welcome"}),
        "capacity": (at("member", member.pk, "capacity"), {"weekly_minutes": 60}),
        "pause": (at("member", member.pk, "pause"), {"reason": "Why"}),
        "quota": (at("quota", made.pk), {"topic": "law", "difficulty": "", "language": "en", "target": 3}),
        "leads": (at("campaign_leads", made.pk), {"leads": people["lead"].pk}),
        "move": (at("campaign_move", made.pk), {"to": "paused"}),
        "pin": (at("campaign_pin", made.pk), {"version": guideline().pk, "requeue": "on"}),
        "duplicate": (at("campaign_duplicate", made.pk), {"name": "copy"}),
        "discuss": (at("discuss", made.pk), {"task": stranger.task_id, "text": "Hm"}),
        "add": (at("task_add", made.pk), {"row": '{"prompt": "Why?"}', "role": "normal"}),
        "tasks": (at("campaign_tasks", made.pk), {"task": held.task_id, "verb": "withdraw", "all": "", "q": ""}),
        "statements": (at("statements", made.pk), {"first": "2026-01-01", "last": "2026-01-31", "approve": ""}),
        "new guideline": (at("guideline_new"), {"name": "fuzz", "title": "Fuzz", "starter": "on"}),
        "guideline": (at("guideline_edit", text.name), {"source": GUIDE, "revision": 0}),
        "publish": (at("guideline_publish", text.name), {"note": "First", "revision": 0}),
        "preview": (at("guideline_preview"), {"source": GUIDE}),
        "profile": (at("profile_of", people["labeler"].pk), {
            "languages": "en", "language": "en", "expertise": "law", "region": "EU"}),
        "withdraw": (at("invite_withdraw", invited.pk), {"x": ""}),
    }  # fmt: skip


FORMS = (
    "invite", "file", "reserve", "held", "announce", "capacity", "pause", "quota", "leads", "move", "pin",
    "duplicate", "discuss", "add", "tasks", "statements", "new guideline", "guideline", "publish", "preview",
    "profile", "withdraw",
)  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_no_form_of_a_lead_is_broken_by_what_is_sent(name, lead, people, cast):
    address, fields = forms(people, cast)[name]
    for field, bad, data in broken(fields):
        answer = lead.post(address, data)
        assert answer.status_code in ANSWERS, (field, bad, answer.status_code)


@pytest.mark.parametrize("name", ["join", "declare", "decline", "claim", "prompt", "skip"])
def test_no_form_of_a_labeler_is_broken_by_what_is_sent(name, client_for, people):
    made = campaign(tasks=40, lead=people["lead"], open_to_all=True, labelers_write_prompts=True, consent="A")
    client = client_for("labeler")
    fields = {
        "join": {"consented": "on", "read": "x"},
        "declare": {"campaign": made.pk, "day": "2026-01-01", "minutes": 5, "note": "Read"},
        "decline": {"task": made.tasks.first().pk},
        "claim": {"task": made.tasks.first().pk, "another": "1"},
        "prompt": {"text": "Why?", "topic": "law", "language": "en"},
        "skip": {"reason": "Hard"},
    }[name]
    address = {
        "join": reverse("labeling:join", args=[made.pk]),
        "declare": reverse("labeling:my_time"),
        "decline": reverse("labeling:decline", args=[made.pk]),
        "claim": reverse("labeling:claim", args=[made.pk]),
        "prompt": reverse("labeling:write_prompt", args=[made.pk]),
        "skip": reverse("labeling:skip", args=[1]),
    }[name]
    if name != "join":
        (member,) = join(made, people["labeler"])
        member.consent_text = "A"
        member.save()
    for field, bad, data in broken(fields):
        assert client.post(address, data).status_code in ANSWERS, (field, bad)


QUERIES = {
    "campaigns": ("q", "state", "mine", "page"),
    "campaign_tasks": ("q", "state", "role", "topic", "after", "before", "order", "import"),
    "campaign_coverage": ("topic", "difficulty", "language", "target"),
    "campaign_quality": ("by", "of"),
    "campaign_labelers": ("page",),
    "campaign_roster": ("page",),
    "held": ("labeler", "page"),
    "campaign_pin": ("version",),
    "threads": ("topic", "campaign", "open", "page"),
    "guidelines": ("q", "archived", "page"),
    "flags": ("kind", "page"),
    "disagreements": ("page", "after"),
}


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_no_address_is_broken_by_what_stands_behind_its_question_mark(name, lead, people):
    made = campaign(tasks=2, lead=people["lead"])
    plain = name in {"campaigns", "threads", "guidelines"}
    address = reverse(f"labeling:{name}", args=[] if plain else [made.pk])
    for field in QUERIES[name]:
        for bad in BAD:
            answer = lead.get(address, {field: bad} if bad is not None else {})
            assert answer.status_code in ANSWERS, (field, bad)


def test_what_was_written_in_a_guideline_stays_in_the_form(lead):
    address = reverse("labeling:guideline_new")
    answer = lead.post(address, {"name": "Not a name", "title": "My title"})
    assert "My title" in answer.content.decode()
    Guideline.objects.create(name="drafts", title="Drafts", draft="theirs", draft_revision=4)
    answer = lead.post(
        reverse("labeling:guideline_edit", args=["drafts"]), {"source": "mine", "revision": "x"}
    )
    assert (answer.status_code, "mine" in answer.content.decode()) == (200, True)


API = {
    "/campaigns": {"name": "fuzz", "kind": "rating", "title": "x", "overlap": 1, "review_rate": 0.1, "guideline": "",
                   "answer_schema": {}},
    "/campaigns/{pk}/tasks": {"rows": [{"prompt": "Why?"}], "role": "normal"},
    "/campaigns/{pk}/move": {"to": "paused"},
    "/campaigns/{pk}/imports": {"upload": "", "version": "x@1", "limit": 0, "seed": 0, "role": "normal"},
    "/campaigns/{pk}/publications": {"dataset": "x", "dataset_kind": "annotations", "rule": "everything"},
    "/guidelines/fuzz": {"title": "x", "source": GUIDE, "note": "x"},
}  # fmt: skip
BAD_JSON = [*BAD, 10**30, -(10**30), 0.5, True, {}, {"a": None}, [None], [[]], 2**63]


@pytest.mark.parametrize("path", sorted(API))
def test_the_api_answers_with_words_too(path, api, people):
    made = campaign("rating", tasks=2, lead=people["lead"])
    for name in API[path]:
        for bad in BAD_JSON:
            body = {**API[path], name: bad}
            answer = api("lead", "POST", path.format(pk=made.pk), body)
            assert answer.status_code < 500, (name, bad)
            assert answer.status_code < 300 or answer.json(), (name, bad)
            Campaign.objects.filter(name="fuzz").update(name=f"u-{Campaign.objects.count()}")
