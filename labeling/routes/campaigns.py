"""Addresses of campaigns and their rosters."""

from django.urls import path

from labeling.views import announcements, campaigns, roster

urlpatterns = [
    path("campaigns/", campaigns.index, name="campaigns"),
    path("campaigns/new/", campaigns.new, name="campaign_new"),
    path("campaigns/<int:pk>/", campaigns.campaign, name="campaign"),
    path("campaigns/<int:pk>/edit/", campaigns.edit, name="campaign_edit"),
    path("campaigns/<int:pk>/leads/", campaigns.set_leads, name="campaign_leads"),
    path("campaigns/<int:pk>/move/", campaigns.move, name="campaign_move"),
    path("campaigns/<int:pk>/duplicate/", campaigns.duplicate, name="campaign_duplicate"),
    path("campaigns/<int:pk>/guideline/", campaigns.pin, name="campaign_pin"),
    path("campaigns/moves/<int:pk>/", campaigns.moved, name="guideline_move"),
    path("campaigns/<int:pk>/roster/", roster.index, name="campaign_roster"),
    path("campaigns/<int:pk>/roster/invite/", roster.invite, name="roster_invite"),
    path("campaigns/<int:pk>/roster/file/", roster.invite_file, name="roster_file"),
    path("campaigns/rosters/<int:pk>/", roster.table, name="roster_import"),
    path("campaigns/rosters/<int:pk>/<str:what>.csv", roster.table_report, name="roster_report"),
    path("campaigns/<int:pk>/roster/reserve/", roster.reserve, name="reserve"),
    path("campaigns/<int:pk>/roster/held/", roster.held, name="held"),
    path("campaigns/<int:pk>/announce/", announcements.announce, name="announce"),
    path("announcements/<int:pk>/", announcements.index, name="announcements"),
    path("announcements/<int:pk>/read/", announcements.read, name="announcements_read"),
    path("members/<int:pk>/<str:verb>/", roster.member, name="member"),
    path("invites/<int:pk>/withdraw/", roster.withdraw, name="invite_withdraw"),
    path("join/<int:pk>/", roster.join, name="join"),
    path("leave/<int:pk>/", roster.leave, name="leave"),
    path("profile/", roster.profile, name="profile"),
    path("profile/<int:pk>/", roster.profile_of, name="profile_of"),
]
