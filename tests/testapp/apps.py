"""An app of the tests' own: job kinds whose programs do what a test asks for."""

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    """Its ``jobs.py`` is discovered like any other app's, in tests and in the workers they start."""

    name = "tests.testapp"
    label = "testapp"
