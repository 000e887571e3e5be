"""inert.py FILE: fails when a page could run or fetch anything, as a parser reads it."""
import re
import sys
from html.parser import HTMLParser

bad = []


class Look(HTMLParser):
    def handle_starttag(self, tag, attrs):
        if tag in "script iframe object embed base link template noscript frame applet foreignobject".split():
            bad.append("<%s>" % tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("srcdoc", "action", "formaction", "ping", "srcset"):
                bad.append("%s of <%s>" % (name, tag))
            if name in ("src", "href", "xlink:href", "poster") and not (value or "").startswith(("data:", "#")):
                bad.append("%s=%s" % (name, value))
            if name == "http-equiv" and value != "Content-Security-Policy":
                bad.append("http-equiv=%s" % value)

    def handle_comment(self, data):
        bad.append("a comment")


text = open(sys.argv[1], encoding="utf-8").read()
Look().feed(text)
bad += re.findall(r"url\((?!\"data:|\"#)[^)]*\)|@import[^;]*", text, re.I)
print("\n".join(bad))
sys.exit(bool(bad))
