"""The list: search, filters that stand in the address, pages without end, keys, a phone, the dark."""

from urllib.parse import parse_qs, urlsplit

import looked_at
from looked_at import TRACES


def titles(page):
    return page.locator("#frame .row b").all_inner_texts()


def status(page):
    return page.locator("#status").inner_text()


def asked(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def settled(page, text):
    looked_at.until(page, "text => document.querySelector('#status').innerText === text", text)


def test_the_first_page_shows_the_run_and_its_traces(visit, server):
    page = visit(server.url)
    settled(page, f"{TRACES} traces")
    assert page.locator("h1").inner_text() == "looked-at"
    assert f"{TRACES} traces of {TRACES // 3} problems" in page.locator(".lead").inner_text()
    assert titles(page)[:4] == ["formulas", "formulas", "formulas", "astral"]
    assert "wellformed" in page.locator(".funnel").inner_text()
    looked_at.until(page, "document.querySelector('article.run').innerText.includes(' for each right trace')")


def test_what_may_be_old_is_said(visit, server):
    def damaged(route):
        found = route.fetch().json()
        found["index"]["error"] = "problems.jsonl, byte 7 is damaged: not a problem."
        route.fulfill(json=found)

    page = visit(server.url)
    settled(page, f"{TRACES} traces")
    page.route("**/api/run", damaged)
    page.reload()
    settled(page, f"{TRACES} traces")
    assert page.get_by_role("alert").inner_text() == (
        "This may be out of date: problems.jsonl, byte 7 is damaged: not a problem."
    )


def test_a_page_that_nobody_answers_says_so_and_keeps_what_it_shows(visit, server):
    page = visit(f"{server.url}/?problem=sum-001", expected="Failed to load resource")
    page.locator("#frame .row").first.click()
    page.wait_for_selector("article.trace table")
    page.route("**/api/**", lambda route: route.abort())
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    looked_at.until(page, "document.querySelector('#state').innerText === 'the server does not answer'")
    assert page.locator("article.trace table").count() == 1


def test_on_a_phone_the_reader_is_led_to_the_trace_and_back_to_its_row(visit, server):
    page = visit(server.url, width=390, height=844)
    settled(page, f"{TRACES} traces")
    page.locator("#frame .row").nth(4).press("Enter")
    page.wait_for_selector("article.trace table")
    assert page.evaluate("document.activeElement.id") == "pane"
    key = asked(page)["trace"]
    page.click("#back")
    assert page.evaluate("document.activeElement.dataset.key") == key


def test_a_search_narrows_the_list_and_stands_in_the_address(visit, server):
    page = visit(server.url)
    settled(page, f"{TRACES} traces")
    page.keyboard.press("/")
    page.keyboard.type("apples")
    settled(page, "1 trace")
    assert titles(page) == ["formulas"]
    assert asked(page) == {"q": "apples"}
    again = visit(page.url)
    settled(again, "1 trace")
    assert again.locator("#q").input_value() == "apples"


def test_filters_join_and_are_taken_off_one_by_one(visit, server):
    page = visit(server.url)
    settled(page, f"{TRACES} traces")
    page.click(".narrow summary")
    page.select_option("[name=verdict]", "wrong")
    looked_at.until(page, "[...document.querySelectorAll('.row')].every(row => row.querySelector('.badge.wrong'))")
    page.select_option("[name=fate]", "correct:wrong")
    page.fill("[name=min_tokens]", "105")
    page.wait_for_url("**min_tokens=105**")
    assert asked(page) == {"verdict": "wrong", "reason": "correct:wrong", "min_tokens": "105"}
    page.click("[aria-label^='Remove the filter dropped by']")
    looked_at.until(page, "document.querySelectorAll('#chips [aria-label]').length === 2")
    assert asked(page) == {"verdict": "wrong", "min_tokens": "105"}
    page.click(".chip.all")
    settled(page, f"{TRACES} traces")
    assert asked(page) == {}


def test_a_filter_that_nothing_fits_says_what_to_do(visit, server):
    page = visit(f"{server.url}/?q=nowhere-to-be-found")
    page.get_by_role("button", name="Clear all filters").click()
    settled(page, f"{TRACES} traces")


def test_a_long_list_keeps_few_rows_in_the_document(visit, server):
    page = visit(server.url)
    settled(page, f"{TRACES} traces")
    for _ in range(20):
        page.evaluate("document.querySelector('#frame').scrollTop = 1e9")
        page.wait_for_timeout(60)
    looked_at.until(page, "[...document.querySelectorAll('.row b')].at(-1).innerText === 'sum-059'")
    assert page.locator(".row").count() < 40


def test_keys_open_traces_one_after_the_other(visit, server):
    page = visit(server.url)
    settled(page, f"{TRACES} traces")
    page.keyboard.press("j")
    page.wait_for_selector("article.trace")
    first = asked(page)["trace"]
    page.keyboard.press("j")
    looked_at.until(page, "first => !location.search.includes(first)", first)
    page.keyboard.press("k")
    looked_at.until(page, "first => location.search.includes(first)", first)
    page.wait_for_selector(".row[aria-current=true]")
    page.keyboard.press("?")
    assert page.locator("dialog[open]").inner_text().startswith("Keyboard")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.wait_for_selector("article.run")
    page.go_back()
    page.wait_for_selector("article.trace")


def test_on_a_phone_nothing_is_wider_than_the_screen(visit, server):
    page = visit(server.url, width=390, height=844)
    settled(page, f"{TRACES} traces")
    page.click(".narrow summary")
    assert not page.locator("#pane").is_visible()
    assert wide(page) == []
    page.click(".narrow summary")
    for place in range(3):
        page.locator(".row").nth(3 * place).click()
        page.wait_for_selector("article.trace .verdicts, article.trace table")
        page.keyboard.press("o")
        assert not page.locator("#frame").is_visible()
        assert wide(page) == []
        page.click("#back")
        page.wait_for_selector("#frame .row >> visible=true")
    page.click("#overview")
    page.wait_for_selector("article.run")
    assert wide(page) == []


def wide(page):
    """What reaches beyond the window, but for what may be scrolled by itself."""
    return page.evaluate(
        """() => {
            const beyond = e => e.getBoundingClientRect().right > innerWidth + 1;
            const scrolls = e => e.scrollWidth > e.clientWidth + 1 && e.matches('body, #pane, #frame');
            const all = [...document.querySelectorAll('body, main, #frame, #pane, .row, section')];
            return all.filter(e => beyond(e) || scrolls(e)).map(e => e.outerHTML.slice(0, 80));
        }"""
    )


def test_the_dark_is_dark_and_texts_keep_their_contrast(visit, server):
    for scheme, lowest, highest in (("dark", 0.0, 0.1), ("light", 0.9, 1.0)):
        page = visit(server.url, color_scheme=scheme)
        settled(page, f"{TRACES} traces")
        page.keyboard.press("j")
        page.wait_for_selector("article.trace table")
        found = page.evaluate(CONTRASTS)
        assert lowest <= found["page"] <= highest
        assert [pair for pair in found["pairs"] if pair["ratio"] < 4.5] == []
        assert len(found["pairs"]) > 40


CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const found = numbers(getComputedStyle(e).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const own = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.katex')
    && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return {
    page: light(numbers(getComputedStyle(document.body).backgroundColor)),
    pairs: own.map(e => {
      const [one, other] = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
      return { what: `${e.tagName}.${e.className} ${e.innerText}`.slice(0, 60), ratio: (one + 0.05) / (other + 0.05) };
    }),
  };
}"""
