"""Forms of the account pages."""

from django import forms


class ApiSecretForm(forms.Form):
    """Names a new API secret, so that its owner knows later which one it is."""

    name = forms.CharField(
        max_length=50, error_messages={"required": "Give the secret a name, such as where it is used."}
    )
