"""Mails as their readers see them: five kinds, in three languages, on a white ground, on a dark one and on a phone."""

import pytest

KINDS = ("confirm", "back", "placed", "moved", "ended")
LANGUAGES = {"en": "ltr", "de": "ltr", "ar": "rtl"}
WAYS = ("desktop", "dark", "phone")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_can_be_read_by_everybody_in_their_own_direction(at, post, kind, language, way):
    newest = post.mails(f"{kind}-{language}@example.com", at_least=2 if kind == "moved" else 1)[0]
    view = at(way)
    view.open(f"{newest}html/" + ("?dark" if way == "dark" else ""))

    page = view.page
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dir, document.compatMode]") == [
        language,
        LANGUAGES[language],
        "CSS1Compat",
    ]
    assert page.locator("h1").count() == 1
    assert page.locator("a[href^='http']").count() > 0
    assert page.locator("img:not([alt])").count() == 0
    assert view.troubles() == []
    view.picture(f"letter-{kind}-{language}")
