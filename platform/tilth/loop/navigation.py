"""The loop app's entries in the navigation."""

from tilth.ui.navigation import register

register(section="Home", label="Home", url_name="loop:home", permission="home.view", order=0)
