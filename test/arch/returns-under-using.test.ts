// SPDX-License-Identifier: Apache-2.0
// `return work()` below an `await using` lets go of what is held before the work is done: a lock, a file, a key. It has to be `return await work()`.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { readText, repositoryFiles, root } from './_repository.ts'

const USING = ts.NodeFlags.Using

/** Promises that a function returns while something that it holds is let go of. `typed`: whether an expression is a promise. */
function returnsUnderUsing(file: ts.SourceFile, isPromise: (expression: ts.Expression) => boolean): string[] {
  const found: string[] = []
  const visit = (node: ts.Node, holds: boolean): void => {
    if (ts.isFunctionLike(node)) return ts.forEachChild(node, (child) => visit(child, false))
    if (ts.isReturnStatement(node) && holds && node.expression !== undefined && isPromise(node.expression))
      found.push(`${file.fileName}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`)
    if (!ts.isBlock(node)) return ts.forEachChild(node, (child) => visit(child, holds))
    let isHeld = holds
    for (const statement of node.statements) {
      visit(statement, isHeld)
      isHeld ||= ts.isVariableStatement(statement) && (statement.declarationList.flags & ts.NodeFlags.BlockScoped & USING) === USING
    }
  }
  visit(file, false)
  return found
}

function isThenable(checker: ts.TypeChecker, expression: ts.Expression): boolean {
  const type = checker.getTypeAtLocation(expression)
  const parts = type.isUnion() ? type.types : [type]
  return parts.some((part) => checker.getPropertyOfType(part, 'then') !== undefined)
}

test('nothing is let go of before what is returned is done', () => {
  const sources = repositoryFiles().filter((path) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path) && readText(path).includes('using '))
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.esnext.d.ts'],
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
  }
  const program = ts.createProgram({ rootNames: sources.map((path) => join(root, path)), options })
  const checker = program.getTypeChecker()
  const found = sources.flatMap((path) => {
    const file = program.getSourceFile(join(root, path))
    return file === undefined ? [`${path} was not read`] : returnsUnderUsing(file, (expression) => isThenable(checker, expression))
  })
  assert.deepEqual(found, [])
})

test('the rule finds a promise that is returned below a lock, and nothing else', () => {
  const isCall = (expression: ts.Expression): boolean => ts.isCallExpression(expression)
  const foundIn = (text: string): number =>
    returnsUnderUsing(ts.createSourceFile('a.ts', text, ts.ScriptTarget.ESNext, true), isCall).length
  assert.equal(foundIn('async function a() { await using l = await lock(); return work() }'), 1)
  assert.equal(foundIn('async function a() { using l = lock(); if (x) { return work() } return await work() }'), 1)
  assert.equal(foundIn('async function a() { try { await using l = await lock(); return work() } finally { return work() } }'), 1)
  assert.equal(foundIn('async function a() { if (x) return work(); await using l = await lock(); return await work() }'), 0)
  assert.equal(foundIn('async function a() { await using l = await lock(); const b = () => { return work() }; return b }'), 0)
  assert.equal(foundIn('async function a() { const l = lock(); return work() }'), 0)
})
