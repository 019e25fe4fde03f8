"""Addresses of tasks, imports and coverage."""

from django.urls import path

from labeling.views import coverage, imports, tasks

urlpatterns = [
    path("campaigns/<int:pk>/tasks/", tasks.index, name="campaign_tasks"),
    path("campaigns/<int:pk>/tasks/add/", tasks.add, name="task_add"),
    path("campaigns/<int:pk>/import/", imports.new_import, name="campaign_import"),
    path("campaigns/<int:pk>/coverage/", coverage.coverage, name="campaign_coverage"),
    path("campaigns/<int:pk>/quota/", coverage.quota, name="quota"),
    path("campaigns/<int:pk>/prompt/", tasks.write_prompt, name="write_prompt"),
    path("campaigns/tasks/<int:pk>/", tasks.task, name="task"),
    path("campaigns/tasks/<int:pk>/edit/", tasks.edit, name="task_edit"),
    path("campaigns/tasks/<int:pk>/gold/", tasks.gold, name="task_gold"),
    path("campaigns/tasks/<int:pk>/page/", tasks.page, name="task_page"),
    path("campaigns/imports/<int:pk>/", imports.import_status, name="import"),
    path("campaigns/imports/<int:pk>/bad-rows.csv", imports.import_report, name="import_report"),
    path("campaigns/imports/<int:pk>/<str:verb>/", imports.import_step, name="import_step"),
]
