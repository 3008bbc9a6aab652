"""Names of what a submission must hold, and what may be wrong with its required entries."""

from __future__ import annotations

import re
from collections.abc import Mapping

STAGES = {
    "1.1": ("predictions",),
    "2.2": ("first_stage_predictions", "second_stage_predictions"),
}
# The word of the command → the key in the file.
FIELDS = {
    "team_name": "team_name",
    "authors": "authors",
    "email": "email",
    "institution": "institution",
    "country": "country / region",
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PLACEHOLDERS = ("must_set", "???", "none", "null", "todo")


def as_text(value: object) -> object:
    """A value of an entry; several texts (the devkit's `authors=[a,b]`) as one."""
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value


def field_faults(fields: Mapping[str, object]) -> list[str]:
    """What is wrong with the required entries, given under the keys of the file."""
    faults = []
    for word, key in FIELDS.items():
        value = as_text(fields.get(key))
        if not isinstance(value, str) or not value.strip():
            found = "missing" if value is None else f"{value!r}, no text"
            faults.append(f"'{key}' is {found} ({word}=)")
        elif value.strip().lower() in _PLACEHOLDERS:
            faults.append(f"'{key}' is still the placeholder {value!r} ({word}=)")
    email = fields.get("email")
    if isinstance(email, str) and email.strip() and not _EMAIL.fullmatch(email.strip()):
        faults.append(f"'email' is {email!r}, no address")
    return faults
