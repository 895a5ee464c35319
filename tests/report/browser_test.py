"""The page of `initlab report` in headless Chromium: figures are drawn and answer, nothing is asked of any network, the console stays
silent, and names that try to break out stay text. Usage: browser_test.py initlab generate_runs folder

Screenshots (desktop, phone, dark, print) are left in the folder, to be looked at. Prints "skipped: ..." and ends with 77 where
Chromium or selenium is absent.
"""
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
except ImportError:
    print("skipped: no selenium (Debian: python3-selenium) in", sys.executable)
    sys.exit(77)

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    print("skipped: no chromium or chromedriver (Debian: chromium-driver)")
    sys.exit(77)

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>"]
MARK = "document.title='broken'"

DRAWN = """
const painted = (canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > 0) return true;
  return false;
};
return [...document.querySelectorAll("figure.curves")].map((f) => [f.id, [...f.querySelectorAll("canvas")].some(painted)]);
"""

# Text whose colour stands out less than WCAG 2.1 asks for (4.5 : 1; 3 : 1 where it is large), against the nearest background.
CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const background = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const found = new Set();
for (const element of document.body.querySelectorAll("*")) {
  if (element.closest("svg, script, style") || element.offsetParent === null) continue;
  if (![...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
  const style = getComputedStyle(element);
  const a = light(parse(style.color)), b = light(background(element));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5))
    found.add(element.tagName + "." + element.className + " " + ratio.toFixed(2));
}
return [...found];
"""


def make_page(initlab, generate, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([generate, str(folder / "runs"), "64", "400", "--hostile"], check=True)
    page = folder / "report.html"
    said = subprocess.run([initlab, "report", str(folder / "runs"), "--out", str(page)], check=True, capture_output=True, text=True)
    assert "64 runs" in said.stdout, said.stdout
    return page


def start(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS + ["--user-data-dir=" + profile]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(DRIVER), options=options)


def requests(driver):
    """Addresses asked for since the last call, but for what the page carries itself and the browser's own pages."""
    asked = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    return [url for url in asked if not url.startswith(("data:", "chrome:"))]


def console(driver):
    return [entry["message"] for entry in driver.get_log("browser")]


def size(driver, width, height, phone=False):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone})


def scheme(driver, name):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})


def draw_all(driver):
    """Scrolls to each figure, as a reader does, so that it is drawn."""
    for figure in driver.find_elements(By.CSS_SELECTOR, "figure.curves"):
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", figure)
        driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))")


def screenshot(driver, path):
    height = driver.execute_script("return document.documentElement.scrollHeight")
    width = driver.execute_script("return innerWidth")
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {
        "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": min(height, 12000), "scale": 1}})
    path.write_bytes(base64.b64decode(shot["data"]))


def check_page(driver, page, folder):
    size(driver, 1200, 900)
    scheme(driver, "light")
    requests(driver)
    driver.get(page.as_uri())
    draw_all(driver)

    drawn = driver.execute_script(DRAWN)
    assert len(drawn) >= 8, drawn
    assert all(painted for _, painted in drawn), [name for name, painted in drawn if not painted]
    assert len(driver.find_elements(By.CSS_SELECTOR, "figure.dotplot circle.dot")) > 64
    assert len(driver.find_elements(By.CSS_SELECTOR, "figure.heatmap td[class^=h]")) > 50
    for section in ("Results", "Sensitivity", "Diagnostics by layer", "Initialization audit", "Failures", "Provenance"):
        assert driver.find_elements(By.XPATH, f"//h3[text()='{section}']"), section
    screenshot(driver, folder / "desktop.png")

    # Hostile names are text, and whole.
    text = driver.execute_script("return document.body.textContent")
    assert "<img src=x onerror" in text and "`touch broken`" in text
    assert driver.title == "generated", driver.title
    assert not driver.find_elements(By.CSS_SELECTOR, "img, iframe, object, embed, form")

    assert "\u202e" not in driver.execute_script("return document.querySelector('main').innerText")
    check_curves(driver)
    check_reading(driver)
    assert not driver.execute_script(CONTRAST), driver.execute_script(CONTRAST)

    scheme(driver, "dark")
    assert not driver.execute_script(CONTRAST), driver.execute_script(CONTRAST)
    driver.execute_script("scrollTo(0, 0)")
    screenshot(driver, folder / "dark.png")
    scheme(driver, "light")

    size(driver, 390, 844, phone=True)
    draw_all(driver)
    driver.execute_script("scrollTo(0, 0)")
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth"), "wider than a phone"
    screenshot(driver, folder / "phone.png")
    size(driver, 1200, 900)

    check_print(driver, folder)

    assert requests(driver) == [page.as_uri()], "asked for more than the page"
    assert console(driver) == []


def check_print(driver, folder):
    """On paper every curve stands as vectors, in light colours also for readers of dark pages."""
    driver.execute_script("""window.copies = null;
        addEventListener("beforeprint", () => {
          window.copies = [...document.querySelectorAll("figure.curves")].map((f) => f.querySelectorAll("svg.copy polyline").length);
        });""")
    scheme(driver, "dark")
    paper = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    scheme(driver, "light")
    (folder / "print.pdf").write_bytes(base64.b64decode(paper["data"]))
    copies = driver.execute_script("return window.copies")
    assert copies and all(copies), copies
    assert driver.execute_script("return document.querySelectorAll('svg.copy').length") == 0, "the screen is as it was"


def check_curves(driver):
    """Hover, zoom, the logarithmic switch and the key do what they say."""
    figure = driver.find_element(By.CSS_SELECTOR, "figure.curves")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", figure)
    shown = "const g = arguments[0].report.graph; return "
    whole = driver.execute_script(shown + "g.xAxisRange()", figure)
    figure.find_element(By.CSS_SELECTOR, "button[aria-label='zoom in']").click()
    near = driver.execute_script(shown + "g.xAxisRange()", figure)
    assert near[1] - near[0] < 0.6 * (whole[1] - whole[0]), (whole, near)
    figure.find_element(By.CSS_SELECTOR, "button[aria-label='show everything']").click()
    assert driver.execute_script(shown + "g.xAxisRange()", figure) == whole

    box = figure.find_element(By.CSS_SELECTOR, ".tools input")
    box.click()
    assert driver.execute_script(shown + "g.getOptionForAxis('logscale', 'x')", figure) is True
    assert driver.execute_script(shown + "g.xAxisRange()[0]", figure) > 0
    box.click()
    assert driver.execute_script(shown + "g.xAxisRange()", figure) == whole

    keys = figure.find_elements(By.CSS_SELECTOR, ".key input")
    keys[0].click()
    assert driver.execute_script(shown + "g.visibility()[0]", figure) is False
    keys[0].click()

    plot = figure.find_element(By.CSS_SELECTOR, ".plot")
    ActionChains(driver).move_to_element(plot).perform()
    read = figure.find_element(By.CSS_SELECTOR, ".readout").text
    assert read.startswith("step "), read
    values = [value.text for value in figure.find_elements(By.CSS_SELECTOR, ".key .value")]
    assert any("n = " in value for value in values), values

    before = driver.execute_script(shown + "g.xAxisRange()", figure)
    ActionChains(driver).move_to_element(plot).click_and_hold().move_by_offset(120, 0).release().perform()
    after = driver.execute_script(shown + "g.xAxisRange()", figure)
    assert after[1] - after[0] < before[1] - before[0], (before, after)
    ActionChains(driver).double_click(plot).perform()
    assert driver.execute_script(shown + "g.xAxisRange()", figure) == whole


def check_reading(driver):
    """What a screen reader needs: a language, headings without gaps, names for pictures, tables with heads."""
    assert driver.execute_script("return document.documentElement.lang") == "en"
    levels = driver.execute_script("return [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1, levels[:5]
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:])), levels
    assert driver.execute_script("return [...document.querySelectorAll('[role=img]')].every((e) => e.getAttribute('aria-label'))")
    assert driver.execute_script("return [...document.querySelectorAll('table')].every((t) => t.querySelector('th'))")
    assert driver.execute_script("return [...document.querySelectorAll('figure.curves')].every((f) => f.querySelector('table td'))")
    ids = driver.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids)), "an id stands twice"


def check_guards(driver, page, folder):
    """The policy would stop what a name might smuggle in: a page with a script of its own and a request shows both refused."""
    smuggled = page.read_text().replace("</main>", "<script>" + MARK + "</script><img src='http://127.0.0.1:9/x'></main>", 1)
    other = folder / "smuggled.html"
    other.write_text(smuggled)
    driver.get(other.as_uri())
    assert driver.title == "generated", driver.title
    refused = [line for line in console(driver) if "Content Security Policy" in line]
    assert len(refused) >= 2, refused


def main():
    initlab, generate, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
    page = make_page(initlab, generate, folder)
    with tempfile.TemporaryDirectory() as profile:
        driver = start(profile)
        try:
            check_page(driver, page, folder)
            check_guards(driver, page, folder)
        finally:
            driver.quit()
    print("ok; screenshots in", folder)


main()
