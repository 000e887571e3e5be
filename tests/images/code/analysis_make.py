import random
import openpyxl
random.seed(1)
wb = openpyxl.Workbook()
ws = wb.active
ws.append(["id", "x"])
for i in range(200):
    ws.append([i, i / 10])
wb.save("left.xlsx")
with open("right.csv", "w") as f:
    f.write("id,y,group\n")
    for i in range(200):
        f.write("%d,%f,%s\n" % (i, 2 * i / 10 + 1 + random.gauss(0, 0.2), "ab"[i % 2]))
