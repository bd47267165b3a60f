// SPDX-License-Identifier: Apache-2.0
// What the rules look at in one source file, read from its syntax tree: no types, no program, so that all files take well under a second.
import ts from 'typescript'

export interface Import {
  readonly specifier: string
  readonly line: number
  /** Erased before the program runs: no cycle, no power. */
  readonly isTypeOnly: boolean
}

export type UseKind = 'process.env' | 'process.exit' | 'eval' | 'shell: true' | 'dynamic RegExp' | 'dynamic import' | 'clock' | 'random'

export interface Use {
  readonly kind: UseKind
  readonly line: number
}

export interface SourceFacts {
  /** Relative to the repository. */
  readonly path: string
  readonly imports: readonly Import[]
  readonly uses: readonly Use[]
  /** Members of every `type …ErrorCode = 'A' | 'B'`. */
  readonly errorCodes: readonly string[]
}

export function readFacts(path: string, text: string): SourceFacts {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)
  const imports: Import[] = []
  const uses: Use[] = []
  const errorCodes: string[] = []
  const lineOf = (node: ts.Node): number => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
  const visit = (node: ts.Node): void => {
    const imported = importOf(node)
    if (imported !== undefined) imports.push({ ...imported, line: lineOf(node) })
    for (const kind of usesOf(node)) uses.push({ kind, line: lineOf(node) })
    if (ts.isTypeAliasDeclaration(node) && node.name.text.endsWith('ErrorCode')) errorCodes.push(...literalsOf(node.type))
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { path, imports, uses, errorCodes }
}

function importOf(node: ts.Node): Omit<Import, 'line'> | undefined {
  // `import { type A }` still loads the module: only `import type` is erased as a whole
  if (ts.isImportDeclaration(node)) return named(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
  if (ts.isExportDeclaration(node)) return named(node.moduleSpecifier, node.isTypeOnly)
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return named(node.arguments[0], false)
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && /^require/.test(node.expression.text))
    return named(node.arguments[0], false)
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return named(node.argument.literal, true)
  return undefined
}

function named(node: ts.Node | undefined, isTypeOnly: boolean): Omit<Import, 'line'> | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? { specifier: node.text, isTypeOnly } : undefined
}

const processPowers: Readonly<Record<string, UseKind>> = { env: 'process.env', exit: 'process.exit' }

function usesOf(node: ts.Node): UseKind[] {
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) return powersOf(node)
  if (ts.isVariableDeclaration(node) && isNamed(node.initializer, 'process') && ts.isObjectBindingPattern(node.name)) {
    return node.name.elements.flatMap((element) => powerNamed((element.propertyName ?? element.name).getText()))
  }
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'shell' && node.initializer.kind !== ts.SyntaxKind.FalseKeyword) {
    return mayBeShellOption(node.initializer) ? ['shell: true'] : []
  }
  if (ts.isNewExpression(node) || ts.isCallExpression(node)) return callsOf(node)
  return []
}

function powersOf(node: ts.PropertyAccessExpression | ts.ElementAccessExpression): UseKind[] {
  const key = ts.isPropertyAccessExpression(node)
    ? node.name.text
    : ts.isStringLiteralLike(node.argumentExpression)
      ? node.argumentExpression.text
      : ''
  if (isNamed(node.expression, 'process')) return powerNamed(key)
  if (isNamed(node.expression, 'Date') && key === 'now') return ['clock']
  if (isNamed(node.expression, 'performance') && key === 'now') return ['clock']
  if (isNamed(node.expression, 'Math') && key === 'random') return ['random']
  return []
}

function powerNamed(key: string): UseKind[] {
  const power = processPowers[key]
  return power === undefined ? [] : [power]
}

/** `shell: 'bash'` is a workflow's word; `shell: true` and `shell: '/bin/sh'` hand a string to a shell. */
function mayBeShellOption(value: ts.Expression): boolean {
  return value.kind === ts.SyntaxKind.TrueKeyword || (ts.isStringLiteralLike(value) && value.text.startsWith('/'))
}

function callsOf(node: ts.NewExpression | ts.CallExpression): UseKind[] {
  const first = node.arguments?.[0]
  if (isNamed(node.expression, 'eval') || isNamed(node.expression, 'Function')) return ['eval']
  if (isNamed(node.expression, 'RegExp') && !isConstant(first)) return ['dynamic RegExp']
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword && !isConstant(first)) return ['dynamic import']
  if (ts.isNewExpression(node) && isNamed(node.expression, 'Date') && first === undefined) return ['clock']
  return []
}

/** The global of this name, and not a parameter or variable that happens to be called alike. */
function isNamed(node: ts.Node | undefined, name: string): boolean {
  return node !== undefined && ts.isIdentifier(node) && node.text === name && !isLocal(node, name)
}

function isLocal(node: ts.Node, name: string): boolean {
  for (let scope = node.parent; scope !== undefined; scope = scope.parent) {
    const declared = ts.isFunctionLike(scope) ? scope.parameters : ts.isBlock(scope) ? scope.statements.flatMap(variablesOf) : []
    if (declared.some((declaration) => ts.isIdentifier(declaration.name) && declaration.name.text === name)) return true
  }
  return false
}

function variablesOf(statement: ts.Statement): readonly ts.VariableDeclaration[] {
  return ts.isVariableStatement(statement) ? statement.declarationList.declarations : []
}

function isConstant(node: ts.Node | undefined): boolean {
  return node !== undefined && (ts.isStringLiteralLike(node) || ts.isRegularExpressionLiteral(node))
}

function literalsOf(type: ts.TypeNode): string[] {
  const members = ts.isUnionTypeNode(type) ? type.types : [type]
  return members.flatMap((member) => (ts.isLiteralTypeNode(member) && ts.isStringLiteral(member.literal) ? [member.literal.text] : []))
}
