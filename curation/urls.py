"""Addresses of the curation app."""

from django.urls import path

from curation.views import crawled, drops, recipes, runs

app_name = "curation"
urlpatterns = [
    path("", runs.runs, name="runs"),
    path("new/", runs.new_run, name="new"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/live/", runs.live, name="live"),
    path("runs/<int:pk>/start/", runs.start, name="start"),
    path("runs/<int:pk>/discard/", runs.discard, name="discard"),
    path("runs/<int:pk>/throttle/", runs.throttle, name="throttle"),
    path("runs/<int:pk>/retry/", runs.retry, name="retry"),
    path("runs/<int:pk>/append/", runs.append, name="append"),
    path("runs/<int:pk>/do/<slug:verb>/", runs.move, name="move"),
    path("runs/<int:pk>/drops/", drops.samples, name="drops"),
    path("runs/<int:pk>/drops/<slug:document>/", drops.sample, name="drop"),
    path("runs/<int:pk>/crawled/", crawled.page, name="crawled"),
    path("runs/<int:pk>/crawled/frame/", crawled.frame, name="crawled_frame"),
    path("recipes/", recipes.recipes, name="recipes"),
    path("recipes/<str:name>/", recipes.recipe, name="recipe"),
    path("recipes/<str:name>/versions/<int:number>/", recipes.recipe, name="recipe_version"),
    path("recipes/<str:name>/edit/", recipes.edit_recipe, name="recipe_edit"),
    path("recipes/<str:name>/text/", recipes.edit_recipe_text, name="recipe_text"),
    path("recipes/<str:name>/archive/", recipes.archive_recipe, name="recipe_archive"),
]
