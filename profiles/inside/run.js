// SPDX-License-Identifier: Apache-2.0
// Runs a script as if it stood in the workspace, so that require('./x') finds the session's files.
'use strict';
const fs = require('fs');
const vm = require('vm');
const path = require('path');
const { Module } = require('module');
const { pathToFileURL } = require('url');

const file = process.argv[2];
const seat = path.join('/mnt/data', path.basename(file));
const code = fs.readFileSync(file, 'utf8').replace(/^#!.*/, '');
process.argv.splice(1, 2, seat);

function isModule() {
  try {
    new vm.Script(Module.wrap(code), { filename: seat });
    return false;
  } catch {
    return true; // import, export or a top-level await; a plain error is told again by import()
  }
}

if (isModule()) {
  const source = path.join('/tmp', `.sbx-${process.pid}.mjs`);
  // relative imports are of the workspace
  const moved = code.replace(/(\bfrom\s*|\bimport\s*\(?\s*)(['"])(\.{1,2}\/[^'"\n]*)\2/g,
    (_, head, quote, name) => head + quote + pathToFileURL(path.resolve('/mnt/data', name)) + quote);
  fs.writeFileSync(source, moved);
  import(pathToFileURL(source)).catch((e) => {
    console.error(e && e.stack ? e.stack.replaceAll(pathToFileURL(source).href, seat) : e);
    process.exitCode = 1;
  });
} else {
  const main = new Module(seat, null);
  main.filename = seat;
  main.paths = Module._nodeModulePaths('/mnt/data').concat('/usr/share/nodejs', '/usr/lib/nodejs');
  main.id = '.';
  process.mainModule = main;
  require.cache[seat] = main;
  Module._cache[seat] = main;
  main._compile(code, seat);
  main.loaded = true;
}
