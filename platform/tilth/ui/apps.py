"""The ui app: the shell around every page, and the components that pages are made of."""

from django.apps import AppConfig


class UiConfig(AppConfig):
    """Base template, components, Markdown, charts, error pages."""

    name = "tilth.ui"
    label = "ui"
