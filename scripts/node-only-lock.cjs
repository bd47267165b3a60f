// SPDX-License-Identifier: Apache-2.0
// Usage: node scripts/node-only-lock.cjs DIR
// Writes a package.json and package-lock.json that hold only Node 24, with the hashes that our own lock file pins.
// Runs on the machine's Node, which may be as old as 18: CommonJS, and nothing newer.
'use strict'
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')

const directory = process.argv[2]
const lock = JSON.parse(readFileSync(join(__dirname, '..', 'package-lock.json'), 'utf8'))
const wanted = lock.packages[''].optionalDependencies
const root = { name: 'sallyport-node', version: '0.0.0', private: true, optionalDependencies: wanted }
const packages = { '': root }
for (const name of Object.keys(wanted)) packages[`node_modules/${name}`] = lock.packages[`node_modules/${name}`]

mkdirSync(directory, { recursive: true })
const write = (file, value) => writeFileSync(join(directory, file), `${JSON.stringify(value, null, 2)}\n`)
write('package.json', root)
write('package-lock.json', { name: root.name, version: root.version, lockfileVersion: 3, requires: true, packages })
