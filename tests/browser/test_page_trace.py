"""A trace: typeset, its answer marked, its thinking folded, its siblings beside it, its drop explained."""

import looked_at


def opened(visit, server, problem, sample=0):
    page = visit(f"{server.url}/?problem={problem}")
    page.locator("#frame .row").nth(sample).click()
    page.wait_for_selector("article.trace table")
    return page


def test_formulas_are_typeset_and_code_and_money_are_not(visit, server):
    page = opened(visit, server, "formulas")
    text = page.locator("article > section", has=page.locator("h2", has_text="Response")).locator(".written").first
    text.scroll_into_view_if_needed()
    text.locator(".katex-display").wait_for()
    looked_at.until(page, "document.querySelectorAll('.written .katex').length >= 4")
    assert "pays with $10 for apples of $3 each" in text.inner_text()
    assert text.locator("pre code").inner_text() == "price = '$x$'"
    assert text.locator("strong").inner_text() == "So"
    bad = text.locator(".math.bad")
    assert bad.all_inner_texts() == ["$\\frac{1}{$", "\\(\\undefinedmacro{2}\\)"]
    shape = text.locator(".katex-display .katex-html").evaluate("e => [e.offsetWidth, e.offsetHeight]")
    assert shape[0] > 60
    assert shape[1] > 30
    fonts = page.evaluate(
        "document.fonts.ready.then(all => [...all].filter(f => f.status === 'loaded').map(f => f.family))"
    )
    assert "KaTeX_Math" in "".join(fonts)


def test_the_final_answer_is_marked_where_it_stands(visit, server):
    page = opened(visit, server, "formulas")
    looked_at.until(page, "document.querySelectorAll('mark.answer .katex').length === 1")
    assert "Final answer" in page.locator("article").inner_text()
    page = opened(visit, server, "astral")
    page.click("#raw")
    page.wait_for_selector(".written.raw mark.answer")
    assert page.locator(".written.raw mark.answer").inner_text() == "7"


def test_thinking_is_folded_until_it_is_wanted(visit, server):
    page = opened(visit, server, "sum-000")
    fold = page.locator("details.thinking")
    assert "words" in fold.locator("summary").inner_text()
    assert fold.locator(".written").count() == 0
    page.keyboard.press("o")
    fold.locator(".written").wait_for()
    looked_at.until(page, "document.querySelectorAll('details.thinking .katex').length > 3")
    page.keyboard.press("o")
    assert not fold.locator(".written").is_visible()


def test_raw_text_is_every_character(visit, server):
    page = opened(visit, server, "formulas")
    page.keyboard.press("r")
    page.wait_for_selector("section .written.raw mark.answer")
    assert "**So** the answer is \\boxed{n^2}" in page.locator("article").inner_text()


def test_verdict_and_facts_are_told(visit, server):
    page = opened(visit, server, "sum-003", 1)
    text = page.locator("article").inner_text()
    assert page.locator(".head .badge").inner_text().endswith("wrong")
    for said in ("math", "110 tokens", "recorded", "Gold answer", "Dropped by correct: wrong", "67 %", "$0.0011"):
        assert said in text


def test_siblings_stand_side_by_side(visit, server):
    page = opened(visit, server, "sum-003", 1)
    page.wait_for_selector(".sign")
    assert page.locator(".sign").all_inner_texts() == ["✓", "✗", "✓"]
    page.keyboard.press("c")
    looked_at.until(page, "document.querySelectorAll('.column .written').length >= 3")
    columns = page.locator(".column")
    assert columns.count() == 3
    assert columns.first.locator("h2").inner_text() == "smol · 1"
    tops = columns.evaluate_all("all => all.map(e => e.getBoundingClientRect().top)")
    assert len(set(tops)) == 1
    columns.nth(1).locator("h2 a").click()
    page.wait_for_selector(".tools #next >> visible=true")
    looked_at.until(page, "document.querySelector('.sign[aria-current]')?.innerText === '✓'")


def test_a_leak_is_shown_beside_what_it_leaks(visit, server):
    page = opened(visit, server, "sum-007")
    found = page.locator(".dropped").inner_text()
    assert found.startswith("Dropped by decontaminate: jsonl")
    beside = page.locator(".dropped .beside figure")
    assert beside.locator("figcaption").all_inner_texts() == ["the benchmark says", "here it says"]
    for text in beside.locator("mark").all_inner_texts():
        assert "train leaves the station at noon" in text
    assert beside.locator("mark").count() == 2


def test_a_trace_that_is_not_there_is_one_sentence(visit, server):
    page = visit(f"{server.url}/?trace={'0' * 32}", expected="404")
    trouble = page.locator("#pane [role=alert]")
    trouble.wait_for()
    assert trouble.locator("p").inner_text() == f"There is no trace '{'0' * 32}' in this run."
    assert trouble.locator("button").inner_text() == "Try again"


def test_words_that_were_searched_for_are_shown_where_they_stand(visit, server):
    page = visit(f"{server.url}/?q=then+the+ones&problem=sum-001")
    page.locator("#frame .row").first.click()
    page.wait_for_selector("details.thinking[open] .written")
    looked_at.until(page, "CSS.highlights.get('found')?.size === 1")
    found = page.evaluate("[...CSS.highlights.get('found')].map(String)")
    assert found == ["then the ones"]
