# SPDX-License-Identifier: Apache-2.0
"""A page as one file that is safe to show in a browser: nothing runs in it, nothing is fetched.

What goes out is written anew from a list of known elements: no comment, every text and value escaped,
pictures, fonts and styles of the session inside as data: addresses, all else dropped. The policy in
its head says the same once more to the browser.
"""
import base64
import mimetypes
import os
import re
from html import escape
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

POLICY = ("default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; media-src data:; "
          "script-src 'none'; object-src 'none'; frame-src 'none'; connect-src 'none'; "
          "form-action 'none'; base-uri 'none'")
SANDBOX = 'sandbox="" referrerpolicy="no-referrer" credentialless'
TOTAL_MAX = 32 << 20
IMPORT_DEPTH = 4

TAGS = set("""a abbr address article aside audio b bdi bdo blockquote body br button caption cite code col
colgroup data datalist dd del details dfn dialog div dl dt em fieldset figcaption figure footer form h1 h2 h3
h4 h5 h6 head header hgroup hr html i img input ins kbd label legend li main map area mark menu meter nav ol
optgroup option output p picture pre progress q rp rt ruby s samp section select small source span strong style
sub summary sup table tbody td textarea tfoot th thead time title tr track u ul var video wbr
svg g path circle ellipse line polyline polygon rect text tspan textpath defs symbol use marker mask pattern
clippath lineargradient radialgradient stop filter fegaussianblur feoffset feblend fecolormatrix feflood
fecomposite femerge femergenode image desc view switch
math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd
mstyle mpadded mphantom menclose semantics annotation""".split())
VOID = set("area br col hr img input source track wbr".split())
# what stands in these is no text of the page
SILENT = set("script iframe object embed applet frameset noframes noembed noscript template xmp plaintext "
             "foreignobject annotation-xml portal".split())
SVG_CASE = {"clippath": "clipPath", "lineargradient": "linearGradient", "radialgradient": "radialGradient",
            "textpath": "textPath", "fegaussianblur": "feGaussianBlur", "feoffset": "feOffset",
            "feblend": "feBlend", "fecolormatrix": "feColorMatrix", "feflood": "feFlood",
            "fecomposite": "feComposite", "femerge": "feMerge", "femergenode": "feMergeNode"}
FETCHED = {"src", "poster", "data", "background"}
DROPPED = {"srcdoc", "action", "formaction", "ping", "http-equiv", "manifest", "integrity", "crossorigin",
           "nonce", "target", "download", "autofocus", "form", "is", "srcset", "imagesrcset", "archive",
           "codebase", "classid", "longdesc", "profile", "cite", "dynsrc", "lowsrc", "nonce"}
NAME = re.compile(r"[a-z_][a-z0-9_.:-]*\Z", re.I)
URL = re.compile(r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)'"\s]*))\s*\)""", re.I)
IMPORT = re.compile(r"""@import\s+(?:url\(\s*)?["']?([^"')\s;]+)["']?\s*\)?\s*([^;{}]*);?""", re.I)
ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|([g-z@(]))", re.I)
GOOD_TYPES = ("image/", "font/", "audio/", "video/", "application/font", "application/vnd.ms-fontobject")


def plain(match):
    if match.group(2):
        return match.group(2)
    code = int(match.group(1), 16)
    return chr(code) if 0x40 <= code <= 0x7A and code != 0x5C or code == 0x28 else match.group(0)


class Page(HTMLParser):
    def __init__(self, path, home):
        super().__init__(convert_charrefs=True)
        self.home, self.base = home, os.path.dirname(path)
        self.head, self.body, self.css = [], [], None
        self.silent = []
        self.total = 0
        self.title = ""
        self.in_title = False
        self.attributes = {"html": "", "body": ""}

    # files of the session, and of nothing else
    def read(self, url, base):
        parts = urlsplit(url.strip())
        if parts.scheme or parts.netloc or not parts.path:
            return None, None
        name = unquote(parts.path)
        path = os.path.join(self.home, name.lstrip("/")) if name.startswith("/") else os.path.join(base, name)
        if name.startswith(self.home + "/"):
            path = name
        path = os.path.realpath(path)
        if not path.startswith(self.home + "/") or not os.path.isfile(path):
            return None, None
        self.total += os.path.getsize(path)
        if self.total > TOTAL_MAX:
            raise SystemExit("render: more than %d MiB of resources" % (TOTAL_MAX >> 20))
        with open(path, "rb") as f:
            return f.read(), path

    def data_url(self, url, base):
        if url.strip().lower().startswith("data:"):
            kind = url.strip()[5:].split(",")[0].split(";")[0].lower()
            return url.strip() if kind.startswith(GOOD_TYPES) else None
        data, path = self.read(url, base)
        if data is None:
            return None
        kind = mimetypes.guess_type(path)[0] or ""
        if path.endswith((".woff2", ".woff", ".ttf", ".otf")):
            kind = "font/" + path.rsplit(".", 1)[1]
        if not kind.startswith(GOOD_TYPES):
            return None
        return "data:%s;base64,%s" % (kind, base64.b64encode(data).decode())

    def style(self, text, base, depth=0):
        def get(match):
            data, path = self.read(match.group(1), base) if depth < IMPORT_DEPTH else (None, None)
            if data is None:
                return ""
            inner = self.style(data.decode("utf-8", "replace"), os.path.dirname(path), depth + 1)
            media = match.group(2).strip()
            return "@media %s {%s}" % (media, inner) if media else inner

        def inline(match):
            url = match.group(1) or match.group(2) or match.group(3) or ""
            if url.startswith("#"):
                return 'url("%s")' % re.sub(r"[^\w#-]", "", url)
            return 'url("%s")' % (self.data_url(url, base) or "data:,")
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
        # an escape could spell a function's name past this reading: letters are written plainly
        text = ESCAPE.sub(plain, text)
        text = URL.sub(inline, IMPORT.sub(get, text))
        text = re.sub(r"(?:-webkit-)?image-set\s*\(|expression\s*\(|-moz-binding|behavior\s*:", "x-none(", text,
                      flags=re.I)
        return text.replace("<", "\\3c ")

    def attrs(self, tag, attrs):
        out = []
        for name, value in attrs:
            name, value = name.lower(), value or ""
            if not NAME.match(name) or name.startswith("on") or name in DROPPED:
                continue
            if name in ("href", "xlink:href"):
                if tag == "image":
                    value = self.data_url(value, self.base)
                elif not value.startswith("#"):
                    value = None  # a link out of the page leads nowhere
            elif name in FETCHED:
                value = self.data_url(value, self.base)
            elif name == "style":
                value = self.style(value, self.base)
            elif "url(" in value.lower():
                value = self.style(value, self.base)
            if value is not None:
                out.append(' %s="%s"' % (name, escape(value, quote=True)))
        return "".join(out)

    def handle_starttag(self, tag, attrs):
        tag = tag.lower()
        if tag in SILENT:
            if tag != "embed":  # the only one without an end
                self.silent.append(tag)
            return
        if self.silent:
            return
        if tag == "link":
            self.link(dict((n.lower(), v or "") for n, v in attrs))
        elif tag in ("html", "body"):
            self.attributes[tag] = self.attrs(tag, attrs)
        elif tag == "style":
            self.css = []
        elif tag == "title" and not self.title:
            self.in_title = True
        elif tag in TAGS and tag not in ("head", "title"):
            self.body.append("<%s%s>" % (SVG_CASE.get(tag, tag), self.attrs(tag, attrs)))

    def handle_startendtag(self, tag, attrs):
        if tag.lower() in SILENT:
            return
        self.handle_starttag(tag, attrs)
        if tag.lower() not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        tag = tag.lower()
        if tag in SILENT:
            if tag in self.silent:
                while self.silent.pop() != tag:
                    pass
            return
        if self.silent:
            return
        if tag == "style" and self.css is not None:
            self.head.append("<style>%s</style>" % self.style("".join(self.css), self.base))
            self.css = None
        elif tag == "title":
            self.in_title = False
        elif tag in TAGS and tag not in VOID and tag not in ("html", "head", "body", "title", "style"):
            self.body.append("</%s>" % SVG_CASE.get(tag, tag))

    def link(self, attrs):
        if "stylesheet" not in attrs.get("rel", "").lower().split():
            return
        data, path = self.read(attrs.get("href", ""), self.base)
        if data is not None:
            css = self.style(data.decode("utf-8", "replace"), os.path.dirname(path))
            media = attrs.get("media", "")
            self.head.append('<style media="%s">%s</style>' % (escape(media, quote=True), css))

    def handle_data(self, data):
        if self.css is not None:
            self.css.append(data)
        elif self.in_title:
            self.title += data
        elif not self.silent:
            self.body.append(escape(data, quote=False))


def make(path, home):
    page = Page(path, home)
    with open(path, encoding="utf-8", errors="replace") as f:
        page.feed(f.read())
    page.close()
    return ("<!doctype html>\n<html%s><head><meta charset=\"utf-8\">"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">"
            "<meta name=\"referrer\" content=\"no-referrer\"><title>%s</title>%s</head><body%s>%s</body></html>\n"
            % (page.attributes["html"], escape(POLICY, quote=True), escape(page.title), "".join(page.head),
               page.attributes["body"], "".join(page.body)))
