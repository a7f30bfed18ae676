"""Made-up hands before a camera, the three pages that show them, and how a browser opens them."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from s2hand.export import Hand
from s2hand.geometry.mirror import mirror_points
from s2hand.hand import load_hand_model
from s2hand.pages import (
    ComparedPhoto,
    Crop,
    DatasetPage,
    DatasetSample,
    Demonstration,
    HandShape,
    PredictedHand,
    PredictedItem,
    PredictionPage,
    Report,
    Scene,
    SceneFrame,
    SceneHand,
    TrainingImage,
    photo_scene,
    report_sample,
    write_dataset_page,
    write_demonstration,
    write_prediction_page,
    write_report,
)
from s2hand.skeleton import FREIHAND_FROM_MANO_WITH_TIPS
from s2hand.visualize.charts import Curve

WIDTH, HEIGHT = 320, 240
K = np.array([[400.0, 0, 150], [0, 410.0, 125], [0, 0, 1]])
SILHOUETTE = (0, 255, 0)
FINER = 8
TRIES = 60
LIGHT = np.array([0.6, 0.6, 1, 1, 1, 1, 1, 1, 0.3, 0.5, 0.8])


@dataclass(frozen=True)
class MadeUpHand:
    """A hand, and a photo that shows its silhouette in one colour."""

    faces: np.ndarray
    vertices: np.ndarray
    joints: np.ndarray
    photo: np.ndarray

    def shifted(self, offset) -> "MadeUpHand":
        return MadeUpHand(self.faces, self.vertices + offset, self.joints + offset, self.photo)

    def exported(self, name: str, side: str = "right") -> Hand:
        vertices, joints, faces = self.vertices, self.joints, self.faces
        if side == "left":
            vertices, joints, faces = mirror_points(vertices), mirror_points(joints), faces[:, ::-1]
        projected = joints @ K.T
        colors = np.full((len(faces), 3), 0.6)
        keypoints = projected[:, :2] / projected[:, 2:]
        return Hand(
            name,
            (WIDTH, HEIGHT),
            side,
            K,
            "EXIF",
            "box",
            vertices,
            joints,
            keypoints,
            faces,
            {},
            colors,
            LIGHT,
        )


def draw_silhouette(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """A grey photo with the mesh's silhouette, anti-aliased, (HEIGHT, WIDTH, 3)."""
    projected = vertices @ K.T
    pixels = FINER * projected[:, :2] / projected[:, 2:]
    photo = np.full((FINER * HEIGHT, FINER * WIDTH, 3), 90, np.uint8)
    for triangle in pixels[faces]:
        # OpenCV's whole numbers are centres of pixels, the project's are their borders.
        cv2.fillConvexPoly(photo, np.rint(triangle - 0.5).astype(int), SILHOUETTE)
    return cv2.resize(photo, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def made_up():
    """The generic hand at rest, its palm turned to the camera."""
    model = load_hand_model("generic")
    turn = np.array([[0, 1.0, 0], [-1.0, 0, 0], [0, 0, 1.0]])
    vertices = model.v_template @ turn.T
    rest = model.J_regressor @ vertices
    tips = vertices[[333, 444, 672, 555, 744]]
    parts = [rest[:1]]
    for finger in range(5):
        parts += [rest[1 + 3 * finger : 4 + 3 * finger], tips[finger : finger + 1]]
    joints = np.concatenate(parts)[list(FREIHAND_FROM_MANO_WITH_TIPS)]
    place = np.array([0.0, 0.0, 0.55]) - (vertices.min(0) + vertices.max(0)) / 2
    vertices, joints = vertices + place, joints + place
    faces = np.asarray(model.faces)
    return MadeUpHand(faces, vertices, joints, draw_silhouette(vertices, faces))


@pytest.fixture(scope="session")
def prediction_page(made_up, tmp_path_factory):
    """A photo with one hand, a photo with two, a video, a photo without a hand."""
    two = [made_up.shifted([0.05, 0, 0.02]).exported("two.png"), made_up.exported("two.png", "left")]
    frames = [
        SceneFrame(made_up.photo, [HandShape(made_up.vertices + np.array([0.002 * i, 0, 0]), made_up.joints)])
        for i in range(12)
    ]
    frames[5] = SceneFrame(made_up.photo)  # the hand is lost for a moment
    hand = SceneHand("Right hand", made_up.faces)
    confidence = np.linspace(0.2, 1, 21)
    one = photo_scene("one.jpg", made_up.photo, [made_up.exported("one.jpg")], confidence=[confidence])
    items = [
        PredictedItem(
            one,
            made_up.photo,
            [PredictedHand("Right hand", 0.91, "box", downloads={".glb": "one #1.glb", "JSON": "one.json"})],
            "EXIF",
        ),
        PredictedItem(
            photo_scene("two.png", made_up.photo, two),
            np.full_like(made_up.photo, 200),
            [PredictedHand("Right hand", 0.8), PredictedHand("Left hand", 0.3, warnings=["Look closely."])],
        ),
        PredictedItem(
            Scene("clip.mp4", (WIDTH, HEIGHT), K, [hand], frames, 12.0),
            made_up.photo,
            [PredictedHand("Right hand")],
        ),
        PredictedItem(photo_scene("empty.jpg", made_up.photo, [], (WIDTH, HEIGHT), K), made_up.photo),
    ]
    page = PredictionPage(items, unreadable=[("notes.txt", "it is no image")], command="s2hand predict .")
    return write_prediction_page(tmp_path_factory.mktemp("prediction") / "index.html", page)


@pytest.fixture(scope="session")
def report(made_up):
    """Ten samples whose errors grow."""
    random = np.random.default_rng(0)
    samples = []
    for number in range(10):
        noise = random.normal(0, 0.001 * (number + 1), (21, 3))
        shape = HandShape(
            made_up.vertices + random.normal([0, 0, 0.002 * number], 0.001 * number, (778, 3)),
            made_up.joints + noise,
            np.full(21, 0.5 + 0.04 * number),
            made_up.vertices,
            made_up.joints,
        )
        hand = SceneHand("Right hand", made_up.faces)
        name = f"{(7 * number) % 10:08d}.jpg"
        samples.append(report_sample(name, made_up.photo, (WIDTH, HEIGHT), K, hand, shape))
    errors = random.gamma(2, 5, (50, 21))
    return Report(
        "A run",
        "Synthetic",
        50,
        {"This run": {"mpjpe": 20.0, "pa_mpjpe": 9.5, "pa_auc_j": 0.8}, "Mean hand": {"pa_mpjpe": 13.0}},
        errors,
        errors / 2,
        samples,
        [Curve("Loss", {"2D": [(1.0, 3.0), (2.0, 2.0), (3.0, 1.5)]})],
        command="s2hand evaluate runs/a",
        versions={"s2hand": "0.1.0"},
        config={"lr": 1e-3, "losses": ["open_2dj"]},
    )


@pytest.fixture(scope="session")
def report_page(report, tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("report") / "report.html", report)


@pytest.fixture(scope="session")
def demo_page(report, made_up, tmp_path_factory):
    """Two findings, two groups of further samples, three training images."""
    projected = made_up.joints @ K.T
    keypoints = projected[:, :2] / projected[:, 2:]
    turned = np.dstack([made_up.photo, made_up.photo[..., 1]])
    page = Demonstration(
        "A demo",
        "What was learned.",
        {
            "trained network": {"pa_mpjpe": 9.5, "mpjpe": 20.0, "pa_mpvpe": 9.1, "keypoints_px": 3.0},
            "always the mean hand": {"pa_mpjpe": 13.0, "mpjpe": 50.0, "pa_mpvpe": 12.0, "keypoints_px": 30.0},
            "the detector it learned from": {"keypoints_px": 2.0},
        },
        "On 50 images.",
        report.samples,
        [turned, turned],
        "The first two.",
        {"Drawn at random": [4, 1, 7], "Best": [0, 2, 3]},
        [TrainingImage(made_up.photo, keypoints, np.full(21, 0.7))] * 3,
        report.curves,
        {"image_size": 128},
        [ComparedPhoto("fist", made_up.photo, made_up.photo, made_up.photo)],
    )
    return write_demonstration(tmp_path_factory.mktemp("demo") / "index.html", page)


@pytest.fixture(scope="session")
def dataset_page(made_up, tmp_path_factory):
    """Six hands, two of which are left out."""
    projected = made_up.joints @ K.T
    keypoints = projected[:, :2] / projected[:, 2:]
    reasons = ["", "", "confidence below 0.3", "", "hand too small", ""]
    samples = [
        DatasetSample(
            f"album/photo_{number}.jpg",
            made_up.photo,
            (WIDTH, HEIGHT),
            keypoints,
            np.full(21, 0.95 - 0.15 * number),
            (10, 20, 200, 210),
            left_out=reason,
            crop=Crop(made_up.photo[:200, :200], 200, keypoints),
            augmented=[Crop(made_up.photo[20:220, 50:250], 200, keypoints - (50, 20))],
        )
        for number, reason in enumerate(reasons)
    ]
    page = DatasetPage(
        "Photos",
        samples,
        handless=[("album/wall.jpg", made_up.photo)],
        handless_count=30,
        unreadable=[("album/cut.jpg", "it ends too early")],
        lead="What training sees.",
    )
    return write_dataset_page(tmp_path_factory.mktemp("dataset") / "dataset.html", page)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """Share of pixels that differ visibly."""
    return float((np.abs(after - before).max(-1) > 24).mean())


@dataclass
class Opened:
    """A page in the browser, and what went wrong there.

    Attributes:
        tab: Playwright's page.
        faults: errors on the console and in scripts, and requests that left the page.
    """

    tab: object
    faults: list[str] = field(default_factory=list)

    def canvas(self) -> np.ndarray:
        """What the viewer's stage shows, (H, W, 3)."""
        content = self.tab.locator(".viewer-stage canvas").screenshot()
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)

    def canvas_unlike(
        self, before: np.ndarray, share: float = 0.002, told: str = "stayed as it was"
    ) -> np.ndarray:
        """The canvas as soon as more than a share of its pixels differ from an earlier picture."""
        return self._canvas_when(lambda now: changed(before, now) > share, told)

    def canvas_like(self, before: np.ndarray) -> np.ndarray:
        """The canvas as soon as it looks as it did before, but for its border, which shows the focus."""
        inner = (slice(8, -8), slice(8, -8))
        return self._canvas_when(lambda now: changed(before[inner], now[inner]) < 0.002, "stayed different")

    def canvas_after(self, *keys: str) -> np.ndarray:
        """The canvas as each of some keys has changed it."""
        self.tab.locator(".viewer-stage canvas").focus()
        picture = self.canvas()
        for key in keys:
            self.tab.keyboard.press(key)
            picture = self.canvas_unlike(picture, told=f"stayed as it was after {key}")
        return picture

    def _canvas_when(self, is_so, otherwise: str) -> np.ndarray:
        for _ in range(TRIES):
            picture = self.canvas()
            if is_so(picture):
                return picture
            self.settle()
        raise AssertionError(f"the canvas {otherwise}")

    def open(self, identifier: str) -> None:
        """Opens a scene as a reader would, and waits until it is drawn."""
        self.tab.locator(f'[data-open="{identifier}"]').last.click()
        self.wait_for(identifier)

    def wait_for(self, identifier: str) -> None:
        """Waits until a scene is drawn."""
        self.tab.locator(f'[data-viewer][data-shown="{identifier}"]').wait_for()

    def settle(self) -> None:
        """Waits until images are decoded and what was asked for is drawn."""
        self.tab.evaluate(
            "() => new Promise((done) => setTimeout("
            "() => requestAnimationFrame(() => requestAnimationFrame(done)), 60))"
        )


@pytest.fixture(scope="module")
def open_page(browser):
    """``open_page(path, width=..., **context)``: an Opened page; its faults fail the module's last test."""
    contexts, pages = [], []

    def start(path, width=920, height=560, script="", **context):
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": height},
                **{"reduced_motion": "reduce", "color_scheme": "light"} | context,
            )
        )
        opened = Opened(contexts[-1].new_page())
        pages.append(opened)
        url = path.as_uri()

        def note_request(request):
            if request.url != url and not request.url.startswith("data:"):
                opened.faults.append(f"request: {request.url}")

        def note_message(message):
            if message.type == "error":
                opened.faults.append(f"console: {message.text}")

        opened.tab.on("request", note_request)
        opened.tab.on("console", note_message)
        opened.tab.on("pageerror", lambda error: opened.faults.append(f"script: {error}"))
        if script:
            opened.tab.add_init_script(script)
        opened.tab.goto(url)
        if opened.tab.locator(".viewer.live").count():
            opened.tab.locator("[data-viewer][data-shown]").wait_for()
        opened.settle()
        return opened

    yield start
    for context in contexts:
        context.close()
    assert [fault for opened in pages for fault in opened.faults] == []
