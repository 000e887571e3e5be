// SPDX-License-Identifier: Apache-2.0
// What the Python run left in the session is there for the next run, in any language.
const years = Object.entries(require('./by_year.json'));
const rise = years.slice(1).map(([year, v], i) => [year, v - years[i][1]]);
const [year, most] = rise.reduce((a, b) => (b[1] > a[1] ? b : a));
console.log(`${years.length} years; the largest rise was in ${year}: ${most.toFixed(2)} ppm`);
