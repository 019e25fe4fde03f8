"""The way in and out: allauth's views that Tilth uses, each under its permission, and no others.

allauth finds its pages by global names such as ``account_login``, so these carry no namespace.
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from django.urls import path, re_path

from tilth.accounts.permissions import public, requires
from tilth.accounts.views.invitations import sign_up

own = requires("account.own")

urlpatterns = [
    path("sign-in/", public(account.login), name="account_login"),
    path("sign-in/code/", public(mfa.authenticate), name="mfa_authenticate"),
    path("sign-out/", public(account.logout), name="account_logout"),
    path("sign-up/", sign_up, name="account_signup"),
    path("inactive/", public(account.account_inactive), name="account_inactive"),
    path("confirm/", own(account.reauthenticate), name="account_reauthenticate"),
    path("confirm/code/", own(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("password/", own(account.password_change), name="account_change_password"),
    path("password/reset/", public(account.password_reset), name="account_reset_password"),
    path("password/reset/sent/", public(account.password_reset_done), name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        public(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/done/",
        public(account.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
    path("profile/second-factor/", own(mfa.index), name="mfa_index"),
    path("profile/second-factor/on/", own(totp.activate_totp), name="mfa_activate_totp"),
    path("profile/second-factor/off/", own(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("profile/recovery-codes/", own(codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path(
        "profile/recovery-codes/new/", own(codes.generate_recovery_codes), name="mfa_generate_recovery_codes"
    ),
]
