"""Addresses of review."""

from django.urls import path

from labeling.views import reviews

urlpatterns = [
    path("review/", reviews.queue, name="review"),
    path("review/next/", reviews.next_review, name="review_next"),
    path("review/<uuid:pk>/", reviews.review, name="review_annotation"),
    path("review/<uuid:pk>/decide/", reviews.decide, name="review_decide"),
    path("review/<uuid:pk>/keep/", reviews.keep, name="review_keep"),
    path("review/<uuid:pk>/release/", reviews.release, name="review_release"),
    path("campaigns/annotations/<uuid:pk>/", reviews.annotation, name="annotation"),
    path("work/annotations/<uuid:pk>/", reviews.my_annotation, name="my_annotation"),
    path("campaigns/annotations/<uuid:pk>/accept/", reviews.reverse_decision, name="annotation_accept"),
    path("campaigns/tasks/<int:pk>/adjudicate/", reviews.adjudicate, name="task_adjudicate"),
    path("campaigns/tasks/<int:pk>/adjudicate/decide/", reviews.adjudicate_decide, name="task_decide"),
    path("work/tasks/<int:pk>/others/", reviews.others, name="others"),
    path("campaigns/<int:pk>/disagreements/", reviews.disagreements, name="disagreements"),
    path("campaigns/<int:pk>/flags/", reviews.flag_list, name="flags"),
    path("flags/<int:pk>/", reviews.flag_decide, name="flag_decide"),
]
