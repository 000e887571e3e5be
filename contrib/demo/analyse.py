# SPDX-License-Identifier: Apache-2.0
"""Reads the weekly CO2 record, fits its trend, and draws both."""
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

data = pd.read_csv("co2.csv", dtype={"date": str})
data["date"] = pd.to_datetime(data["date"], format="%Y%m%d")
data = data.dropna()
years = data["date"].dt.year + data["date"].dt.dayofyear / 365.25
slope, start = np.polyfit(years, data["co2"], 1)
print(f"{len(data)} weeks, {data['co2'].iloc[0]:.1f} to {data['co2'].iloc[-1]:.1f} ppm, {slope:.2f} ppm a year")

plt.figure(figsize=(8, 4.5))
plt.plot(data["date"], data["co2"], linewidth=0.8, label="weekly mean")
plt.plot(data["date"], slope * years + start, label="trend")
plt.ylabel("CO2 (ppm)")
plt.legend()
plt.tight_layout()
plt.savefig("co2.png")
by_year = data.groupby(data["date"].dt.year)["co2"].mean().round(2)
json.dump({int(k): v for k, v in by_year.items()}, open("by_year.json", "w"))
