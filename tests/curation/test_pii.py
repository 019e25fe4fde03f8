"""Personal data: what is found, what is left alone, what is put in its place."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.pipeline import pii as step
from tests.curation.judging import document, judge


def cleaned(text: str, **settings: object) -> str:
    page = document(text)
    assert judge(step, page, **settings) is None
    return page.text


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in step.find_emails(text)]


@pytest.mark.parametrize(
    ("text", "emails"),
    [
        ("Write to jane.doe@example.net.", ["jane.doe@example.net"]),
        ("<a+b-c_d@mail.example.co.uk>", ["a+b-c_d@mail.example.co.uk"]),
        ("mailto:joe@x.org, 'ann@y.org'", ["joe@x.org", "ann@y.org"]),
        ("a@b.example@c.example", ["a@b.example"]),
        ("x@[192.0.2.1] and y@sub-host.example", ["x@[192.0.2.1]", "y@sub-host.example"]),
        ("two..dots@x.org", ["dots@x.org"]),
        (".lead@x.org", ["lead@x.org"]),
        ("=eq@x.org", ["eq@x.org"]),
        ("user@host", []),
        ("@handle me @ home", []),
        ("trail.@x.org", []),
        ("a@-x.org a@.org a@x..org", []),
        ("a@b.example-", ["a@b.example"]),
        ("ünï@x.org", []),
        ("é-me@x.org", ["-me@x.org"]),
    ],
)
def test_email_addresses_are_found(text, emails):
    assert found(text) == emails


def test_email_addresses_are_replaced_in_turn_and_counted():
    page = document("a@x.org, b@x.org; c@x.org")
    judge(step, page)
    assert page.text == "email@example.com, firstname.lastname@example.org; email@example.com"
    assert page.signals == {"pii_emails": 3, "pii_ip_addresses": 0, "pii_phones": 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ping 8.8.4.4 now", "ping 22.214.171.124 now"),
        ("8.8.4.4:53/x", "22.214.171.124:53/x"),
        ("ends in 8.8.4.4.", "ends in 22.214.171.124."),
        ("10.0.0.1 192.168.1.1 172.16.9.9 127.0.0.1 169.254.1.1", None),
        ("256.8.4.4 8.8.4.256 8.8.4 1.2", None),
        ("8.8.04.4", None),
        ("section 5.2.1.4.1 and 1.3.6.1.4.1.311", None),
        ("version 8.8.4.4444", None),
        ("8.8.4.4.example", "22.214.171.124.example"),
    ],
)
def test_public_ip_addresses_are_replaced_and_others_kept(text, expected):
    assert cleaned(text) == (text if expected is None else expected)


def test_private_addresses_can_be_replaced_too():
    assert cleaned("10.0.0.1", public_only=False) == "22.214.171.124"


def test_six_ip_addresses_are_used_in_turn():
    replaced = cleaned(" ".join(["8.8.4.4"] * 7)).split()
    assert len(set(replaced)) == 6 and replaced[6] == replaced[0]


PHONES = [
    "+49 30 901820",
    "+1 (212) 555 0199",
    "(212) 555-0199",
    "212-555-0199",
    "+44 20 7946 0958",
    "030 9018 2000",
    "+33 1 42 68 53 00",
]
NO_PHONES = [
    "2026-05-12",
    "12:30:45",
    "1 000 000 000",
    "10.5 20.5 30.5",
    "978-3-16-148410-0",
    "12 34",
    "1990-2000",
]


@pytest.mark.parametrize("phone", PHONES)
def test_phone_numbers_are_replaced_only_when_asked_for(phone):
    text = f"Call {phone}, please"
    assert cleaned(text) == text
    assert cleaned(text, phones=True) == "Call +1 202-555-0134, please"


@pytest.mark.parametrize("text", NO_PHONES)
def test_dates_times_and_sums_are_no_phone_numbers(text):
    assert cleaned(f"Seen {text} there", phones=True) == f"Seen {text} there"


def test_each_kind_can_be_left_alone():
    text = "a@x.org 8.8.4.4"
    assert cleaned(text, emails=False, ip_addresses=False) == text


def test_the_result_does_not_depend_on_the_documents_before():
    apply = step.build(step.Settings(), None)
    first, second = document("a@x.org"), document("a@x.org")
    apply(first)
    apply(second)
    assert first.text == second.text == "email@example.com"


NAME = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
WHOLE_PATTERN = re.compile(rf"\b{NAME}(?:\.{NAME})*@(?:{LABEL}\.)+{LABEL}")


@settings(deadline=None)
@given(st.text(alphabet="ab1.@-_'é \n+[", max_size=60))
@example("a.b@c.d@e.f")
@example("..a@b.c")
def test_the_search_from_the_at_sign_finds_what_one_pattern_finds(text):
    assert found(text) == WHOLE_PATTERN.findall(text)


@pytest.mark.parametrize(
    "unit", ["@", "a@", "a", "a.", ".", "-", "a@a.", "1.", "1", "1.1.1.1.", "+1 ", "(12)"]
)
def test_long_runs_of_what_addresses_are_made_of_are_read_through(unit):
    text = unit * (400_000 // len(unit))
    page = document(text)
    assert judge(step, page, phones=True) is None
