"""Addresses of review."""

from django.urls import path

from labeling.views import reviews

urlpatterns = [
    path("review/", reviews.queue, name="review"),
    path("review/next/", reviews.next_review, name="review_next"),
    path("review/<uuid:pk>/", reviews.review, name="review_annotation"),
    path("review/<uuid:pk>/decide/", reviews.decide, name="review_decide"),
    path("review/<uuid:pk>/release/", reviews.release, name="review_release"),
    path("annotations/<uuid:pk>/", reviews.annotation, name="annotation"),
    path("annotations/<uuid:pk>/mine/", reviews.my_annotation, name="my_annotation"),
    path("annotations/<uuid:pk>/accept/", reviews.reverse_decision, name="annotation_accept"),
    path("tasks/<int:pk>/adjudicate/", reviews.adjudicate, name="task_adjudicate"),
    path("tasks/<int:pk>/others/", reviews.others, name="others"),
    path("campaigns/<int:pk>/disagreements/", reviews.disagreements, name="disagreements"),
    path("campaigns/<int:pk>/flags/", reviews.flag_list, name="flags"),
    path("flags/<int:pk>/", reviews.flag_decide, name="flag_decide"),
]
