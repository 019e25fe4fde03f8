"""Safeguards and other pure parts of labeling."""

import io
import random
import time
import uuid
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.protocol import (
    activity,
    disagreement,
    guideline,
    inputs,
    lint,
    media,
    payload,
    personal,
    telltale,
)
from labeling.protocol.identity import uuid7
from labeling.protocol.kind import Measure
from labeling.protocol.registry import kind_of
from labeling.protocol.rosterfile import read_roster
from labeling.protocol.similarity import Index, contained, long_enough
from tilth.errors import InvalidInput
from tilth.jobs.broker import redis_settings
from tilth.text import diff
from tilth.text.diff import edit_distance, word_diff


def codes(answer, prompt="Tell me."):
    return [
        f.code
        for f in lint.lint([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])
    ]


@pytest.mark.parametrize(
    ("answer", "prompt", "code"),
    [
        ("12 × 34 = 400.", "Tell me.", "wrong_arithmetic"),
        ("The product: 4871 × 3692 = 17983732.", "Tell me.", "leap"),
        (
            "408. Because 17 times 20 is 340 and 17 times 4 is 68.",
            "What is the product of 17 and 24? Calculate it.",
            "answer_first",
        ),
        ("There are 3 of them.", "How many r's are in strawberry?", "count_leap"),
        ("I have just checked the web and it is open.", "Tell me.", "ability"),
        ("As we discussed last week, it works.", "Tell me.", "ability"),
        ("```python\nprint(1)", "Tell me.", "open_fence"),
        ("It is $\\frac{1}{2$ of that.", "Tell me.", "bad_maths"),
        ("<div>Hello</div>", "Tell me.", "html"),
        ("It grows because the roots take in water and then the whole plant", "Tell me.", "unfinished"),
    ],
)
def test_what_teaches_a_model_badly_is_found(answer, prompt, code):
    assert code in codes(answer, prompt)


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        ("17 × 24 = 17 × 20 + 17 × 4 = 340 + 68 = 408.", "Calculate 17 times 24."),
        ("s-t-r-a-w-b-e-r-r-y: r stands at 3, 8 and 9, so 3.", "How many r's are in strawberry?"),
        ("Paris.", "What is the capital of France?"),
        ("It costs $5 to $10 a month.", "How much is it?"),
        ("```python\nif a < b:\n    print('<div>')\n```", "Show me code."),
        ("- wheat\n- barley\n- rye", "Name three cereals."),
        ("The area is $\\pi r^2$.", "What is the area of a circle?"),
        ("1/3 = 0.33, about a third.", "Tell me."),
        ("You can check the website of your bank for this.", "Tell me."),
        ("2024-01-05 = a Friday", "Tell me."),
    ],
)
def test_good_answers_stay_silent(answer, prompt):
    assert codes(answer, prompt) == []


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=400), st.text(max_size=80))
def test_lint_and_personal_data_never_stumble_and_point_into_the_text(answer, prompt):
    for finding in lint.lint([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]):
        assert 0 <= finding.start <= finding.end <= len(answer)
    for finding in personal.find(answer, "text"):
        assert 0 <= finding.start < finding.end <= len(answer)


def test_a_long_answer_is_examined_quickly():
    text = "The patient 3 + 4 = 7 takes $x$ 12 mg a day (see <b> and a@b. now). " * 900
    begun = time.process_time()
    lint.lint([{"role": "assistant", "content": text}])
    personal.find(text, "t")
    telltale.rate(text)
    assert time.process_time() - begun < 20, "a pattern takes quadratic time"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Write to anna.larsen@hospital.no.", "email"),
        ("Call +49 30 901820 now", "phone"),
        ("Pay with 4111 1111 1111 1111 please", "card"),
        ("Send it to DE89 3704 0044 0532 0130 00", "iban"),
        ("SSN 219-09-9999", "ssn"),
        ("NHS number 943 476 5919", "health"),
        ("MRN: 12345678", "health"),
        ("Date of birth: 12.03.1987", "birth"),
    ],
)
def test_personal_data_is_found(text, code):
    assert [finding.code for finding in personal.find(text, "reason")] == [code]


@pytest.mark.parametrize(
    "text",
    ["Write to somebody@example.org.", "Call 555-123-4567", "4111 1111 1111 1112", "DE00 3704 0044 0532 0130 00",
     "The year 1987 and 192.168.0.1", "NHS number 943 476 5918", "Version 1.2.3.4.5"],
)  # fmt: skip
def test_what_is_nobodys_is_let_through(text):
    assert personal.find(text, "reason") == []


def test_tell_tale_words_need_to_be_many():
    base = telltale.Rate(20, 10_000)
    once = telltale.rate("We delve into this pivotal question. " + "word " * 300)
    assert not telltale.is_high(once, base)
    assert telltale.rate("Wings count as an airfoil in any realm.").hits == 1
    often = telltale.rate(
        "Certainly! Here we delve into the intricate tapestry; it's important to note a pivotal realm. " * 3
    )
    assert telltale.is_high(often, base)
    assert telltale.found("Delve, delve and showcasing")["delve"] == 2


def test_copies_are_found_in_memory_and_in_redis(broker):
    long = "The leaves take up light and turn water and air into sugar which the plant then carries to its roots so that it can grow in the next spring again after a long winter"
    near = long.replace("long winter", "short winter")
    assert long_enough(long)
    assert not long_enough("Because it rains.")
    assert contained(long, f"Before. {long} After.") > 0.9
    for store in (None, redis_settings()):
        index = Index(f"test-{uuid.uuid4()}", store)
        index.add("first", long)
        index.add("first", long)
        assert index.near(near) == ["first"]
        assert (
            index.near("Something else entirely about ships that cross the sea at night under the stars " * 3)
            == []
        )
        index.remove(["first"])
        assert index.near(near) == []


def test_ways_of_input_are_known_and_bounded():
    assert inputs.clean({"typed": 5, "deleted": 0}) == {"typed": 5}
    for wrong in ({"thought": 1}, {"typed": -1}, {"typed": 1.5}, {"typed": True}):
        with pytest.raises(InvalidInput):
            inputs.clean(wrong)
    assert inputs.foreign_share({"typed": 30, "pasted_elsewhere": 50, "dropped": 20, "deleted": 900}) == 0.7
    assert inputs.foreign_share({}) == 0
    told = inputs.clean({"corrected": 6, "dictated": 4, "pasted_elsewhere": 10})
    assert inputs.foreign_share(told) == 0.5, "a corrected word and a dictated one are the writer's own"


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_nobody_is_credited_more_than_the_clock(active, idle, elapsed):
    spent = activity.credit(active, idle, elapsed)
    assert spent.active >= 0
    assert spent.idle >= 0
    assert spent.active + spent.idle <= max(0, elapsed) + activity.GRACE_SECONDS + 1e-6


def test_payloads_are_objects_of_bounded_depth():
    deep = {}
    for _ in range(20):
        deep = {"a": [deep]}
    with pytest.raises(InvalidInput, match="deep"):
        payload.check_payload(deep)
    assert payload.check_payload({"a": [{"b": 1}]})


def test_disagreement_grows_with_the_distance():
    nominal, ordinal = Measure("c", "C", "nominal"), Measure("s", "S", "ordinal")
    assert disagreement.disagreement([nominal], [{"c": "a"}, {"c": "a"}]) == 0
    assert disagreement.disagreement([nominal], [{"c": "a"}, {"c": "b"}]) == 1
    near = disagreement.disagreement([ordinal], [{"s": 1}, {"s": 2}])
    assert 0 < near < disagreement.disagreement([ordinal], [{"s": 1}, {"s": 5}]) < 1
    assert disagreement.disagreement([ordinal], [{"s": 1}]) is None


def test_uuid7_sorts_by_time():
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()
    assert first.version == second.version == 7
    assert first.variant == uuid.RFC_4122
    assert str(first) < str(second)


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_files_are_told_by_their_bytes():
    assert media.sniff(b"\x89PNG\r\n\x1a\n....", "x.txt") == "image/png"
    assert media.sniff(b"%PDF-1.7", "x.png") == "application/pdf"
    assert media.sniff(b"<svg onload=alert(1)>", "x.svg") == "text/plain", "SVG is shown as text, never drawn"
    assert media.sniff(b"<p>hello", "page.html") == "text/html"
    assert [f.path for f in media.read_project(zipped({"a.py": "1", "b/c.md": "2"}))] == ["a.py", "b/c.md"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MZ\x90\x00\x03",
        zipped({"a.bin": b"\xff\xfe\x00"}),
        zipped({"bomb.txt": b"0" * 9_000_000}),
        b"PK\x03\x04broken",
    ],
    ids=["empty", "program", "binary in zip", "zip bomb", "damaged zip"],
)
def test_other_files_are_refused(data):
    with pytest.raises(InvalidInput):
        media.sniff(data, "file")


def test_rosters_are_read_line_by_line():
    text = "\ufeffE-Mail;Weekly minutes;Languages\nAnna@example.org;300;en de\nnobody;;\nb@example.org;many;\nc@example.org;0;english\n"
    lines = list(read_roster(text))
    assert (lines[0].email, lines[0].weekly_minutes, lines[0].fields["languages"]) == (
        "anna@example.org",
        300,
        ["en", "de"],
    )
    assert [(line.number, bool(line.fault)) for line in lines] == [
        (2, False),
        (3, True),
        (4, True),
        (5, True),
    ]
    with pytest.raises(InvalidInput, match="email"):
        list(read_roster("name,age\nA,1\n"))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120), st.text(max_size=120))
def test_a_difference_gives_both_texts_back(old, new):
    pieces = word_diff(old, new)
    assert "".join(text for kind, text in pieces if kind != "added") == old
    assert "".join(text for kind, text in pieces if kind != "removed") == new
    assert 0 <= edit_distance(old, new) <= 1


@pytest.mark.parametrize(
    ("old", "new", "changed", "distance"),
    [
        ("天空是蓝色的。", "天空是红色的。", ("蓝", "红"), 1 / 7),
        ("हिन्दी भाषा", "हिन्दू भाषा", ("हिन्दी", "हिन्दू"), 1 / 2),
        ("ein cafe\u0301 hier", "ein cafe hier", ("cafe\u0301", "cafe"), 1 / 3),
        ("a 👨‍👩‍👧 b", "a 👨‍👩‍👦 b", ("👨‍👩‍👧", "👨‍👩‍👦"), 1 / 3),
        ("👍🏽 🇩🇪", "👍🏽 🇩🇰", ("🇩🇪", "🇩🇰"), 1 / 2),
    ],
)
def test_a_difference_never_splits_a_character_and_counts_scripts_without_spaces(old, new, changed, distance):
    pieces = word_diff(old, new)
    assert [text for kind, text in pieces if kind != "same"] == list(changed)
    assert edit_distance(old, new) == pytest.approx(distance)


def long_text(words: int, seed: int) -> list[str]:
    drawn = random.Random(seed)
    return [f"{drawn.choice('abcdefgh')}{drawn.randrange(3000)}" for _ in range(words)]


def test_long_texts_are_compared_word_by_word():
    """Two texts of 200 KB and more, changed here and there: each change is found, and nothing else."""
    old = long_text(40_000, 1)
    new = list(old)
    for place in range(0, 40_000, 1000):
        new[place] = "changed"
    del new[500:510]
    pieces = word_diff(" ".join(old), " ".join(new))
    assert sum(kind == "added" for kind, _ in pieces) == 40
    assert "".join(text for kind, text in pieces if kind != "added") == " ".join(old)
    assert "".join(text for kind, text in pieces if kind != "removed") == " ".join(new)
    assert edit_distance(" ".join(old), " ".join(new)) == 50 / 40_000


def test_very_long_texts_are_still_measured_and_what_has_little_in_common_is_bounded(monkeypatch):
    monkeypatch.setattr(diff, "MOST_CELLS", 1000 * 1000)
    old = long_text(4000, 1)
    near = [*old[:2000], "one", "two", *old[2000:3990]]
    assert edit_distance(" ".join(old), " ".join(near)) == 12 / 4000
    assert sum(kind != "same" for kind, _ in word_diff(" ".join(old), " ".join(near))) <= 3
    strange = long_text(4000, 2)
    monkeypatch.setattr(diff, "PASSAGE", 300)
    assert 0.97 < edit_distance(" ".join(old), " ".join(strange)) <= 1
    assert word_diff(" ".join(old), " ".join(strange)) == [
        ("removed", " ".join(old)),
        ("added", " ".join(strange)),
    ]
    half = [word if n % 2 else "new" for n, word in enumerate(old)]
    assert edit_distance(" ".join(old), " ".join(half)) == 1 / 2, "far more than was looked for"
    monkeypatch.setattr(diff, "_LAST", diff._FIRST + 1)
    assert edit_distance(" ".join(old), " ".join(near)) == 12 / 4000, (
        "as many different words as there may be"
    )


GUIDE = """# Helpful

Before all.

## Rule: Be honest {#honest}
Serves: user, everyone else

Say so.

```
## Rule: not a heading {#no}
```

### Example
Asked: Why?
Good: I do not know.
Bad: Because.
Why: It misleads.
more of it

## Default: Be short {#short}
Serves: user

Brief.
"""


def test_a_guideline_is_read_clause_by_clause():
    parsed = guideline.parse(GUIDE)
    assert parsed.faults == []
    assert (parsed.title, parsed.preamble) == ("Helpful", "Before all.")
    honest, short = parsed.clauses
    assert (honest["id"], honest["kind"], honest["stakeholders"]) == (
        "honest",
        "rule",
        ["user", "everyone else"],
    )
    assert "not a heading" in honest["body"]
    assert honest["examples"] == [
        {"asked": "Why?", "good": "I do not know.", "bad": "Because.", "why": "It misleads.\nmore of it"}
    ]
    assert short["kind"] == "default"


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("# T\n\n## Be honest\nServes: user\n", 3, "Objective, Rule or Default"),
        ("## Rule: Be honest\nServes: user\n", 1, "{#be-honest}"),
        (
            "## Rule: A {#a}\nServes: user\n\n## Rule: B {#a}\nServes: user\n",
            4,
            "taken by the clause of line 1",
        ),
        ("## Rule: A {#a}\nServes: user, cats\n", 2, "'cats' is no stakeholder"),
        ("## Rule: A {#a}\nText.\n", 1, "whom the clause serves"),
        ("## Rule: A {#a}\nServes: user\n\n### Example\nGood: x\nWhy: y\n", 4, "lacks Bad:"),
        ("## Rule: A {#A b}\nServes: user\n", 1, "{#a-b}"),
        ("Just prose.", 1, "no clause yet"),
    ],
)
def test_what_is_wrong_with_a_guideline_is_told_by_line(text, line, complaint):
    faults = guideline.parse(text).faults
    assert any(fault.line == line and complaint in fault.message for fault in faults), faults


def test_the_starter_is_a_valid_guideline():
    from labeling.views.guidelines import STARTER

    parsed = guideline.parse(STARTER.read_text())
    assert parsed.faults == []
    assert len(parsed.clauses) >= 6


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_parsed(text):
    guideline.parse(text)


def test_a_heading_of_nothing_but_spaces_is_read_at_once():
    gap = " " * 150_000  # a pattern that tries every run of spaces takes hours
    parsed = guideline.parse(f"## Rule: Be{gap}true{gap}{{#true}}\nServes: user\n")
    assert [clause["id"] for clause in parsed.clauses] == ["true"]
    assert parsed.clauses[0]["title"] == f"Be{gap}true"


@pytest.mark.parametrize(
    ("heading", "title", "key"),
    [
        ("Rule: Be true {#true}", "Be true", "true"),
        ("RULE :Be true{#true} ", "Be true", "true"),
        ("Rule: Sets {a} and {#b} {#sets}", "Sets {a} and {#b}", "sets"),
        ("Rule: Ends in a set {a}", "Ends in a set {a}", "ends-in-a-set-a"),
        ("Rule: Words after {#it} all", "Words after {#it} all", "words-after-it-all"),
    ],
)
def test_headings_are_cut_into_kind_title_and_id(heading, title, key):
    (clause,) = guideline.parse(f"## {heading}\nServes: user\n").clauses
    assert (clause["kind"], clause["title"], clause["id"]) == ("rule", title, key)


def test_clauses_come_back_from_their_own_text():
    clauses = guideline.parse(GUIDE).clauses
    again = guideline.parse("\n\n".join(guideline.as_text(clause) for clause in clauses))
    assert again.faults == []
    assert again.clauses == clauses


def test_changes_are_told_by_clause():
    old = guideline.parse(GUIDE).clauses
    new = guideline.parse(GUIDE.replace("Brief.", "Very brief.").replace("{#honest}", "{#honesty}")).clauses
    found = guideline.compare(old, new)
    assert (found.added, found.removed, found.changed) == (["honesty"], ["honest"], ["short"])
    assert found.touched == {"honest", "short"}
    assert not guideline.compare(old, old[::-1]), "moving a clause changes nothing"


@pytest.mark.parametrize(
    ("kind", "entry", "value", "complaint"),
    [
        ("rating", "criteria", {"title": 7}, "criteria: title must be a text"),
        ("rating", "criteria", {"help": None}, "criteria: help must be a text"),
        ("rating", "criteria", {"points": ["1: Bad", "2: Good"]}, "criteria: points must be a text"),
        ("preference", "marks", {"title": {"en": "Helpful"}}, "marks: title must be a text"),
        ("preference", "marks", {"name": 3}, "marks: name must be a text"),
        ("preference", "marks", {"weight": 2}, "weight, which is no part"),
        ("conversation", "outcomes", {"score": "2"}, "outcomes: score must be a whole number"),
        ("conversation", "outcomes", {"score": True}, "outcomes: score must be a whole number"),
        ("conversation", "outcomes", {"title": "x" * 2001}, "outcomes: title must be a text"),
    ],
)
def test_every_column_of_a_list_in_a_schema_has_its_type(kind, entry, value, complaint):
    found = kind_of(kind)
    rows = [dict(row) for row in found.default_schema()[entry]]
    rows[0] |= value
    with pytest.raises(InvalidInput, match=complaint) as told:
        found.check_schema({entry: rows})
    assert told.value.field == entry
