"""Addresses of people, invitations, skills, audit and the profile."""

from django.urls import path

from tilth.accounts.views import audit, invitations, people, profile, skills

app_name = "accounts"
urlpatterns = [
    path("profile/", profile.profile, name="profile"),
    path("profile/tokens/new/", profile.create_token, name="token_create"),
    path("profile/tokens/<int:pk>/revoke/", profile.revoke_token, name="token_revoke"),
    path("invitation/<str:token>/", invitations.accept, name="accept"),
    path("admin/people/", people.index, name="people"),
    path("admin/people/invite/", invitations.invite, name="invite"),
    path("admin/people/invitations/<int:pk>/resend/", invitations.resend, name="resend"),
    path("admin/people/invitations/<int:pk>/revoke/", invitations.revoke, name="revoke"),
    path("admin/people/<int:pk>/", people.person, name="person"),
    path("admin/people/<int:pk>/role/", people.change_role, name="role"),
    path("admin/people/<int:pk>/skills/", people.set_skills, name="person_skills"),
    path("admin/people/<int:pk>/deactivate/", people.deactivate, name="deactivate"),
    path("admin/people/<int:pk>/reactivate/", people.reactivate, name="reactivate"),
    path("admin/people/<int:pk>/anonymise/", people.anonymise, name="anonymise"),
    path("admin/skills/", skills.index, name="skills"),
    path("admin/skills/<int:pk>/", skills.edit, name="skill"),
    path("admin/skills/<int:pk>/archive/", skills.archive, name="skill_archive"),
    path("admin/audit/", audit.index, name="audit"),
    path("admin/audit.csv", audit.download, name="audit_csv"),
]
