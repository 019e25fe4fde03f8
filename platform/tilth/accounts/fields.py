"""A field that Django's own leaves a hole in: choices by numbers that no database holds."""

from typing import Any

from django import forms

DIGITS = 18
"""Digits of the largest key that is looked up."""


class SeveralField(forms.ModelMultipleChoiceField):
    """Several rows; a number that no database holds is no row, as any other that is not there."""

    def clean(self, value: Any) -> Any:
        for key in value or ():
            if len(str(key)) > DIGITS:
                raise forms.ValidationError(
                    f"{str(key)[:DIGITS]}… is not one of the choices.", code="invalid_choice"
                )
        return super().clean(value)
