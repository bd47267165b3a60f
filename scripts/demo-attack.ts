// SPDX-License-Identifier: Apache-2.0
// `make demo-attack`: the same hostile dependency twice, in a plain disposable box that holds only planted targets, and in
// Sallyport; then a publish whose job holds a placeholder for its token. Ends with 0 only when the plain box let through what it should,
// Sallyport refused everything, and the publish succeeded.
import { styleText } from 'node:util'
import { exampleNamed } from '@sallyport/testkit'
import { type AttackRun, attackInPlainBox, attackInSallyport, makePlant } from './demo/attack-runs.ts'
import { judge, type Paint, renderTable } from './demo/attack-table.ts'
import { FORGED } from './demo/forgery.ts'
import { publishWithPlaceholder } from './demo/publish-run.ts'
import { judgePublish, renderPublish } from './demo/publish-words.ts'
import { becomeRoot } from './demo/sallyport.ts'

const say = (text: string): boolean => process.stdout.write(`${text}\n`)

const paint: Paint = {
  good: (text) => styleText('green', text, { stream: process.stdout }),
  bad: (text) => styleText('red', text, { stream: process.stdout }),
}

async function main(): Promise<number> {
  const plant = makePlant()
  say('examples/hostile-dependency in a plain box: root as on an ordinary runner, all targets planted, nothing can leave it …')
  const plain = await attackInPlainBox(plant)
  say('… and the same in Sallyport …\n')
  const sallyport = await attackInSallyport(plant)

  const judgements = judge(plain.attempts, sallyport.attempts)
  say(renderTable(judgements, paint))
  const faults = judgements.flatMap(({ row, fault }) => (fault === null ? [] : [`${row.id}: ${fault}`]))
  const expected = exampleNamed('hostile-dependency').exitCode
  if (sallyport.exitCode !== expected) faults.push(`sallyport run ended with exit code ${sallyport.exitCode}, expected ${expected}`)

  const gained = judgements.filter((judgement) => judgement.plain?.outcome === 'got').length
  const kept = judgements.filter((judgement) => judgement.sallyport?.outcome === 'refused').length
  say(`\n${judgements.length} attempts: ${gained} got through in the plain box, ${kept} were refused in Sallyport.`)
  say(`\nWhat the gate says of the ways out that were tried:\n${renderRefused(sallyport.refused)}`)
  if (sallyport.refused.every(({ target }) => !target.includes('192.0.2.1:443')))
    faults.push('the gate told nothing of the stolen secret on its way out')
  say('\nThen examples/publish, beside a registry of its own: a publish with a token that the job is never given …')
  const publish = await publishWithPlaceholder()
  say(tail(renderPublish(publish)))
  faults.push(...judgePublish(publish))
  say(`\nThen root of the host changes the record, from ${FORGED.join(' to ')}, and \`sallyport audit verify\` is asked:`)
  say(tail((sallyport.forgery?.after.output ?? '').split('\n').slice(0, 2).join('\n')))
  if (sallyport.forgery?.before.exitCode !== 0) faults.push('the log was not sound before anybody changed it')
  if (sallyport.forgery?.after.exitCode !== 1) faults.push('nobody noticed that the record was changed')
  if (faults.length === 0) return 0
  say(`\n${faults.map((fault) => paint.bad(`✗ ${fault}`)).join('\n')}`)
  say(`\nThe log of the publish:\n${tail(publish.log)}`)
  say(`\nThe log of the plain box:\n${tail(plain.log)}\nThe log in Sallyport:\n${tail(sallyport.log)}`)
  return 1
}

function renderRefused(refused: AttackRun['refused']): string {
  const lines = refused.map(({ target, step, reason, remedy, count }) => {
    const times = count === 1 ? '' : ` (${count} times)`
    const hint = remedy === null ? '' : `\n      ${remedy}`
    return tail(`  ${target}${times} in step "${step}": ${reason}${hint}`)
  })
  return [...new Set(lines)].join('\n')
}

/** The log is hostile text: no escape sequence reaches the terminal. */
function tail(log: string): string {
  return log.slice(-6000).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '·')
}

becomeRoot(import.meta.filename)
process.exitCode = await main()
