"""Pages and the API by HTTP: who sees what, quality figures, attachments, faults as JSON."""

import html
import json
import re

import pytest
from django.urls import reverse

from labeling import quality
from labeling.actions import attachments, claims, reviews, roster, tallies
from labeling.actions.reviews import Verdict
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign, Profile
from labeling.models.guidelines import GuidelineRead
from labeling.models.tasks import Assignment
from labeling.people import who
from tests.labeling.campaigns import campaign, guideline, join, labelers, task
from tests.labeling.test_kinds import GOOD
from tests.labeling.work import hand_in, label
from tests.xss_corpus import PAYLOADS as HOSTILE
from tilth.accounts.actors import Actor
from tilth.errors import Conflict, InvalidInput, NotFound
from tilth.text.storable import storable


def post(client, name, body, *arguments):
    address = reverse(f"labeling:{name}", args=arguments)
    return client.post(address, json.dumps(body), content_type="application/json")


# ---- the workspace's own requests


def test_what_no_database_keeps_is_left_out_of_text(client_for, people, api):
    made = campaign("demonstration", tasks=1, lead=people["lead"])
    join(made, people["labeler"])
    client = client_for("labeler")
    held = post(client, "prefetch", {}, made.pk).json()
    payload = {"messages": [{"role": "assistant", "content": "of a PDF\x00, half\ud83d"}]}
    save = {"token": held["token"], "revision": 0, "payload": payload, "inputs": {}}
    assert post(client, "draft", save, held["id"]).status_code == 200
    draft = made.assignments.get(pk=held["id"]).draft
    assert draft["messages"][0]["content"] == "of a PDF, half?"
    address = reverse("labeling:draft", args=[held["id"]])
    deep = client.post(address, "[" * 5000 + "]" * 5000, content_type="application/json")
    assert (deep.status_code, deep.json()["code"]) == (400, "bad_json")
    rows = [{"prompt": "Wh\x00y?", "topic": "sk\x00y"}]
    assert api("lead", "POST", f"/campaigns/{made.pk}/tasks", {"rows": rows}).json()[0]["topic"] == "sky"
    source = "# G\x00\n\n## Rule: Be honest {#honest}\nServes: user\n\nSay so.\n"
    assert api("lead", "POST", "/guidelines/nul", {"source": source}).status_code == 201


def test_the_workspace_talks_in_json(client_for, people):
    made = campaign(tasks=2)
    join(made, people["labeler"])
    client = client_for("labeler")
    held = post(client, "prefetch", {}, made.pk).json()
    save = {"token": held["token"], "revision": 0, "payload": {"reason": "x"}, "inputs": {"typed": 1}}
    assert post(client, "draft", save, held["id"]).json()["revision"] == 1
    again = post(client, "draft", {**save, "payload": {"reason": "y"}}, held["id"])
    assert again.status_code == 409
    assert (again.json()["code"], again.json()["payload"], again.json()["revision"]) == (
        "draft_moved",
        {"reason": "x"},
        1,
    )
    unfinished = post(client, "submit", {**save, "revision": 1, "key": "a-key-of-its-own"}, held["id"])
    assert unfinished.status_code == 422
    assert unfinished.json()["problems"][0]["path"] == "grade"
    done = post(
        client,
        "submit",
        {**save, "revision": 1, "payload": {**GOOD["preference"], "grade": "A:3"}, "key": "a-key-of-its-own"},
        held["id"],
    )
    following = made.assignments.get(state="held")
    assert done.json()["next"].startswith(reverse("labeling:assignment", args=[following.pk]))
    assert post(client, "draft", save, held["id"]).json()["code"] == "hold_ended"


def pane_of(page):
    """The work pane and what its scripts start from, without what differs from task to task."""
    text = page.content.decode()
    data = json.loads(html.unescape(re.search(r'data-workspace="([^"]*)"', text)[1]))
    return text[text.index('<form id="pane"') : text.index("</form>", text.index('<form id="pane"'))], data[
        "payload"
    ]


def test_nothing_on_the_page_of_a_comparison_tells_how_its_answers_are_stored(client_for, people):
    made = campaign(schema={"edit_winner": True})
    join(made, people["labeler"])
    texts = ["Because of scattering.", "Because of the sea."]
    client, told = client_for("labeler"), []
    for order in ([0, 1], [1, 0]):
        task(made, answers=[texts[position] for position in order])
        held = claims.claim(Actor(user=people["labeler"]), made, another=True)
        Assignment.objects.filter(pk=held.pk).update(display={"order": order, "stream": 0})
        shown = [pane_of(client.get(reverse("labeling:assignment", args=[held.pk])))]
        page = {
            "grade": "B:1",
            "marks": {"helpful": "A"},
            "reason": "jane.roe@company.com",
            "edited": {"A": "", "B": "Mine: jane.roe@company.com"},
        }
        save = {"token": held.hold_token, "revision": 0, "payload": page, "key": "a-key-of-its-own"}
        post(client, "draft", save, held.pk)
        stored = Assignment.objects.get(pk=held.pk).draft
        assert stored["grade"] == f"{order[1]}:1" and stored["edited"][str(order[1])] == page["edited"]["B"]
        shown.append(pane_of(client.get(reverse("labeling:assignment", args=[held.pk]))))
        assert shown[1][1] == page
        conflict = post(client, "draft", {**save, "payload": {}}, held.pk).json()
        assert conflict["payload"] == page
        point = held.history.order_by("pk").first()
        again = {"token": held.hold_token, "revision": 1}
        earlier = post(client, "restore", again, held.pk, point.pk).json()["payload"]
        history = client.get(reverse("labeling:history", args=[held.pk])).content.decode()
        noticed = post(client, "submit", {**save, "revision": 2}, held.pk).json()
        unready = post(
            client, "submit", {**save, "revision": 2, "payload": {**page, "grade": "equal"}}, held.pk
        ).json()
        told.append([shown, earlier, re.findall(r"<d[td].*", history), noticed, unready])
    assert told[0] == told[1]
    assert told[0][3]["code"] == "noticed" and told[0][4]["problems"][0]["path"] == "edited.B"


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{",
        '{"revision": "x"}',
        '{"revision": -1}',
        '{"revision": 0, "payload": 3}',
        '{"revision": 0, "payload": {}, "inputs": {"thought": 1}}',
    ],
)
def test_malformed_requests_are_refused_with_a_reason(client_for, people, body):
    made = campaign(tasks=1)
    join(made, people["labeler"])
    held = claims.claim(Actor(user=people["labeler"]), made)
    response = client_for("labeler").post(
        reverse("labeling:draft", args=[held.pk]), body, content_type="application/json"
    )
    assert response.status_code in {400, 410}
    assert response.json()["message"]


def test_somebody_elses_work_is_not_found(client_for, people):
    made = campaign(tasks=1)
    join(made, people["labeler"])
    held = claims.claim(Actor(user=people["labeler"]), made)
    other = client_for("reviewer")
    assert other.get(reverse("labeling:assignment", args=[held.pk])).status_code == 404
    assert post(other, "draft", {}, held.pk).status_code == 404


def test_a_preview_is_sanitised(client_for):
    html = post(
        client_for("labeler"), "preview", {"text": "**bold** <script>alert(1)</script> $x^2$"}
    ).json()["html"]
    assert "<strong>bold</strong>" in html
    assert "<script" not in html
    assert "<math" in html


def test_models_are_hidden_from_labelers_and_blind_reviewers(client_for, people):
    made = campaign(tasks=1, review_rate=1.0)
    join(made, people["labeler"])
    held = claims.claim(Actor(user=people["labeler"]), made)
    page = client_for("labeler").get(reverse("labeling:assignment", args=[held.pk])).content.decode()
    assert "model-0" not in page
    done = hand_in(people["labeler"], held)
    page = client_for("reviewer").get(reverse("labeling:review_annotation", args=[done.pk])).content.decode()
    assert "model-0" not in page
    assert people["labeler"].name not in page


def test_others_answers_are_shown_as_the_campaign_says(client_for, people, cast):
    for visibility, before, after in (("hidden", 404, 404), ("after", 404, 200), ("always", 200, 200)):
        made = campaign(tasks=1, overlap=2, visibility=visibility)
        join(made, people["labeler"], cast[0])
        label(cast[0], made)
        held = claims.claim(Actor(user=people["labeler"]), made)
        address = reverse("labeling:others", args=[held.task_id])
        assert client_for("labeler").get(address).status_code == before
        hand_in(people["labeler"], held)
        assert client_for("labeler").get(address).status_code == after


def test_names_are_for_those_who_lead(people, cast):
    made = campaign(lead=people["lead"])
    assert who(people["lead"], made)(cast[0]) == "Labeler 0"
    assert who(people["admin"], made)(cast[0]) == "Labeler 0"
    for role in ("researcher", "reviewer"):
        assert who(people[role], made)(cast[0]) == f"labeler {cast[0].pseudonym[:8]}"
    other = campaign()
    assert who(people["lead"], other)(cast[0]).startswith("labeler ")


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_hostile_text_stays_text_on_every_page(kind, client_for, people):
    hostile = storable("\n".join(HOSTILE))
    made = campaign(kind, lead=people["lead"], review_rate=1.0, instructions=hostile, title=hostile[:190])
    join(made, people["labeler"])
    turns = [{"role": "user", "content": hostile}, {"role": "assistant", "content": hostile}]
    payload = {"messages": turns if kind == "conversation" else turns[:1], "text": hostile}
    answers = {"preference": [hostile, f"{hostile} again"], "edit": [hostile]}.get(kind, [])
    made_task = task(made, payload=payload, answers=answers, topic=hostile[:70])
    answer = json.loads(json.dumps(GOOD[kind]).replace("It is right.", "REASON"))
    if kind == "demonstration":
        answer["messages"] = [*payload["messages"], {"role": "assistant", "content": hostile}]
    answer |= {"reason": hostile[:390], "comment": hostile, "clauses": []}
    if kind == "edit":
        answer["text"] = f"{hostile} edited"
    held = claims.claim(Actor(user=people["labeler"]), made)
    pages = [client_for("labeler").get(reverse("labeling:assignment", args=[held.pk]))]
    done = hand_in(people["labeler"], held, answer)
    lead = client_for("lead")
    for name, key in (
        ("task", made_task.pk),
        ("annotation", done.pk),
        ("campaign", made.pk),
        ("task_adjudicate", made_task.pk),
    ):
        pages.append(lead.get(reverse(f"labeling:{name}", args=[key])))
    pages.append(client_for("reviewer").get(reverse("labeling:review_annotation", args=[done.pk])))
    pages.append(client_for("labeler").get(reverse("labeling:my_annotation", args=[done.pk])))
    for page in pages:
        assert page.status_code == 200
        text = page.content.decode().lower()
        for needle in (
            "<script>alert",
            "onerror=alert",
            "<img src=x",
            'javascript:alert(1)"',
            "<svg onload",
            '<iframe src="javascript',
        ):
            assert needle not in text, needle


# ---- attachments


def test_files_are_seen_by_those_whom_they_concern(client_for, people, storage, cast):
    made = campaign(tasks=1, lead=people["lead"])
    join(made, people["labeler"], cast[0])
    held = claims.claim(Actor(user=people["labeler"]), made)
    mine = attachments.add(Actor(user=people["labeler"]), b"my notes", "notes.txt", assignment=held)
    theirs = attachments.add(
        Actor(user=people["lead"]), b"\x89PNG\r\n\x1a\nimage", "figure.png", task=held.task
    )
    assert attachments.find(people["labeler"], mine.pk) == mine
    assert attachments.find(people["labeler"], theirs.pk) == theirs
    assert attachments.find(people["reviewer"], mine.pk) == mine
    assert attachments.find(people["researcher"], theirs.pk) == theirs
    for user, file in ((people["researcher"], mine), (cast[0], theirs), (cast[0], mine)):
        with pytest.raises(NotFound):
            attachments.find(user, file.pk)
    response = client_for("labeler").get(reverse("labeling:attachment", args=[theirs.pk]))
    assert response["Content-Type"] == "image/png"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    hand_in(people["labeler"], held)
    with pytest.raises(Conflict, match="handed in"):
        attachments.remove(Actor(user=people["labeler"]), mine)


def test_html_is_shown_without_letting_it_do_anything(client_for, people, storage):
    made = campaign(tasks=1)
    join(made, people["labeler"])
    held = claims.claim(Actor(user=people["labeler"]), made)
    html = b"<p onclick=alert(1)>Hello<script>alert(1)</script><img src=http://evil.example/x>"
    file = attachments.add(Actor(user=people["labeler"]), html, "page.html", assignment=held)
    response = client_for("labeler").get(reverse("labeling:attachment", args=[file.pk]))
    assert b"script" not in response.content
    assert b"evil" not in response.content
    assert "sandbox; default-src 'none'" in response["Content-Security-Policy"]


def test_there_is_an_end_to_attaching(people, storage, monkeypatch):
    monkeypatch.setattr(attachments, "MOST", 1)
    made = campaign(tasks=1)
    join(made, people["labeler"])
    held = claims.claim(Actor(user=people["labeler"]), made)
    attachments.add(Actor(user=people["labeler"]), b"one", "1.txt", assignment=held)
    with pytest.raises(InvalidInput, match="At most"):
        attachments.add(Actor(user=people["labeler"]), b"two", "2.txt", assignment=held)
    with pytest.raises(NotFound):
        attachments.add(Actor(user=people["reviewer"]), b"three", "3.txt", assignment=held)


# ---- quality


def test_agreement_and_bias_are_those_of_the_annotations(cast):
    made = campaign(tasks=4, overlap=3)
    join(made, *cast)
    for user in cast:
        for position in range(1, 5):
            held = claims.claim(Actor(user=user), made, another=True, task=made.tasks.get(position=position))
            hand_in(user, held, {**GOOD["preference"], "grade": "0:3" if position < 3 else "1:3"})
    found = quality.measure(made)
    alphas = {item.measure.name: item for item in found.agreement}
    assert alphas["choice"].alpha.value == pytest.approx(1)
    assert alphas["choice"].kappa == pytest.approx(1)
    assert alphas["preference"].labelers == 3
    assert (found.bias.longer.hits, found.bias.longer.total) == (6, 12), "answer 0 is the longer one"
    assert found.baseline.value == 0.5
    annotation = Annotation.objects.first()
    assert annotation.comparison["first"] == annotation.display["order"][0]


def test_small_groups_are_not_told(people):
    users = labelers(8)
    made = campaign(tasks=1)
    join(made, *users)
    for n, user in enumerate(users):
        Profile.objects.create(user=user, expertise="physics" if n < 6 else "law")
    assert {item.name: item.people for item in quality.slices(made, "expertise")} == {}
    for user in users:
        tallies.add(made.pk, user.pk, submitted=1)
    told = {item.name: item.people for item in quality.slices(made, "expertise")}
    assert told == {"law": 0, "physics": 0}  # the two of law would follow from the total


def test_a_group_is_one_however_it_is_spelled(people):
    users = labelers(6)
    made = campaign(tasks=1)
    join(made, *users)
    spellings = ["Physics", "physics ", "Physics", " PHYSICS", "Physics", "physics"]
    for user, spelling in zip(users, spellings, strict=True):
        Profile.objects.create(user=user, expertise=spelling)
        tallies.add(made.pk, user.pk, submitted=1)
    assert {item.name: item.people for item in quality.slices(made, "expertise")} == {"Physics": 6}
    kept = roster.save_profile(Actor(user=users[0]), users[0], expertise="  Nuclear   physics ")
    assert kept.expertise == "Nuclear physics"


def test_groups_count_those_who_worked_not_those_who_joined(people):
    users = labelers(6)
    made = campaign(tasks=6)
    join(made, *users)
    for user in users:
        Profile.objects.create(user=user, expertise="physics")
    label(users[0], made)
    assert [item.people for item in quality.slices(made, "expertise")] == [0]
    for user in users[1:]:
        label(user, made)
    assert [item.people for item in quality.slices(made, "expertise")] == [6]


def test_slices_leave_known_answers_out_of_agreement_and_tell_them_only_of_enough_people(people):
    users = labelers(6)
    made = campaign(tasks=6, gold_rate=0.0)
    join(made, *users)
    for user in users:
        Profile.objects.create(user=user, expertise="physics")
        label(user, made)
    task(made, role="gold", gold={"grade": "0:2"})
    Campaign.objects.update(gold_rate=1.0)
    made.refresh_from_db()
    for met, user in enumerate(users, start=1):
        label(user, made)
        told = quality.slices(made, "expertise")[0]
        assert told.gold.total == (met if met >= 5 else 0)
    assert (
        told.agreement.alpha.units == 0
    )  # six people answered the one known task; it says nothing of the data


def test_kappas_and_groups_have_their_figures(people):
    users = labelers(5)
    made = campaign(tasks=20, overlap=5)
    join(made, *users)
    for user in users:
        Profile.objects.create(user=user, expertise="physics")
        tallies.add(made.pk, user.pk, submitted=1)
    for n, user in enumerate(users[:2]):
        for position in range(1, 21):
            held = claims.claim(Actor(user=user), made, another=True, task=made.tasks.get(position=position))
            second = position % 2 if position > 2 else n
            hand_in(user, held, {**GOOD["preference"], "grade": f"{second}:2"})
    choice = next(item for item in quality.measure(made).agreement if item.measure.name == "choice")
    assert choice.pairs == pytest.approx((0.9 - 0.495) / (1 - 0.495)), (
        "18 of 20 agree; margins 11 to 9 and 9 to 11"
    )
    for value, interval in (
        (choice.kappa, choice.kappa_interval),
        (choice.pairs, choice.pairs_interval),
        (choice.alpha.value, choice.interval),
    ):
        assert interval.low < value < interval.high
    (group,) = quality.slices(made, "expertise")
    assert (group.people, group.first.total, group.longer.total) == (5, 40, 40)
    assert group.agreement.measure == made.task_kind.measures(made.schema)[0]
    assert group.agreement.alpha.units == 20


def test_reviewers_agreement_is_reported(people, cast, as_role):
    made = campaign("demonstration", tasks=3, review_rate=1.0, reviews_each=2)
    join(made, cast[0])
    for n in range(3):
        done = label(cast[0], made)
        for role in ("reviewer", "admin"):
            scores = dict.fromkeys(("accuracy", "completeness", "clarity", "guideline"), 3 + n % 2)
            reviews.decide(as_role(role), done, Verdict("accept", scores=scores))
    found = {title: alpha.value for title, alpha, _ in quality.measure(made).reviewers}
    assert found["Accuracy"] == pytest.approx(1)


# ---- the API


def test_a_campaign_is_run_over_the_api(api, people):
    source = "# G\n\n## Rule: Be honest {#honest}\nServes: user\n\nSay so.\n"
    version = api("lead", "POST", "/guidelines/g", {"source": source}).json()
    assert version["reference"] == "guideline:g@1"
    made = api("lead", "POST", "/campaigns", {"name": "sky", "kind": "preference", "guideline": "g@1"})
    assert made.status_code == 201
    pk = made.json()["id"]
    rows = [{"prompt": "Why?", "response_a": "So.", "response_b": "Thus.", "topic": "sky"}]
    assert api("lead", "POST", f"/campaigns/{pk}/tasks", {"rows": rows}).json()[0]["topic"] == "sky"
    assert api("lead", "POST", f"/campaigns/{pk}/move", {"to": "live"}).json()["state"] == "live"
    assert [t["position"] for t in api("lead", "GET", f"/campaigns/{pk}/tasks").json()] == [1]
    assert api("lead", "GET", f"/campaigns/{pk}").json()["wanted"] == 1
    bad = api("lead", "POST", f"/campaigns/{pk}/tasks", {"rows": [{"prompt": "x"}]})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid")
    assert "row 1" in bad.json()["message"]
    assert api("labeler", "GET", "/campaigns").status_code == 403
    assert api("labeler", "GET", "/guidelines").json()[0]["name"] == "g"


# ---- home


def test_the_home_page_says_what_waits(client_for, people, as_role):
    made = campaign(tasks=2, lead=people["lead"], review_rate=1.0)
    join(made, people["labeler"])
    done = label(people["labeler"], made)
    assert "1</strong> waiting" in client_for("reviewer").get("/").content.decode()
    reviews.decide(as_role("reviewer"), done, Verdict("return", note="Say why."))
    page = client_for("labeler").get("/").content.decode()
    assert "returned" in page
    assert reverse("labeling:assignment", args=[done.assignment_id]) in page
    lead = client_for("lead").get("/").content.decode()
    assert str(made) in lead


def test_a_changed_introduction_is_part_of_what_changed(people, client_for):
    old, new = guideline(), guideline(number=2)
    for version, words in ((old, "Write for beginners."), (new, "Write for experts.")):
        type(version).objects.filter(pk=version.pk).update(source=f"# Helpful\n\n{words}")
    GuidelineRead.objects.create(user=people["labeler"], version=old)
    client = client_for("labeler")
    for name, numbers in (("guideline_diff", [1, 2]), ("guideline_pane", [2])):
        page = client.get(reverse(f"labeling:{name}", args=["helpful", *numbers])).content.decode()
        assert "Introduction" in page
        assert "experts" in page.split("Introduction")[1]
