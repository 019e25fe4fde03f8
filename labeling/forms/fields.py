"""A field that Django's own leaves a hole in: JSON that Python refuses to read."""

from typing import Any

from django import forms


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
