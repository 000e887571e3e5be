#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { setFlagsFromString } from 'node:v8'

// Most of what passes through lives for a moment: a small nursery keeps the process small.
setFlagsFromString('--max-semi-space-size=2')
setFlagsFromString('--semi-space-growth-factor=1')
const { main } = await import('./src/cli.js')
await main(process.argv.slice(2), process.env)
