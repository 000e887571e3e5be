#!/usr/bin/node
// SPDX-License-Identifier: Apache-2.0
// npm in a jail: what is there is there, and what is not is told at once. There is no network, so
// nothing is looked for in one. Other commands go to the npm that the root has.
'use strict';
const fs = require('fs');
const path = require('path');

const args = process.argv.slice(2);
const command = args.find((a) => !a.startsWith('-'));
const INSTALL = ['install', 'i', 'in', 'add', 'ci', 'isntall', 'install-test'];
const FETCH = ['view', 'info', 'show', 'search', 'outdated', 'update', 'upgrade', 'audit', 'publish', 'login', 'ping'];

function fail(text) {
  console.error(`npm error ${text}`);
  console.error('npm error nothing can be downloaded here, there is no network: only the libraries of the profile are '
    + "there, and its operator adds some with 'sbx libs add'");
  process.exit(1);
}

function places() {
  const list = ['/usr/share/nodejs', '/usr/lib/nodejs'];
  for (let d = process.cwd(); ; d = path.dirname(d)) {
    list.unshift(path.join(d, 'node_modules'));
    if (d === '/') return list;
  }
}

function versionOf(name) {
  for (const place of places()) {
    try {
      return JSON.parse(fs.readFileSync(path.join(place, name, 'package.json'))).version || '';
    } catch {}
  }
  return null;
}

function wanted() {
  const names = args.filter((a) => !a.startsWith('-') && a !== command);
  if (names.length) return names;
  try {
    const own = JSON.parse(fs.readFileSync('package.json'));
    return Object.keys({ ...own.dependencies, ...own.devDependencies });
  } catch {
    return [];
  }
}

if (INSTALL.includes(command)) {
  const missing = [];
  for (const text of wanted()) {
    const at = text.indexOf('@', 1);
    const name = at > 0 ? text.slice(0, at) : text;
    const want = at > 0 && /^\d+\.\d+\.\d+/.test(text.slice(at + 1)) ? text.slice(at + 1) : null;
    const version = name.includes('..') || name.startsWith('/') ? null : versionOf(name);
    if (version === null || (want && want !== version)) missing.push(text);
    else console.log(`${name}@${version} is there already`);
  }
  if (missing.length) fail(`notcached: not there: ${missing.join(' ')}`);
} else if (FETCH.includes(command)) {
  fail(`'npm ${command}' needs a network`);
} else {
  const real = ['/usr/bin/npm', '/usr/local/bin/npm'].find((p) => fs.existsSync(p));
  if (!real) fail(`'npm ${command || ''}' is not available here`);
  const run = require('child_process').spawnSync(real, args, { stdio: 'inherit' });
  process.exit(run.status === null ? 1 : run.status);
}
