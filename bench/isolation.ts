// SPDX-License-Identifier: Apache-2.0
// What a kernel of the sandbox's own costs real builds: the same commands in a sandbox of runc and in one of gVisor, with the same limits, without a network.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDriver, type Sandbox, type SandboxDriver, type SandboxSpec } from '@sallyport/sandbox'
import { findRunsc } from '@sallyport/testkit'
import { medianOf } from './_sandbox.ts'
import type { BenchRow } from './row.ts'

const ROUNDS = 3

/** Prepared once in each sandbox; each build then starts from the same files. */
const SETUP = `
set -e
mkdir -p /tmp/c && cd /tmp/c
for i in $(seq 24); do printf '#include <stdio.h>\\n#include <stdlib.h>\\n#include <string.h>\\nint f%d(int x) { char b[64]; snprintf(b, sizeof b, "%%d", x); return (int)strlen(b) + %d; }\\n' $i $i > f$i.c; done
printf 'int main(void) { return 0; }\\n' > main.c
printf 'OBJECTS := $(patsubst %%.c,%%.o,$(wildcard *.c))\\nprogram: $(OBJECTS)\\n\\tgcc -o $@ $^\\n%%.o: %%.c\\n\\tgcc -O1 -c -o $@ $<\\n' > Makefile
mkdir -p /tmp/r && cd /tmp/r && git init -q . && for d in $(seq 40); do mkdir d$d; for f in $(seq 50); do echo $d $f > d$d/f$f; done; done
git add -A && git -c user.name=bench -c user.email=bench@example.test commit -q -m files
mkdir -p /tmp/n && cd /tmp/n && for p in $(seq 30); do mkdir -p p$p/lib; for f in $(seq 20); do echo "module.exports = $f" > p$p/lib/f$f.js; done; printf '{"name":"p%d","version":"1.0.0"}' $p > p$p/package.json; tar -czf p$p.tgz --transform 's,^p[0-9]*,package,' p$p; done
printf '{"name":"n","version":"1.0.0","dependencies":{' > package.json; for p in $(seq 30); do [ $p = 1 ] || printf , >> package.json; printf '"p%d":"file:p%d.tgz"' $p $p >> package.json; done; printf '}}' >> package.json
npm install --offline --no-audit --no-fund --package-lock-only > /dev/null
`

const BUILDS: readonly (readonly [name: string, script: string])[] = [
  ['a step that does nothing', 'true'],
  ['200 processes, one after the other', 'i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done'],
  ['make: 25 files of C with gcc', 'cd /tmp/c && rm -f *.o program && make -s'],
  ['git clone of 2,000 files', 'rm -rf /tmp/clone && git clone -q --no-local /tmp/r /tmp/clone'],
  [
    'tar of 2,000 files, packed and unpacked',
    'rm -rf /tmp/t && mkdir /tmp/t && tar -C /tmp/r -cf - --exclude .git . | tar -C /tmp/t -xf -',
  ],
  ['find and grep through /usr/include/linux', 'find /usr/include/linux -type f | wc -l; grep -rlc socket /usr/include/linux | wc -l'],
  ['npm ci of 30 local packages', 'cd /tmp/n && rm -rf node_modules && npm ci --offline --no-audit --no-fund'],
  ['sha256 of 256 MiB', 'head -c 268435456 /dev/zero | sha256sum'],
]

const SPEC: Omit<SandboxSpec, 'id'> = {
  image: { kind: 'host' },
  rootfs: 'disposable',
  limits: { cpu: 2, memoryBytes: 2 ** 31, memorySwapBytes: 2 ** 31, pids: 512, diskBytes: 2 ** 30, diskInodes: 100_000, openFiles: 4096 },
  nodeBinary: null,
  readOnlyBinds: [],
  directories: [],
  hostname: 'bench',
  gate: null,
}

async function timeStep(sandbox: Sandbox, script: string): Promise<number> {
  const startedMs = performance.now()
  const step = await sandbox.startStep({
    id: 'build',
    argv: ['/bin/sh', '-c', script],
    env: { PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin', HOME: '/home/runner' },
    workingDirectory: '/tmp',
    files: [],
    collect: [],
    collectBytesMax: 0,
    network: null,
  })
  let output = ''
  for await (const part of step.output as AsyncIterable<Buffer>) output = `${output}${part.toString()}`.slice(-500)
  const { kind, code, message } = await step.exit
  const tookMs = performance.now() - startedMs
  if (kind !== 'exited' || code !== 0) throw new Error(`"${script.slice(0, 80)}" ended as ${kind} ${code}: ${message ?? output}`)
  return tookMs
}

interface Measured {
  readonly name: string
  readonly ratio: number
  readonly baseMs: number
  readonly ownMs: number
}

/** One after the other in turn, so that what else the machine does weighs on both alike. */
async function inTurn(name: string, base: () => Promise<number>, own: () => Promise<number>): Promise<Measured> {
  const pairs: [number, number][] = []
  for (let round = 0; round < ROUNDS; round++) pairs.push([await base(), await own()])
  process.stderr.write(`bench: ${name}: ${pairs.map((pair) => pair.map(Math.round).join('/')).join(', ')} ms\n`)
  const best = (index: 0 | 1): number => Math.min(...pairs.map((pair) => pair[index]))
  return { name, baseMs: best(0), ownMs: best(1), ratio: medianOf(pairs.map(([baseMs, ownMs]) => ownMs / baseMs)) }
}

async function timeStart(driver: SandboxDriver): Promise<number> {
  const startedMs = performance.now()
  await using _ = await driver.prepare({ ...SPEC, id: 'bench-start' }, AbortSignal.timeout(60_000))
  return performance.now() - startedMs
}

async function measure(runc: SandboxDriver, gvisor: SandboxDriver): Promise<readonly Measured[]> {
  const signal = AbortSignal.timeout(60_000)
  const start = await inTurn(
    'a sandbox, built',
    () => timeStart(runc),
    () => timeStart(gvisor),
  )
  await using base = await runc.prepare({ ...SPEC, id: 'bench-runc' }, signal)
  await using own = await gvisor.prepare({ ...SPEC, id: 'bench-gvisor' }, signal)
  for (const sandbox of [base, own]) await timeStep(sandbox, SETUP)
  const builds: Measured[] = []
  for (const [name, script] of BUILDS)
    builds.push(
      await inTurn(
        name,
        () => timeStep(base, script),
        () => timeStep(own, script),
      ),
    )
  return [start, ...builds]
}

export async function run(): Promise<BenchRow[]> {
  const missing = (reason: string): BenchRow[] => [{ name: 'isolation', value: Number.NaN, unit: '', note: `missing: ${reason}` }]
  if (process.getuid?.() !== 0) return missing('sandboxes need root')
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    const drivers = (['runc', 'gvisor'] as const).map((name) => createDriver(name, directory, { runsc: findRunsc() }))
    for (const driver of drivers) {
      const obstacle = await driver.obstacle()
      if (obstacle !== null) return missing(obstacle.message)
    }
    const [runc, gvisor] = drivers as [SandboxDriver, SandboxDriver]
    return (await measure(runc, gvisor)).map(({ name, ratio, baseMs, ownMs }) => ({
      name: `gVisor: ${name}`,
      value: ownMs,
      unit: 'ms',
      ratio: `${ratio.toFixed(1)} × runc`,
      note: `best of ${ROUNDS}; runc's ${baseMs.toFixed(0)} ms; ratio: median of pairs`,
    }))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
