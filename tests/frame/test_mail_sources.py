"""The HTML mails are compiled from MJML; what is committed is what the sources say."""

import re

import pytest

from backorders.domain.outbox import MailKind
from backorders.mail_sources import compiler
from backorders.mail_sources.compiler import TEMPLATES, compiled, names, template_of


@pytest.mark.parametrize("name", names())
def test_compiling_a_source_again_gives_the_template_that_is_committed(name):
    assert template_of(name).read_bytes().decode() == compiled(name), "Run `python3 dev.py mails`."


def test_every_html_mail_has_a_source_and_every_kind_of_mail_is_among_them():
    assert [path.stem for path in sorted(TEMPLATES.glob("*.html"))] == names()
    assert {*MailKind, "digest", "promises_moved"} <= set(names())


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A frame with two columns' worth of nothing, and a place for templates; a function that adds a source."""
    monkeypatch.setattr(compiler, "SOURCES", tmp_path)
    monkeypatch.setattr(compiler, "TEMPLATES", tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.mjml").write_text(text)

    rows = "<mj-text>above</mj-text><mj-raw>{% block content %}{% endblock %}</mj-raw><mj-text>below</mj-text>"
    head = '<mj-head><mj-attributes><mj-text color="#123456" /></mj-attributes></mj-head>'
    write("base", f"<mjml>{head}<mj-body><mj-section><mj-column>{rows}</mj-column></mj-section></mj-body></mjml>")
    return write


def test_components_become_rows_in_the_looks_of_the_frame_and_what_stands_between_them_stays(sources):
    sources("one", "{% if a > 1 %}\n<mj-text>A &amp; <b>b</b><br/>c</mj-text>\n{% endif %}\n{{ c|yesno:'x,y' }}\n")
    html = compiled("one")

    assert html.startswith("{# Compiled from one.mjml by `python3 dev.py mails`. #}{% if a > 1 %} <tr><td ")
    assert html.endswith(">A &amp; <b>b</b><br>c</div></td></tr> {% endif %} {{ c|yesno:'x,y' }}\n")
    assert "color:#123456;" in html and "above" not in html and "below" not in html


def test_the_lines_are_few_and_none_is_long(sources):
    """Each line costs every mail, and one of 998 octets would have it encoded."""
    sources("one", "\n".join(f"<mj-text>\nsentence {number}\n</mj-text>" for number in range(40)))
    lines = compiled("one").splitlines()
    rows = "".join(lines)

    assert max(map(len, lines)) <= 500
    assert len(lines) < len(rows) / 250
    assert [int(number) for number in re.findall(r"sentence (\d+)", rows)] == list(range(40))


def test_columns_side_by_side_are_refused_for_their_rule_is_left_out(sources):
    sources("base", "<mjml><mj-body><mj-section><mj-column /><mj-column /></mj-section></mj-body></mjml>")
    with pytest.raises(ValueError, match="side by side"):
        compiled("base")


def test_a_source_that_is_no_mjml_is_refused(sources):
    sources("one", "<mj-text>A <b>b</mj-text>")
    with pytest.raises(ValueError, match="template"):
        compiled("one")


def test_what_has_changed_is_written_and_named_and_nothing_else(sources, capsys):
    sources("one", "<mj-text>A</mj-text>")
    compiler.main()
    sources("one", "<mj-text>B</mj-text>")
    compiler.main()
    compiler.main()
    said = ["Compiled base.html", "Compiled one.html", "Compiled one.html"]
    assert (capsys.readouterr().out.splitlines(), template_of("one").read_text()) == (said, compiled("one"))
