// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { ExitCode } from '@sallyport/core'
import { GUARANTEES } from '@sallyport/sandbox'
import { anchorsIn, bareFlagsIn, codeSpans, commandUsesIn, flagsIn, guaranteesIn, linksIn, pathsIn, tableRowsIn } from './_documents.ts'
import { packageRules } from './_house.ts'
import { readText, repositoryFiles, root } from './_repository.ts'

/** Documents for people; those of the example projects are part of what they are examples of. */
const documents = repositoryFiles().filter((path) => path.endsWith('.md') && !/^examples\/./.test(path.replace('examples/README.md', '')))
const text = Object.fromEntries(documents.map((path) => [path, readText(path)]))
const each = (find: (text: string, path: string) => readonly string[]): string[] =>
  documents.flatMap((path) => find(text[path] ?? '', path).map((found) => `${path}: ${found}`))

describe('THREAT_MODEL.md', () => {
  const guarantees = guaranteesIn(text['THREAT_MODEL.md'] ?? '')

  test('numbers its guarantees without a gap, each with mechanism, test and what remains', () => {
    assert.deepEqual(
      guarantees.map(({ number }) => number),
      guarantees.map((_, index) => index + 1),
    )
    assert.deepEqual(
      guarantees.filter(({ missing }) => missing.length > 0),
      [],
    )
    assert.ok(guarantees.length > 0)
  })

  test('names existing tests for each guarantee', () => {
    const bad = guarantees.flatMap(({ number, tests }) =>
      tests.length === 0 ? [`G${number} names none`] : tests.filter((path) => !isTest(path)).map((path) => `G${number}: ${path}`),
    )
    assert.deepEqual(bad, [])
  })

  test('has every guarantee of the sandbox once, and no other', () => {
    assert.deepEqual(guarantees.flatMap(({ names }) => names).toSorted(), [...GUARANTEES].toSorted())
  })
})

function isTest(path: string): boolean {
  return /\.test\.ts$/.test(path) && existsSync(join(root, path))
}

describe('the documents', () => {
  test('name files that exist', () => {
    assert.deepEqual(
      each((document) => pathsIn(document).filter((path) => !existsSync(join(root, path)))),
      [],
    )
  })

  test('link to files and headings that exist', () => {
    const broken = each((document, path) => linksIn(document).filter((link) => !/^https:\/\//.test(link) && !linkResolves(link, path)))
    assert.deepEqual(broken, [])
  })

  test('name targets of make and scripts of npm that exist', () => {
    const scripts = Object.keys((JSON.parse(readText('package.json')) as { scripts: object }).scripts)
    const targets = [...readText('Makefile').matchAll(/^([a-z-]+):/gm)].map((match) => match[1] ?? '')
    const unknown = (document: string): string[] =>
      codeSpans(document).flatMap((span) => {
        const [, tool, name = ''] = /^(make|npm run) ([a-z-]+)/.exec(span) ?? []
        return tool === undefined || (tool === 'make' ? targets : scripts).includes(name) ? [] : [span]
      })
    assert.deepEqual(each(unknown), [])
  })

  test('use commands and flags that --help knows', () => {
    const unknown = (document: string): string[] =>
      commandUsesIn(document).flatMap(({ command, flags }) => {
        if (!knownCommands.has(command)) return [`sallyport ${command}`]
        return flags.filter((flag) => !flagsOf(command).includes(flag)).map((flag) => `sallyport ${command} ${flag}`)
      })
    assert.deepEqual(each(unknown), [])
  })

  test('name no flag that the command line neither has nor refuses by name', () => {
    const known = new Set([...knownCommands].flatMap(flagsOf).concat(laterFlags()))
    assert.deepEqual(
      each((document) => bareFlagsIn(document).filter((flag) => !known.has(flag))),
      [],
    )
  })
})

function linkResolves(link: string, from: string): boolean {
  const [path = '', anchor] = link.split('#', 2)
  const target = path === '' ? from : join(dirname(from), path)
  if (!existsSync(join(root, target))) return false
  return anchor === undefined || anchorsIn(readText(target)).includes(anchor)
}

const knownCommands: ReadonlySet<string> = new Set([
  'run',
  'exec',
  'doctor',
  'runs',
  'runs ls',
  'runs show',
  'runs log',
  'trust',
  'access',
  'access learn',
  'access replay',
  'access check',
  'access explain',
  'audit',
  'audit verify',
  'audit prove',
  'audit show',
  'audit serve',
  'audit publish',
  'audit export',
  'audit witness',
  'audit payload',
  'audit hold',
  'audit hold add',
  'audit hold rm',
  'audit hold ls',
  'audit retain',
  'audit erase',
  'audit archive',
  'audit keys',
  'audit rotate',
  'secrets',
  'secrets init',
  'secrets set',
  'secrets get',
  'secrets ls',
  'secrets history',
  'secrets rotate',
  'secrets rm',
  'secrets import',
  'secrets restore',
  'secrets leases',
  'secrets audit',
  'identity',
  'identity serve',
  'identity export',
  'identity keys',
  'identity rotate',
  'identity check',
  'secrets scan',
  'image',
  'image pull',
  'image verify',
  'image ls',
  'image gc',
  'image build-minimal',
  'expr',
  'redact',
  'help',
])
const helpTexts = new Map<string, string>()

function helpOf(command: string): string {
  const known = helpTexts.get(command)
  if (known !== undefined) return known
  const argv = [join(root, 'packages/cli/src/main.ts'), ...command.split(' ').filter((word) => word !== 'help'), '--help']
  const help = execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], { encoding: 'utf8' })
  helpTexts.set(command, help)
  return help
}

function flagsOf(command: string): string[] {
  return flagsIn(helpOf(command).replaceAll(',', ' '))
}

/** Options of later releases, which are refused by name. */
function laterFlags(): string[] {
  const table = /LATER_OPTIONS[^{]*\{([^}]*)\}/.exec(readText('packages/cli/src/options/shared.ts'))?.[1] ?? ''
  return [...table.matchAll(/'(--[a-z-]+) /g)].map((match) => match[1] ?? '')
}

describe('ARCHITECTURE.md', () => {
  test('has the table of packages as test/arch/_house.ts has it', () => {
    const rows = tableRowsIn(text['ARCHITECTURE.md'] ?? '')
      .filter((row) => row.length === 4 && /^(\d( pure)?|dev)$/.test(row[0] ?? ''))
      .map(([level = '', name = '', , imports = '']) => ({
        name: codeSpans(name)[0],
        isPure: /^0|pure/.test(level),
        imports: codeSpans(imports),
      }))
    const rules = Object.entries(packageRules).map(([name, rule]) => ({ name, isPure: rule.isPure, imports: [...rule.packages] }))
    const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }): number =>
      (a.name ?? '').localeCompare(b.name ?? '')
    assert.deepEqual(rows.toSorted(byName), rules.toSorted(byName))
  })
})

describe('README.md', () => {
  test('lists the exit codes of run that core has', () => {
    const listed = tableRowsIn(text['README.md'] ?? '').flatMap(([code = '']) => (/^\d+$/.test(code) ? [Number(code)] : []))
    const { contained, execRefused, ...used } = ExitCode
    assert.deepEqual(listed.toSorted(), Object.values(used).toSorted())
    for (const code of [contained, execRefused]) assert.match(text['README.md'] ?? '', new RegExp(`\\b${code}\\b`))
  })
})

describe('docs/limits.md', () => {
  test('has each limit that --limit takes, and no other', () => {
    const taken = /a limit: ([a-z, \n]+); may/.exec(helpOf('run'))?.[1]?.split(/,\s+/) ?? []
    const rows = tableRowsIn(text['docs/limits.md'] ?? '').filter((row) => row.length === 5 && row[0] !== '`--limit`')
    assert.ok(taken.length > 0)
    assert.deepEqual(rows.map(([name = '']) => codeSpans(name)[0]).toSorted(), taken.toSorted())
  })
})

describe('docs/adr', () => {
  const records = documents.filter((path) => path.startsWith('docs/adr/'))

  test('are numbered without a gap, in name and title', () => {
    assert.deepEqual(
      records.toSorted().map((path) => [Number(/\/(\d{4})-/.exec(path)?.[1]), Number(/^# (\d+)\. /.exec(text[path] ?? '')?.[1])]),
      records.map((_, index) => [index + 1, index + 1]),
    )
  })

  test('have a date, a status, context, decision and consequences', () => {
    const parts = [/^Date: \d{4}-\d\d-\d\d\. Status: /m, /^## Context$/m, /^## Decision$/m, /^## Consequences$/m]
    assert.deepEqual(
      records.filter((path) => parts.some((part) => !part.test(text[path] ?? ''))),
      [],
    )
  })
})

describe('the readers of documents', () => {
  test('read a guarantee, and say what is missing in it', () => {
    const [whole, half] = guaranteesIn(
      '### G1 No way out (`a-b`, `c`)\n\n- Mechanism: x\n- Test: `t.test.ts`, `u.test.ts`\n- Remains: y\n\n### G2 Half\n\n- Test: none\n',
    )
    assert.deepEqual(whole, { number: 1, names: ['a-b', 'c'], tests: ['t.test.ts', 'u.test.ts'], missing: [] })
    assert.deepEqual(half, { number: 2, names: [], tests: [], missing: ['Mechanism', 'Remains'] })
  })

  test('take paths of the repository from code spans, not patterns and not what stands in a block', () => {
    assert.deepEqual(pathsIn('`packages/a/b.ts` `packages/*/x` `dist/x`\n```\n`test/y`\n```\n'), ['packages/a/b.ts'])
  })

  test('tell the flags of Sallyport from those of the command behind --', () => {
    assert.deepEqual(commandUsesIn('`sudo sallyport exec --write dist -- npm run --x`'), [{ command: 'exec', flags: ['--write'] }])
    assert.deepEqual(commandUsesIn('```sh\n./sallyport runs show ID --json | jq --y # --z\n```\n'), [
      { command: 'runs show', flags: ['--json'] },
    ])
    assert.deepEqual(commandUsesIn('`sallyport frobnicate`'), [{ command: 'frobnicate', flags: [] }])
  })

  test('find links and the anchors of headings', () => {
    assert.deepEqual(linksIn('[a](b.md#c-d) ![i](x.svg)'), ['b.md#c-d', 'x.svg'])
    assert.deepEqual(anchorsIn('## What it *does* not do\n'), ['what-it-does-not-do'])
  })
})
