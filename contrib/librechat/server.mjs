#!/usr/bin/env node
// SPDX-License-Identifier: MIT
import { main } from './src/cli.js'

await main(process.argv.slice(2), process.env)
