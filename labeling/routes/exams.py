"""Addresses of exams."""

from django.urls import path

from labeling.views import exams

urlpatterns = [
    path("exams/", exams.index, name="exams"),
    path("exams/new/", exams.new, name="exam_new"),
    path("exams/<int:pk>/", exams.exam, name="exam"),
    path("exams/<int:pk>/answers/", exams.answers, name="exam_answers"),
    path("exams/attempts/<int:pk>/grant/", exams.grant, name="exam_grant"),
    path("exams/<int:pk>/items/", exams.items, name="exam_items"),
    path("exams/<int:pk>/archive/", exams.archive, name="exam_archive"),
    path("exams/<int:pk>/sit/", exams.sit, name="exam_sit"),
    path("exams/<int:pk>/sit/<int:number>/", exams.question, name="exam_question"),
    path("exams/<int:pk>/sit/<int:number>/answer/", exams.answer, name="exam_answer"),
    path("exams/<int:pk>/finish/", exams.finish, name="exam_finish"),
]
