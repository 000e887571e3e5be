#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The image "office": each program on a real file. Run with IMAGES="... office".
load helper

setup() {
  [ -f "$SBX_IMAGES/office.json" ] || skip "the image 'office' is not built"
  setup_session
}

@test "pandoc writes docx, LibreOffice makes a PDF of it, poppler reads it, qpdf checks it" { # S2-08, S2-25, S2-54, S2-55
  exec_code office bash 'set -e
printf "# Annual\n\nfour thousand\n" >a.md
pandoc a.md -o a.docx
soffice -env:UserInstallation=file:///tmp/.office --headless --convert-to pdf a.docx >/dev/null
pdftotext a.pdf - | grep -c "four thousand"
qpdf --check a.pdf | grep -c "No syntax"
pdftoppm -r 100 -png a.pdf page'
  want '.status == "success" and .stdout == "1\n1\n" and ([.files[].name] | index("a.pdf") != null)'
}

@test "tesseract reads what imagemagick wrote" { # S2-08, S2-25, S2-55
  exec_code office bash 'set -e
convert -size 600x120 xc:white -font DejaVu-Sans -pointsize 60 -fill black -annotate +20+80 "HELLO 42" t.png
tesseract t.png - 2>/dev/null | head -n 1'
  want '.status == "success" and (.stdout | test("HELLO 42"))'
}

@test "graphviz draws, ffmpeg makes a film" { # S2-08, S2-25, S2-57
  exec_code office bash 'set -e
echo "digraph { a -> b }" | dot -Tpng -o g.png
ffmpeg -loglevel error -f lavfi -i testsrc=duration=1:size=160x120:rate=10 v.mp4
ffprobe -v error -show_entries stream=width -of csv=p=0 v.mp4'
  want '.status == "success" and .stdout == "160\n" and ([.files[].name] | sort == ["g.png","v.mp4"])'
}

@test "export_pdf turns a document of the session into a PDF" { # S2-51
  answer=$(jq -n --arg s "$session" '{name:"export_pdf",profile:"office",session:$s,code:"in.txt"}' | sbx tool --request -)
  want '.status == "success" and ([.files[].name] | index("in.pdf") != null)'
}
