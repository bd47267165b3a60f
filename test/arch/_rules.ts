// SPDX-License-Identifier: Apache-2.0
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { bannedModules, bannedUses, type PackageRule, packageRules, testNpm, testPackages } from './_house.ts'
import type { Import, SourceFacts } from './_source-facts.ts'

/** The `dependencies` of each package's package.json, by our short name. */
export type Declared = Readonly<Record<string, readonly string[]>>

/** Every violation in one file of `packages/`, as `path:line: what and why`. */
export function violationsIn(facts: SourceFacts, declared: Declared): string[] {
  const name = packageOf(facts.path)
  const rule = packageRules[name]
  if (rule === undefined) return [`${facts.path}:1: package "${name}" has no row in test/arch/_house.ts`]
  const at = (line: number, text: string): string => `${facts.path}:${line}: ${text}`
  const imports = facts.imports.flatMap((item) =>
    importViolations(item, { facts, name, rule, declared }).map((text) => at(item.line, text)),
  )
  return [...imports, ...useViolations(facts, rule.isPure)]
}

interface Context {
  readonly facts: SourceFacts
  readonly name: string
  readonly rule: PackageRule
  readonly declared: Declared
}

function importViolations(item: Import, context: Context): string[] {
  const { specifier } = item
  if (specifier.startsWith('.')) return relativeViolations(item, context)
  if (specifier.startsWith('node:')) return nodeViolations(item, context)
  if (isBuiltin(specifier)) return [`write "node:${specifier}"`]
  if (specifier.startsWith('/') || specifier.startsWith('#') || specifier.includes(':')) return [`"${specifier}" is no package`]
  return specifier.startsWith('@sallyport/') || specifier === 'sallyport' ? siblingViolations(item, context) : npmViolations(item, context)
}

function relativeViolations({ specifier }: Import, { facts, name }: Context): string[] {
  const target = posix.normalize(posix.join(posix.dirname(facts.path), specifier))
  const problems: string[] = []
  if (!target.startsWith(`packages/${name}/`)) problems.push(`"${specifier}" leaves the package: import it by name`)
  if (isTestFile(target) && !isTestFile(facts.path)) problems.push(`"${specifier}" belongs to the tests`)
  return problems
}

function siblingViolations({ specifier }: Import, { facts, name, rule, declared }: Context): string[] {
  const target = specifier.replace('@sallyport/', '')
  if (target.includes('/')) return [`"${specifier}" reaches into a package: only its index is public`]
  if (isTestFile(facts.path) && testPackages.includes(target)) return []
  const problems: string[] = []
  if (!rule.packages.includes(target)) problems.push(`${name} may not import ${target}: arrows go down only`)
  if (!declared[name]?.includes(specifier)) problems.push(`"${specifier}" is not among the dependencies in packages/${name}/package.json`)
  return problems
}

function npmViolations({ specifier }: Import, { facts, name, rule, declared }: Context): string[] {
  const target = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  if (isTestFile(facts.path) && testNpm[target] !== undefined) return []
  const problems: string[] = []
  if (rule.npm?.[target] === undefined)
    problems.push(`${name} may not import the npm package "${target}": no reason in test/arch/_house.ts`)
  if (!declared[name]?.includes(target)) problems.push(`"${target}" is not among the dependencies in packages/${name}/package.json`)
  return problems
}

function nodeViolations({ specifier, isTypeOnly }: Import, { facts, name, rule }: Context): string[] {
  if (isTestFile(facts.path) || isTypeOnly) return []
  const ban = bannedModules[specifier.split('/').slice(0, 1).join('/')]
  if (ban !== undefined && !ban.except?.test(facts.path)) return [`"${specifier}": ${ban.reason}`]
  if (rule.isPure && rule.nodeModules?.[specifier] === undefined)
    return [`"${specifier}": ${name} is pure; no reason in test/arch/_house.ts`]
  return []
}

function useViolations({ path, uses }: SourceFacts, isPure: boolean): string[] {
  return uses.flatMap(({ kind, line }) => {
    const ban = bannedUses[kind]
    const isExempt = (isTestFile(path) && !ban.inTests) || (ban.onlyPure === true && !isPure) || ban.except?.test(path) === true
    return isExempt ? [] : [`${path}:${line}: ${kind}: ${ban.reason}`]
  })
}

/** Cycles of value imports, each as its files in order. */
export function cyclesIn(files: readonly SourceFacts[]): string[][] {
  const targets = new Map(files.map((facts) => [facts.path, valueTargets(facts)]))
  const done = new Set<string>()
  const cycles: string[][] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) cycles.push([...trail.slice(start), path])
    if (start >= 0 || done.has(path)) return
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of targets.keys()) visit(path, [])
  return cycles
}

function valueTargets({ path, imports }: SourceFacts): string[] {
  return imports.flatMap(({ specifier, isTypeOnly }) => {
    if (isTypeOnly) return []
    if (specifier.startsWith('.')) return [posix.normalize(posix.join(posix.dirname(path), specifier))]
    return specifier.startsWith('@sallyport/') ? [`packages/${specifier.slice('@sallyport/'.length)}/src/index.ts`] : []
  })
}

export function packageOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function isTestFile(path: string): boolean {
  const file = posix.basename(path)
  return file.endsWith('.test.ts') || file.startsWith('_')
}
