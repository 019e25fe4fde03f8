"""The jobs app's entries in the navigation."""

from tilth.ui.navigation import register

register(section="Jobs", label="Jobs", url_name="jobs:list", permission="jobs.view", order=10)
register(
    section="Jobs",
    label="Workers",
    url_name="jobs:workers",
    permission="workers.view",
    order=20,
    icon="worker",
)
