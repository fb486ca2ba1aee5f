"""The HTML page: its size is bounded, it needs no network, and in a browser it does what it shall."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invert.estimate import FLAG_MEANINGS, FLAGS, Alternatives, Estimates, Inversion
from invert.frames import Frames
from invert.predictions import open_predictions, write_predictions
from invert.report import chosen, mesh, write_report
from msft.detector import EwaldDetector
from msft.particle import Particles
from msft.pattern import Simulation
from msft.symmetry import random_orientations

pytest.importorskip("plotly", reason="PLOTLY IS NOT INSTALLED: pip install '.[report]'")

COUNT = 130
SIMULATION = Simulation(detector=EwaldDetector(24, 0.02))


def inversion(count: int = COUNT) -> Inversion:
    generator = np.random.default_rng(4)
    particles = Particles(generator.uniform(40, 80, count), random_orientations(generator, count))
    images = np.asarray(generator.random((count, 24, 24)), dtype=np.float32)
    flags = np.zeros(count, dtype=np.uint32)
    flags[::3] = FLAGS["poor_agreement"] | FLAGS["not_explained"]
    agreement = generator.random(count)
    agreement[0] = 0.0
    sigma = np.full(count, 0.5)
    sigma[5] = np.nan
    score = np.where(np.arange(count) == 7, np.nan, agreement)
    estimates = Estimates(
        particles,
        sigma,
        sigma / 50,
        agreement,
        np.zeros((count, 2)),
        Alternatives.none(count),
        flags,
        np.ones(count, dtype=np.int64),
        np.arange(100, 100 + count, dtype=np.int64),
        score,
    )
    valid = np.ones(images.shape, dtype=bool)
    valid[:, 10:14, 10:14] = False
    return Inversion(estimates, images, 1 - images, valid)


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "exp.predictions.h5"
    answer = inversion()
    frames = Frames(
        answer.measured, answer.valid, "log", answer.estimates.frames, "</script><b>.h5:/data", *[None] * 4
    )
    notes = {
        "program": "invert predict",
        "notes": json.dumps(["warning: <i>few</i>"]),
        "weights_sha256": "0123",
    }
    write_predictions(path, answer, frames, notes, "typical", SIMULATION)
    return path


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def test_the_page_holds_every_frame_and_some_pictures(predictions: Path, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    with open_predictions(predictions) as opened:
        assert write_report(page, opened, pictures=20) == 20
    text = page.read_text()
    data = data_of(text)
    assert [row[0] for row in data["rows"]] == list(range(100, 100 + COUNT))
    assert data["rows"][5][2] is None  # no uncertainty
    assert not data["labelled"]
    assert data["rows"][0][7] == "poor_agreement, not_explained"
    assert list(data["meanings"]) == list(FLAGS)
    assert len(data["pictures"]) == 20
    answer = inversion()
    row = int(next(iter(data["pictures"])))
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["pictures"][str(row)][0]))))
    assert grey.dtype == np.uint8
    assert (grey[10:14, 10:14] == 0).all()
    seen = answer.valid[row]
    assert (grey[seen].astype(float) - 1) / 254 == pytest.approx(
        answer.measured[row][seen], abs=0.5 / 254 + 0.5 / 4096
    )
    # nothing is fetched, and a name cannot break out of its place
    from plotly.offline import get_plotlyjs

    own = text.replace(get_plotlyjs(), "")
    assert len(own) < 200_000
    assert not re.search(r"https?:", own)
    assert not re.search(r"@@[A-Z]+@@", own)
    assert "</script><b>" not in text
    assert "<i>few</i>" not in text
    assert len(text) < 5_500_000


def test_pictures_are_of_the_best_and_of_flagged_frames() -> None:
    estimates = inversion().estimates
    rows = chosen(estimates, 20)
    assert len(set(rows.tolist())) == len(rows) == 20
    flagged = estimates.flags[rows] > 0
    assert flagged.sum() >= 10
    unflagged = np.flatnonzero(estimates.flags == 0)
    best = unflagged[np.argsort(-estimates.agreement[unflagged])[:5]]
    assert np.isin(best, rows).all()
    assert chosen(estimates, 1000).tolist() == list(range(COUNT))
    assert len(chosen(estimates, 0)) == 0


def test_the_icosahedron_has_twenty_faces_and_thirty_edges() -> None:
    body = mesh("icosahedron")
    assert body is not None
    assert (len(body["vertices"]), len(body["triangles"]), len(body["edges"])) == (12, 20, 30)
    assert np.linalg.norm(body["vertices"], axis=1) == pytest.approx(1.0, abs=1e-5)
    cube = mesh("cube")
    assert cube is not None
    assert (len(cube["triangles"]), len(cube["edges"])) == (12, 12)
    assert mesh("sphere") is None


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("NO HEADLESS CHROMIUM: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="SELENIUM IS NOT INSTALLED")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1400,1300"):
        options.add_argument(f"--{argument}")
    # a page that draws with WebGL needs the software renderer where there is no GPU
    for argument in ("enable-unsafe-swiftshader", "use-gl=angle", "use-angle=swiftshader"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.mark.slow
@pytest.mark.browser
def test_in_a_browser_it_renders_sorts_and_opens_frames(
    predictions: Path, browser: Any, tmp_path: Path
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    page = tmp_path / "p.html"
    with open_predictions(predictions) as opened:
        labels = {100 + row: "prolate, bent" if row % 2 else "" for row in range(COUNT)}
        write_report(page, opened, pictures=COUNT, labels=labels)
    browser.get(page.as_uri())
    wait = WebDriverWait(browser, 60)

    def column(number: int) -> list[str]:
        cells = browser.find_elements(By.CSS_SELECTOR, f"#table tbody tr td:nth-child({number})")
        return [cell.text for cell in cells]

    def script(code: str) -> Any:
        return browser.execute_script(f"return {code}")

    wait.until(lambda _: script("document.body.dataset.shown") == "0")
    assert len(script("[...document.querySelectorAll('#summary .main-svg')].map(x => 1)")) >= 4
    assert column(1)[:3] == ["100", "101", "102"] or column(1)[0].endswith("100")
    assert len(column(1)) == 50
    flagged = browser.find_elements(By.CSS_SELECTOR, "#table tbody tr")[0]
    assert flagged.find_elements(By.TAG_NAME, "td")[7].get_attribute("title").splitlines() == [
        f"{name.replace('_', ' ')}: {FLAG_MEANINGS[name]}" for name in ("poor_agreement", "not_explained")
    ]
    assert "beam off the centre by (0.0, 0.0) px" in browser.find_element(By.ID, "facts").text
    labelled = browser.find_elements(By.CSS_SELECTOR, "#table th")[8]
    assert labelled.text == "labels"
    labelled.click()
    labelled.click()
    assert set(column(9)) == {"prolate, bent"}
    radius = browser.find_elements(By.CSS_SELECTOR, "#table th")[1]
    for descending in (False, True):
        radius.click()
        shown = [float(cell) for cell in column(2)]
        assert shown == sorted(shown, reverse=descending)
        assert radius.get_attribute("aria-sort") == ("descending" if descending else "ascending")
    answer = inversion()
    largest = int(np.argmax(answer.estimates.particles.radius))
    browser.find_elements(By.CSS_SELECTOR, "#table tbody tr")[0].click()
    wait.until(lambda _: script("document.body.dataset.shown") == str(largest))
    assert browser.find_element(By.ID, "heading").text == f"frame {100 + largest}"
    # what is drawn: the measured image, its difference from the other, and the body as it is oriented
    drawn = np.array(script("document.getElementById('measured').data[0].z"), dtype=float)
    seen = answer.valid[largest]
    assert np.isnan(drawn[~seen]).all()
    assert drawn[seen] == pytest.approx(answer.measured[largest][seen], abs=3e-3)
    difference = np.array(script("document.getElementById('difference').data[0].z"), dtype=float)
    assert difference[seen] == pytest.approx(2 * answer.measured[largest][seen] - 1, abs=6e-3)
    corners = np.stack(
        [script(f"document.getElementById('particle').data[0].{axis}") for axis in "xyz"], axis=1
    )
    assert corners == pytest.approx(turned_icosahedron(answer.estimates.particles, largest), abs=0.05)
    browser.find_element(By.CSS_SELECTOR, "#filter option[value=good]").click()
    assert not any(column(8))
    assert "86 frames" in browser.find_element(By.ID, "place").text
    browser.find_element(By.ID, "next").click()
    assert "page 2" in browser.find_element(By.ID, "place").text
    assert (
        script("performance.getEntriesByType('resource').filter(x => !x.name.startsWith('data:')).length")
        == 0
    )
    # nothing of a narrow window lies beyond its edge, where a table that is wider scrolls
    browser.set_window_size(500, 900)
    assert script("document.documentElement.scrollWidth <= innerWidth")
    assert (
        script("new Set([...document.querySelectorAll('.pictures figure')].map(x => x.offsetLeft)).size") == 1
    )
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert complaints == []


def turned_icosahedron(particles: Particles, row: int) -> np.ndarray[Any, Any]:
    """Vertices in the lab, by the rotation matrix of SciPy."""
    from scipy.spatial.transform import Rotation

    body = mesh("icosahedron")
    assert body is not None
    w, x, y, z = particles.orientation[row]
    return np.asarray(
        particles.radius[row] * Rotation.from_quat([x, y, z, w]).apply(np.array(body["vertices"]))
    )
