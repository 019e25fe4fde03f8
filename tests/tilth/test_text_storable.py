"""What databases do not keep is taken out of values, of forms and of queries, on the way in."""

import json

import pytest
from django.http import HttpResponse, QueryDict
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from tilth.text.storable import storable
from tilth.ui.middleware import storable_forms

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ('"a\\u0000b"', "ab"),
        ('{"a\\u0000": ["\\ud800"]}', {"a": ["?"]}),
        ("[NaN, Infinity, -Infinity, 1e400, 1.5]", [None, None, None, None, 1.5]),
    ],
)
def test_what_python_reads_and_databases_refuse(given_text, kept):
    assert storable(json.loads(given_text)) == kept


@given(JSON)
def test_what_is_kept_is_strict_json_and_kept_twice_is_the_same(value):
    kept = storable(value)
    text = json.dumps(kept, allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode()
    assert storable(kept) == kept


def test_forms_and_queries_lose_their_null_characters_alone():
    seen = {}

    def view(request):
        seen["query"], seen["form"] = request.GET, request.POST
        return HttpResponse()

    request = RequestFactory().post("/?q=a%00b&q=c", {"reason": "no\x00t mine", "other": ["1", "2"]})
    storable_forms(view)(request)
    assert seen["query"] == QueryDict("q=ab&q=c")
    assert seen["form"]["reason"] == "not mine"
    assert seen["form"].getlist("other") == ["1", "2"]
