"""Registered domains."""

import pytest

from tilth.text.domains import registered_domain


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.example.com/page", "example.com"),
        ("http://a.b.example.co.uk:8080/x?y=http://other.org", "example.co.uk"),
        ("https://EXAMPLE.org.", "example.org"),
        ("https://user:secret@shop.example.de/", "example.de"),
        ("https://www.bücher.example.at/", "example.at"),
        ("http://93.184.216.34/x", "93.184.216.34"),
        ("http://localhost/x", "localhost"),
        ("https://co.uk/", "co.uk"),
        ("no address", ""),
        ("http://[::1/", ""),
        ("", ""),
    ],
)
def test_the_part_that_somebody_owns_is_found(url, domain):
    assert registered_domain(url) == domain
