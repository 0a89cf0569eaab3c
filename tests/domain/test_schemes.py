"""Previews in one colour scheme."""

import pytest

from backorders.domain.schemes import in_scheme

MAIL = (
    '<meta name="color-scheme" content="light dark"><style>:root { color-scheme: light dark; }'
    "@media ( prefers-color-scheme : dark ) { a { color: white } }@media (prefers-color-scheme:light) { a { color: black } }</style>"
)


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_what_a_mail_asks_of_the_readers_screen_is_settled(scheme, other):
    seen = in_scheme(MAIL, scheme)
    assert "prefers-color-scheme" not in seen
    assert f'content="{scheme}"' in seen and f"color-scheme: {scheme};" in seen
    yes, no = ("white", "black") if scheme == "dark" else ("black", "white")
    assert f"@media (min-width: 0px) {{ a {{ color: {yes} }} }}" in seen
    assert f"@media (min-width: 99999px) {{ a {{ color: {no} }} }}" in seen
