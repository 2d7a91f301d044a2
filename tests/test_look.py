"""Look: what a mail shows in a real browser; no HTML of a sender hides the address or the unsubscribe link."""

import html
import json
import re
import shutil
import subprocess

import pytest

from app.messages.writing.clean_html import clean_html
from app.messages.writing.footer import Footer, Signature
from app.words import Language

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LINK = "https://loyal.shop.example/unsubscribe/token"
FOOTER = Footer(Signature("Ada's shop", "Via Roma 1\n20121 Milano"), Language.ENGLISH, LINK)
FORMS = {"desk": 640, "phone": 320}

SENDERS = {
    "plain": "<p>Hello</p>",
    "negative margin": '<div style="margin-bottom:-4000px;background-color:#fff">Hello</div>',
    "negative margin without a unit": "<table><tr><td style='margin:0 0 -999em 0'>x</td></tr></table>",
    "computed margin": '<p style="margin-bottom:calc(0px - 900px)">x</p>',
    "fixed": '<div style="position:fixed;inset:0;background-color:#fff">x</div>',
    "absolute": '<div style="position:absolute;top:0;width:9999px;height:99999px;background-color:#fff">x</div>',
    "a float": '<div style="float:left;width:300px;height:3000px">x</div>',
    "an aligned image": '<img align="left" src="https://shop.example/x.png" width="300" height="3000" alt="x">',
    "an aligned table": '<table align="right" width="600" height="4000"><tr><td>x</td></tr></table>',
    "open tags": "<div><table><tr><td><b><a href='https://shop.example'>x",
    "closing tags": "</div></div></td></tr></table></body></html>",
    "a style sheet": "<style>a{display:none} div{color:#fff}</style><p>x</p>",
    "a comment": "<p>x</p><!-- ",
    "a text area": "<textarea><p>x",
    "plain text to the end": "<plaintext>x",
    "hidden": '<div style="display:none"><p>x',
    "no size": '<div style="font-size:0;line-height:0;height:0"><p>x',
    "white on white": '<div style="color:#ffffff;background-color:#ffffff"><p>x',
    "from right to left": '<div dir="rtl">\u202ex',
    "a wide table": "<table width='9000'><tr><td>" + "x" * 3_000 + "</td></tr></table>",
    "preformatted": "<pre>" + "x" * 5_000,
    "a tall cell": '<table><tr><td style="height:20000px;vertical-align:bottom">x</td></tr></table>',
    "an inline block": '<span style="display:inline-block;width:100%;height:2000px;vertical-align:-900px">x</span>',
    "a line height": '<p style="line-height:900">x</p>',
    "a list": "<ul style='padding-left:9000px'><li>x</ul>",
}

LOOK = """
const looked = {};
function seen(frame, element) {
  element.scrollIntoView({block: "center"});
  const page = frame.contentDocument, box = element.getBoundingClientRect(), view = frame.contentWindow;
  const x = box.left + Math.min(box.width, 40) / 2, y = box.top + Math.min(box.height, 12) / 2;
  const top = page.elementFromPoint(x, y), style = view.getComputedStyle(element);
  return {
    onTop: !!top && (top === element || element.contains(top)),
    size: Math.min(box.width, box.height), left: box.left, font: parseFloat(style.fontSize), color: style.color,
    visibility: style.visibility,
  };
}
async function look() {
  for (const [name, width, source] of MAILS) {
    const frame = document.createElement("iframe");
    frame.style = `width:${width}px;height:480px;border:0`;
    frame.srcdoc = source;
    const loaded = new Promise(done => frame.onload = done);
    document.body.append(frame);
    await loaded;
    const links = [...frame.contentDocument.querySelectorAll("a")].filter(each => each.href === LINK);
    const lines = [...frame.contentDocument.querySelectorAll("p")].filter(each => each.textContent.includes("Milano"));
    looked[name] = {links: links.length, lines: lines.length};
    if (links.length && lines.length) {
      looked[name].link = seen(frame, links.at(-1));
      looked[name].line = seen(frame, lines.at(-1));
    }
    frame.remove();
  }
  const out = document.createElement("pre");
  out.id = "looked";
  out.textContent = JSON.stringify(looked);
  document.body.append(out);
}
look();
"""


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """What the browser says of each mail, on a desk and on a phone."""
    if BROWSER is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    folder = tmp_path_factory.mktemp("look")
    mails = [
        (f"{name} on a {form}", width, "<!doctype html><body>" + FOOTER.below_html(clean_html(sender)))
        for name, sender in SENDERS.items()
        for form, width in FORMS.items()
    ]
    data = json.dumps(mails).replace("</", "<\\/")
    page = folder / "page.html"
    page.write_text(
        f"<!doctype html><body><script>const LINK = {json.dumps(LINK)}; const MAILS = {data};{LOOK}</script>",
        encoding="utf-8",
    )
    said = subprocess.run(
        [
            BROWSER,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", f"--user-data-dir={folder}/profile"),
            *("--virtual-time-budget=20000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    found = re.search(r'<pre id="looked">(.*?)</pre>', said, re.DOTALL)
    assert found, said[-500:]
    return json.loads(html.unescape(found[1]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sender", SENDERS)
def test_the_address_and_the_link_are_seen_below_whatever_was_sent(looked, sender, form):
    mail = looked[f"{sender} on a {form}"]
    assert (mail["links"], mail["lines"]) == (1, 1)
    for part in (mail["link"], mail["line"]):
        assert part["onTop"], part
        assert part["size"] >= 10
        assert part["font"] >= 12
        assert 0 <= part["left"] < FORMS[form]
        assert part["visibility"] == "visible"
        assert part["color"] != "rgb(255, 255, 255)"
