import docx
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas
from sklearn.linear_model import LinearRegression

d = pd.read_excel("left.xlsx").merge(pd.read_csv("right.csv"), on="id")
m = LinearRegression().fit(d[["x"]], d["y"])
r2 = m.score(d[["x"]], d["y"])
line = "slope %.3f r2 %.4f" % (m.coef_[0], r2)
print(line)
d.to_excel("merged.xlsx", index=False)
plt.figure(); plt.scatter(d.x, d.y, s=4); plt.plot(d.x, m.predict(d[["x"]]), "r"); plt.title("Fit")
plt.figure(); plt.hist(d.y - m.predict(d[["x"]]), bins=20)
plt.figure(); sns.boxplot(data=d, x="group", y="y")
plt.show()
doc = docx.Document()
doc.add_heading("Report", 0)
doc.add_paragraph(line)
doc.add_picture("plot_1.png")
doc.save("report.docx")
c = canvas.Canvas("report.pdf", pagesize=A4)
c.drawString(72, 760, "Report: " + line)
c.drawImage("plot_1.png", 72, 400, 400, 300)
c.save()
