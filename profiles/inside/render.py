# SPDX-License-Identifier: Apache-2.0
"""A page to page.png and page.pdf, by Chromium over its debugging pipe; or to one static file.

The page is loaded as a file of the workspace, so it can use what the session holds. There is no
network in the jail: what a page asks of one fails, and is told on stderr. The clock of the page is
virtual: timers up to --wait milliseconds run at once, so that the picture is the same each time.
"""
import argparse
import base64
import json
import os
import select
import shutil
import subprocess
import sys

HOME = "/mnt/data"
SIDE_MAX = 16384
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
    "--user-data-dir=/tmp/.chromium", "--disk-cache-dir=/tmp/.chromium/cache", "--hide-scrollbars",
    "--mute-audio", "--no-first-run", "--disable-background-networking", "--disable-breakpad",
    "--disable-crash-reporter", "--disable-component-update", "--disable-default-apps",
    "--disable-extensions", "--disable-sync", "--metrics-recording-only", "--disable-logging",
    "--disable-features=OptimizationHints,MediaRouter,Translate,DialMediaRouteProvider",
    "--font-render-hinting=none", "--force-color-profile=srgb", "--disable-lcd-text",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--renderer-process-limit=4",
]


def options():
    p = argparse.ArgumentParser(prog="render", allow_abbrev=False)
    p.add_argument("file")
    p.add_argument("--png", action="store_true")
    p.add_argument("--pdf", action="store_true")
    p.add_argument("--static", action="store_true")
    p.add_argument("--full-page", action="store_true")
    p.add_argument("--width", type=int, default=1280)
    p.add_argument("--height", type=int, default=800)
    p.add_argument("--scale", type=float, default=1.0)
    p.add_argument("--wait", type=int, default=3000)
    p.add_argument("--page", help="a page of the session instead of the code")
    p.add_argument("--name", default="page")
    o = p.parse_args()
    if not (1 <= o.width <= SIDE_MAX and 1 <= o.height <= SIDE_MAX and 0.1 <= o.scale <= 8):
        p.error("width and height are 1 to %d, scale is 0.1 to 8" % SIDE_MAX)
    if not 0 <= o.wait <= 60000:
        p.error("wait is 0 to 60000 ms")
    if not o.name or "/" in o.name or o.name.startswith("."):
        p.error("the name must be a plain one")
    if not (o.png or o.pdf or o.static):
        o.png = o.pdf = True
    return o


def place(o):
    """Where the page lies in the workspace, and what is to be removed afterwards."""
    if o.page:
        path = os.path.realpath(os.path.join(HOME, o.page))
        if not path.startswith(HOME + "/") or not os.path.isfile(path):
            sys.exit("render: the session has no file '%s'" % o.page)
        return path, None
    path = os.path.join(HOME, ".sbx-page-%d.html" % os.getpid())
    with open(o.file, "rb") as page, open(path, "wb") as out:
        out.write(b"\xef\xbb\xbf" + page.read())  # code is always UTF-8, whatever a page says
    return path, path


class Browser:
    def __init__(self):
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()
        program = shutil.which("chromium-headless-shell")
        if not program:
            sys.exit("render: 'chromium-headless-shell' is not installed")

        def arrange():
            # the pipes are 3 and 4 for Chromium; moved out of the way of each other first
            a, b = os.dup(to_read), os.dup(back_write)
            a, b = (os.dup2(a, 40, False), os.dup2(b, 41, False))
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen([program] + FLAGS, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=arrange, close_fds=False)
        os.close(to_read)
        os.close(back_write)
        self.buffer = b""
        self.count = 0
        self.session = None
        self.events = []

    def receive(self):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.back, self.process.stderr], [], [])
            if self.process.stderr in ready:
                # read, so that it never blocks on us; its own log is of no use to a reader
                os.read(self.process.stderr.fileno(), 65536)
            if self.back in ready:
                data = os.read(self.back, 1 << 20)
                if not data:
                    sys.exit("render: the browser ended (status %s)" % self.process.wait())
                self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def send(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        return self.count

    def call(self, method, **params):
        number = self.send(method, **params)
        while True:
            message = self.receive()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError("%s: %s" % (method, message["error"].get("message")))
                return message.get("result", {})
            if "method" in message:
                self.events.append(message)

    def next_event(self):
        return self.events.pop(0) if self.events else self.receive()

    def end(self):
        try:
            self.process.kill()
            self.process.wait()
        except OSError:
            pass


class Watch:
    """What the page says and asks for."""

    def __init__(self):
        self.urls = {}
        self.said = 0

    def say(self, text):
        self.said += 1
        if self.said <= 50:
            print(text, file=sys.stderr)

    def see(self, event):
        method, p = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.urls[p["requestId"]] = p["request"]["url"]
        elif method == "Network.loadingFailed":
            url = self.urls.get(p["requestId"], "?")
            self.say("not loaded: %s (%s)" % (url[:300], p.get("errorText", "")))
        elif method == "Runtime.consoleAPICalled":
            words = [str(a.get("value", a.get("description", ""))) for a in p.get("args", [])]
            self.say("console.%s: %s" % (p.get("type"), " ".join(words)[:1000]))
        elif method == "Runtime.exceptionThrown":
            d = p.get("exceptionDetails", {})
            text = d.get("exception", {}).get("description") or d.get("text", "")
            self.say("script error, line %d: %s" % (d.get("lineNumber", 0) + 1, text[:1000]))
        elif method == "Inspector.targetCrashed":
            sys.exit("render: the page ended its process")


def open_page(browser):
    page = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Network", "Inspector"):
        browser.call(domain + ".enable")


def settle(browser, watch, url, wait):
    """Loads the page and lets its virtual clock run; a page that never ends is for the jail's limits."""
    loaded = spent = False
    done = browser.call("Page.navigate", url=url)
    if done.get("errorText"):
        sys.exit("render: %s" % done["errorText"])
    browser.send("Emulation.setVirtualTimePolicy", policy="pauseIfNetworkFetchesPending",
                 budget=max(wait, 1), maxVirtualTimeTaskStarvationCount=100000)
    while not (loaded and spent):
        event = browser.next_event()
        watch.see(event)
        loaded = loaded or event.get("method") == "Page.loadEventFired"
        spent = spent or event.get("method") == "Emulation.virtualTimeBudgetExpired"


def picture(browser, o):
    clip = None
    width, height = o.width, o.height
    if o.full_page:
        size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
        width, height = int(max(size["width"], 1)), int(max(size["height"], o.height))
        most = int(SIDE_MAX / o.scale)
        clip = {"x": 0, "y": 0, "width": min(width, most), "height": min(height, most), "scale": 1}
    params = {"format": "png", "captureBeyondViewport": bool(clip)}
    if clip:
        params["clip"] = clip
    return base64.b64decode(browser.call("Page.captureScreenshot", **params)["data"])


def write(name, data):
    with open(os.path.join(HOME, name), "wb") as out:
        out.write(data)
    print(name)


def render(o, path):
    browser, watch = Browser(), Watch()
    try:
        browser.call("Browser.setDownloadBehavior", behavior="deny")
        open_page(browser)
        browser.call("Emulation.setDeviceMetricsOverride", width=o.width, height=o.height,
                     deviceScaleFactor=o.scale, mobile=False)
        settle(browser, watch, "file://" + path, o.wait)
        if o.png:
            write(o.name + ".png", picture(browser, o))
        if o.pdf:
            data = browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
            write(o.name + ".pdf", base64.b64decode(data))
        for event in browser.events:
            watch.see(event)
    except RuntimeError as e:
        sys.exit("render: %s" % e)
    finally:
        browser.end()


def main():
    o = options()
    path, remove = place(o)
    try:
        if o.static:
            sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
            import static
            write(o.name + ".static.html", static.make(path, HOME).encode())
            print("show it in <iframe %s>" % static.SANDBOX, file=sys.stderr)
        if o.png or o.pdf:
            render(o, path)
    finally:
        if remove:
            os.unlink(remove)


main()
