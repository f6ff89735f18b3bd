"""What a model writes is text: no script of it runs, no request leaves, nothing is hidden or turned round."""

import time

import looked_at
import pytest


def opened(visit, server, problem):
    page = visit(f"{server.url}/?problem={problem}")
    page.locator("#frame .row").first.click()
    page.wait_for_selector("article.trace table")
    return page


@pytest.mark.parametrize("raw", [False, True])
def test_markup_is_shown_as_text_and_does_nothing(visit, server, raw):
    page = opened(visit, server, "markup")
    if raw:
        page.click("#raw")
        page.wait_for_selector("section .written.raw")
    page.wait_for_timeout(500)
    assert page.evaluate("window.owned") is None
    text = page.locator("article").inner_text()
    for piece in (
        "<script>window.owned = 1</script>",
        "<img src=x onerror='window.owned = 2'>",
        "</div></article></body>",
    ):
        assert piece in text
    assert "<b onmouseover='window.owned = 9'>How much</b>" in text
    inside = "article :is(script, img, iframe, object, embed, style, link, form, base, a[href^='javascript'])"
    assert page.locator(inside).count() == 0
    assert (
        page.locator("article *").evaluate_all(
            "all => all.flatMap(e => e.getAttributeNames()).filter(name => name.startsWith('on'))"
        )
        == []
    )
    assert page.locator("body").is_visible()


def test_a_formula_stays_within_its_box(visit, server):
    page = opened(visit, server, "markup")
    page.locator("article .katex").first.wait_for()
    bad = page.locator("article .math.bad").all_inner_texts()
    for command in ("\\href{", "\\includegraphics{", "\\htmlStyle{", "\\def\\a", "\\rule{"):
        assert sum(tex.startswith(f"${command}") for tex in bad) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.locator(".written").first.evaluate("e => getComputedStyle(e).contain") == "paint"


def test_what_would_hold_a_browser_up_or_draw_over_other_text_stays_text(visit, server):
    started = time.monotonic()
    page = opened(visit, server, "endless")
    page.locator("article .katex").first.wait_for()
    assert time.monotonic() - started < 10, "a digit string without an end used to take a minute"
    bad = page.locator("article > section .math.bad").all_inner_texts()
    assert [tex[:8] for tex in bad] == ["$\\sqrt{\\", "$\\begin{", "$\\kern{-", "$a\\\\[-2e", "$50%$", "$\\messag"]
    assert "9" * 60_000 in page.locator("article > section .written").nth(2).evaluate("e => e.textContent")
    assert page.locator("article .unseen").all_inner_texts() == ["U+0301 × 84"]


def test_what_is_not_seen_is_shown_as_marks(visit, server):
    page = opened(visit, server, "hidden")
    marks = page.locator("article .unseen")
    assert marks.all_inner_texts()[:3] == ["U+202E", "U+202C", "U+200B × 3"]
    assert marks.first.get_attribute("title") == "right-to-left override"
    assert "\u202e" not in page.content()
    assert "\\phantom{secret}" in page.locator("article .math.bad").inner_text()
    assert "U+202E" in page.locator("#frame .row .snippet").first.inner_text()


def test_right_to_left_text_does_not_turn_the_page_round(visit, server):
    page = opened(visit, server, "hebrew")
    text = page.locator("section .written").nth(0)
    assert text.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert page.locator("h1").evaluate("e => getComputedStyle(e).direction") == "ltr"
    assert looked_at.SPECIAL["hebrew"][0] in text.inner_text()


def test_the_policy_is_strict(visit, server):
    page = visit(server.url)
    policy = page.request.get(server.url).headers["content-security-policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.strip()}
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == ["'self'"]
    assert rules["style-src"] == ["'self'"]
    assert "unsafe" not in policy
    assert "data:" not in policy
    assert rules["require-trusted-types-for"] == ["'script'"]
