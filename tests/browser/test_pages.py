# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Each page of the documentation is readable in a browser, on a desktop and on a phone."""

from __future__ import annotations

import urllib.parse

from tests.support.documents.pages import PAGES

#: The page fits in the widths of a desktop and of a phone, in pixels.
WIDTHS = {"desktop": 1280, "phone": 390}
#: Properties of a page, read in the browser. Chromium completes "load" before lazy pictures, and
#: selects the layout of a picture some time after the page has another width.
READ = """
const finish = arguments[arguments.length - 1];
document.querySelectorAll("img").forEach(i => { i.loading = "eager"; });
const isSelected = p => p.querySelector("img").currentSrc === (
  matchMedia(p.querySelector("source").media).matches
    ? p.querySelector("source").srcset : p.querySelector("img").src);
function wait(times) {
  if (times && ![...document.querySelectorAll("picture")].every(isSelected)) {
    setTimeout(() => wait(times - 1), 20);
    return;
  }
  Promise.all([...document.images].map(i => i.decode().catch(() => null)))
    .then(() => finish(read()));
}
wait(500);
function read() {
const root = document.documentElement;
const visible = [...document.querySelectorAll("article *")];
return {
  width: root.clientWidth,
  scrolls: root.scrollWidth - root.clientWidth,
  widest: root.scrollWidth <= root.clientWidth ? [] : visible
    .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1)
    .map(e => e.tagName + ": " + e.textContent.trim().slice(0, 60)).slice(0, 5),
  code: [...document.querySelectorAll("article pre")].filter(e => !e.closest(".printed-table"))
    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 60)),
  printed: [...document.querySelectorAll("article .printed-table pre")]
    .filter(e => getComputedStyle(e).whiteSpace !== "pre").map(e => e.textContent.slice(0, 60)),
  markup: [...document.querySelectorAll("article code, article p")]
    .map(e => e.textContent).filter(text => text.includes("``")).map(text => text.slice(0, 60)),
  pictures: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt),
  small: [...document.querySelectorAll("article img")]
    .filter(i => i.clientWidth < 0.75 * i.naturalWidth).map(i => i.alt),
  unnamed: [...document.images].filter(i => !i.alt).length,
  links: [...document.links].map(a => a.href),
  names: [...document.querySelectorAll("[id]")].map(e => e.id),
};
}
"""


def test_every_page_fits_and_loads(site, browser):
    """Open each page: no overflow, no error of the console, all pictures, each link with a target."""
    faults, links, names = [], {}, {}
    for page in [*PAGES, "genindex", "search"]:
        browser.get(f"{site}/{page}.html")
        for device, width in WIDTHS.items():
            _resize(browser, width)
            found = browser.execute_async_script(READ)
            errors = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
            links[page] = found["links"]
            names[page] = set(found["names"])
            faults += [f"{page}, {device}: {fault}" for fault in _faults(found, errors)]
    for page, targets in links.items():
        faults += [f"{page}: {link} has no target" for link in _broken(site, targets, names)]
    assert not faults, "\n".join(faults)


def _resize(browser, width: int) -> None:
    """Give the page a width. A window of Chromium is at least 500 pixels wide; a device is not."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _faults(found: dict, errors: list[str]) -> list[str]:
    """Return a sentence for each fault of a page."""
    faults = [f"the console has the error {error}" for error in errors]
    if found["scrolls"] > 0:
        faults.append(f"is {found['scrolls']} pixels too wide: {found['widest']}")
    faults += [f"a line of code is cut: {text!r}" for text in found["code"]]
    faults += [f"the lines of a printed table wrap: {text!r}" for text in found["printed"]]
    faults += [f"shows marks of reStructuredText: {text!r}" for text in found["markup"]]
    faults += [f"the picture {alt!r} is not loaded" for alt in found["pictures"]]
    # The letters of a picture have 12 pixels in its full size.
    faults += [f"the letters of the picture {alt!r} are too small" for alt in found["small"]]
    if found["unnamed"]:
        faults.append(f"{found['unnamed']} pictures have no text")
    return faults


def _broken(site: str, targets: list[str], names: dict[str, set[str]]) -> set[str]:
    """Return the links within the site that lead to no page, or to no place in the page."""
    broken = set()
    for link in targets:
        url, _, fragment = link.partition("#")
        if not url.startswith(f"{site}/"):
            continue
        page = urllib.parse.urlsplit(url).path.strip("/").removesuffix(".html") or "index"
        place = urllib.parse.unquote(fragment)
        if page not in names or (place and place not in names[page]):
            broken.add(link)
    return broken


def test_every_page_is_in_the_sidebar(site, browser):
    """Find each page once in the navigation of the first page."""
    browser.get(f"{site}/index.html")
    links = browser.execute_script(
        "return [...document.querySelectorAll('.sidebar-tree a')].map(a => a.href)"
    )
    pages = [link.removeprefix(f"{site}/").removesuffix(".html") for link in links]
    assert sorted(pages) == sorted(PAGES.keys() - {"index"})


def test_a_reader_searches_and_copies_and_selects_the_dark_theme(site, browser):
    """Find a page with the search, a copy button at each block, and two backgrounds."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    _resize(browser, WIDTHS["desktop"])
    browser.get(f"{site}/search.html?q=representor")
    wait = WebDriverWait(browser, 60)
    wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "#search-results li a"))
    browser.get(f"{site}/quickstart.html")
    blocks = browser.find_elements(By.CSS_SELECTOR, "article div.highlight")
    assert len(browser.find_elements(By.CSS_SELECTOR, "button.copybtn")) == len(blocks)
    assert browser.find_elements(By.CSS_SELECTOR, ".related-pages .next-page")
    assert browser.find_elements(By.CSS_SELECTOR, ".related-pages .prev-page")
    assert browser.find_elements(By.CSS_SELECTOR, ".toc-tree a")
    grounds = set()
    for theme in ("light", "dark"):
        browser.execute_script("document.body.dataset.theme = arguments[0]", theme)
        grounds.add(
            browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        )
    assert len(grounds) == 2
