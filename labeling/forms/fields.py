"""Fields that Django's own leave a hole in: numbers that no database holds, JSON that Python refuses to read."""

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


class JSONField(forms.JSONField):
    """JSON; numbers of thousands of digits and nesting without end are faults of the text, not of the page."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"This JSON cannot be read: {error}"[:200], code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (ValueError, RecursionError):
            return forms.fields.InvalidJSONInput(data)
