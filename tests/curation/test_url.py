"""The address filter: lists by category, words, strings, IP hosts, and saying what could not run."""

from pathlib import Path

import pytest

from curation.pipeline.filters import blocklists
from curation.pipeline.filters import url as step
from curation.pipeline.filters.blocklists import bare_address, load_blocklist
from curation.pipeline.step import Resources, not_run
from tests.curation.judging import NOTHING, document, judge, reason

NO_WORDS = {"banned_words": (), "soft_banned_words": (), "banned_substrings": ()}


@pytest.fixture
def lists(tmp_path: Path) -> Resources:
    """A folder with two categories, one of addresses and one of hosts, as they are published."""
    for category, name, entries in (
        ("adult", "domains", "bad.example\nsub.mixed.example\n# a comment\n\nUPPER.example\n192.0.2.7\n"),
        ("phishing", "urls", "host.example/login/fake\nwww.other.example/x/\n"),
        ("phishing", "domains", "bad.example\n"),
    ):
        (tmp_path / category).mkdir(exist_ok=True)
        (tmp_path / category / name).write_text(entries)
    return Resources(blocklists=tmp_path)


def why(url: str, resources: Resources = NOTHING, **settings: object) -> str | None:
    return reason(step, document("text", url), resources, **settings)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://bad.example/page", "list_adult"),
        ("https://www.bad.example:8080/", "list_adult"),
        ("https://a.b.bad.example", "list_adult"),
        ("https://BAD.example./", "list_adult"),
        ("http://upper.example/", "list_adult"),
        ("https://notbad.example/", None),
        ("https://bad.example.org/", None),
        ("https://mixed.example/", None),
        ("https://sub.mixed.example/", "list_adult"),
        ("http://host.example/login/fake", "list_phishing"),
        ("https://www.host.example/login/fake/", "list_phishing"),
        ("https://host.example/login", None),
        ("https://other.example/x", "list_phishing"),
    ],
)
def test_hosts_their_children_and_addresses_are_looked_up(lists, url, expected):
    assert why(url, lists) == expected


def test_the_listed_name_is_told(lists):
    drop = judge(step, document("text", "https://deep.bad.example/x"), lists)
    assert (drop.reason, drop.value) == ("list_adult", "bad.example")


def test_only_the_chosen_categories_are_asked(lists):
    assert why("https://bad.example/", lists, categories=("phishing",)) == "list_phishing"
    assert why("https://sub.mixed.example/", lists, categories=("phishing",)) is None
    assert why("https://bad.example/", lists, categories=()) is None


def test_categories_without_files_are_named_as_not_run(lists):
    settings = step.Settings(categories=("adult", "gambling", "phishing"))
    assert len(not_run(step, settings, lists)) == 1
    assert "blocklist gambling" in not_run(step, settings, lists)[0]
    assert len(not_run(step, settings, Resources())) == 3
    assert not_run(step, step.Settings(categories=()), Resources()) == []


@pytest.mark.parametrize(
    "host", ["93.184.216.34", "93.184.216.34:8080", "[2001:db8::1]", "[::1]:80", "3520653040", "0x5db8d822"]
)
def test_ip_hosts_go(host):
    assert why(f"http://{host}/page") == "ip_host"
    assert why(f"http://{host}/page", ip_hosts=False) is None


@pytest.mark.parametrize("host", ["1.example.com", "example.com", "192-0-2-1.example.net", "4chan.example"])
def test_hosts_with_numbers_in_them_stay(host):
    assert why(f"http://{host}/page") is None


@pytest.mark.parametrize("url", ["", "no address", "http://", "http://[::1/", "/relative/path", "https:///x"])
def test_what_is_no_address_is_named(url):
    assert why(url) == "bad_url"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/best-xxx-page", "banned_word"),
        ("https://example.com/XXX", "banned_word"),
        ("https://xxx.example.com/", "banned_word"),
        ("https://example.com/xxxl-shirts", None),
        ("https://example.com/sex-education", None),
        ("https://example.com/hot/sex", "soft_banned_words"),
        ("https://example.com/sex/sex/sex", None),
        ("https://example.com/free-porn-hub-videos", "banned_word"),
        ("https://example.com/freep-or-nhub", "banned_substring"),
        ("https://example.com/my.you-porn.mirror", "banned_word"),
        ("https://example.com/Red_Tube", "banned_substring"),
        ("https://example.com/red/tubes", "banned_substring"),
        ("https://example.com/red/table", None),
        ("https://scunthorpe.example/essex-sussex", None),
    ],
)
def test_words_and_strings_ban_an_address(url, expected):
    assert why(url) == expected


@pytest.mark.parametrize(
    ("threshold", "expected"), [(2, "soft_banned_words"), (3, "soft_banned_words"), (4, None)]
)
def test_the_number_of_soft_words_can_be_set(threshold, expected):
    assert why("https://example.com/hot-sexy-girls", soft_threshold=threshold) == expected


def test_words_can_be_given_by_the_recipe_and_by_files(tmp_path):
    for name, word in (
        ("banned_words", "spam"),
        ("soft_banned_words", "meh\nbah"),
        ("banned_substrings", "eggs"),
    ):
        (tmp_path / name).write_text(f"# list\n{word}\n")
    files = Resources(blocklists=tmp_path)
    assert why("https://example.com/spam", files, **NO_WORDS) == "banned_word"
    assert why("https://example.com/meh/bah", files, **NO_WORDS) == "soft_banned_words"
    assert why("https://example.com/leggs-on", files, **NO_WORDS) == "banned_substring"
    assert why("https://example.com/xxx", files, **NO_WORDS) is None
    assert why("https://example.com/Foo", banned_words=("foo",)) == "banned_word"


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://www.Example.com/Path/", "example.com/Path"),
        ("HTTP://example.com", "example.com"),
        ("example.com/a?b=c", "example.com/a?b=c"),
        ("ftp://x.example/y", "x.example/y"),
    ],
)
def test_addresses_are_brought_to_the_spelling_of_the_lists(url, bare):
    assert bare_address(url) == bare


def test_a_large_list_stays_small_and_finds_what_it_holds(tmp_path):
    (tmp_path / "adult").mkdir()
    (tmp_path / "adult" / "domains").write_text("\n".join(f"host{i}.example" for i in range(20_000)))
    loaded = load_blocklist(tmp_path, ("adult",))
    assert len(loaded) == 20_000
    assert loaded.hashes.nbytes + loaded.owners.nbytes == 20_000 * 9
    assert all(loaded.find(f"host{i}.example") == "adult" for i in range(0, 20_000, 997))
    assert loaded.find("host20000.example") == ""
    assert blocklists.load_blocklist(tmp_path, ("adult",)) is loaded
