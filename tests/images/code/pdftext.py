"""pdftext.py FILE: the text of a PDF's pages."""
import sys
try:
    from pypdf import PdfReader
except ImportError:
    import subprocess
    sys.exit(subprocess.call(["pdftotext", sys.argv[1], "-"]))
for page in PdfReader(sys.argv[1]).pages:
    print(page.extract_text())
