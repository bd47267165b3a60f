// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createSecretSet } from '@sallyport/redaction'
import { type Annotation, type OutputTotals, StepOutput, type StepOutputSinks } from './step-output.ts'

const SECRET = 'correct-horse-battery-staple'

interface Heard {
  readonly recorded: string
  readonly printed: string
  readonly annotations: readonly Annotation[]
  readonly commands: readonly string[]
  readonly refused: readonly string[]
  readonly overflows: number
  readonly totals: OutputTotals
}

interface Changes extends Partial<StepOutputSinks> {
  /** Called once the chunk before was taken; its lines become notes. */
  readonly notesAfter?: (chunk: number) => readonly string[]
}

async function hear(chunks: readonly (string | Buffer)[], { notesAfter = () => [], ...changes }: Changes = {}): Promise<Heard> {
  const secrets = createSecretSet()
  secrets.add(SECRET)
  const heard = {
    recorded: '',
    printed: '',
    annotations: [] as Annotation[],
    commands: [] as string[],
    refused: [] as string[],
    overflows: 0,
  }
  const output = new StepOutput({
    secrets,
    log: {
      write: async (bytes) => {
        heard.recorded += Buffer.from(bytes).toString()
      },
    },
    budget: { left: 1 << 30 },
    print: (bytes) => {
      heard.printed += Buffer.from(bytes).toString()
    },
    annotate: (annotation) => heard.annotations.push(annotation),
    command: (command, name, value) => heard.commands.push(`${command} ${name}=${value}`),
    refuse: (what) => heard.refused.push(what),
    overflow: () => {
      heard.overflows += 1
    },
    ...changes,
  })
  async function* source(): AsyncGenerator<Buffer> {
    for (const [index, chunk] of chunks.entries()) {
      yield Buffer.from(chunk as string)
      await setImmediate()
      for (const note of notesAfter(index)) output.note(note)
    }
  }
  const totals = await output.consume(Readable.from(source(), { highWaterMark: 1 }))
  for (const note of notesAfter(chunks.length)) output.note(note)
  await output.settle()
  return { ...heard, totals }
}

const byteByByte = (text: string): Buffer[] => [...Buffer.from(text)].map((byte) => Buffer.from([byte]))

test('what is shown is what is recorded, and neither holds a secret', async () => {
  const { recorded, printed, totals } = await hear([`before ${SECRET} after\n`, `${SECRET}${SECRET}`])
  assert.equal(printed, recorded)
  assert.equal(recorded, 'before *** after\n***')
  assert.ok(totals.masked >= 2)
})

test('output that comes byte by byte is handled as a whole', async () => {
  const text = `a ${SECRET} b\n::set-output name=x::1\n::warning file=f.ts::careful ${SECRET}\nlast`
  const whole = await hear([text])
  const split = await hear(byteByByte(text))
  assert.deepEqual(split, whole)
  assert.deepEqual(whole.commands, ['set-output x=1'])
  assert.ok(!whole.recorded.includes(SECRET))
})

test('a masked value is masked from its own line on, and its line does not tell it', async () => {
  const { recorded } = await hear(['early-value\n::add-mask::early-value\nlate early-value\n'])
  assert.equal(recorded, 'early-value\n::add-mask::***\nlate ***\n')
})

test('a value that cannot be masked is a refusal that says why, an empty one is nothing', async () => {
  const why: string[] = []
  const { refused } = await hear(['::add-mask::x\n::add-mask::password\n::add-mask::\n'], {
    refuse: (what, reason) => why.push(`${what}: ${reason}`),
  })
  assert.deepEqual(refused, [])
  assert.match(why[0] ?? '', /add-mask": the value is not masked: it is so short/)
  assert.match(why[1] ?? '', /add-mask": the value is not masked: it is a word/)
  assert.equal(why.length, 2)
})

test('commands that would change the environment of later steps are refused by name and stay in the log', async () => {
  const { refused, recorded, commands } = await hear(['::set-env name=PATH::/evil\n::add-path::/evil\n'])
  assert.deepEqual(refused, ['workflow command "set-env"', 'workflow command "add-path"'])
  assert.match(recorded, /set-env/)
  assert.deepEqual(commands, [])
})

test('after stop-commands text is text until the token comes', async () => {
  const { commands, recorded } = await hear(['::stop-commands::token-1\n::set-output name=a::1\n::token-1::\n::set-output name=b::2\n'])
  assert.deepEqual(commands, ['set-output b=2'])
  assert.match(recorded, /::set-output name=a::1/)
})

test('an annotation is masked in every part, before it is cut', async () => {
  const long = 'x'.repeat(16_384 - 10)
  const [first, second] = (await hear([`::error file=${SECRET},title=t ${SECRET}::m ${SECRET}\n::notice::${long}${SECRET}\n`])).annotations
  assert.deepEqual([first?.file, first?.title, first?.message], ['***', 't ***', 'm ***'])
  assert.equal(second?.message, `${long}***`)
})

test('annotations beyond fifty are only lines of the log', async () => {
  const { annotations, recorded } = await hear(['::warning::again\n'.repeat(200)])
  assert.equal(annotations.length, 50)
  assert.equal(recorded.split('\n').length, 201)
})

test('output over the budget is counted and dropped, and told once', async () => {
  const budget = { left: 10 }
  const heard = await hear(['12345', '6789012345', 'more', 'and more'], { budget })
  assert.equal(heard.recorded, '1234567890')
  assert.deepEqual([heard.overflows, heard.totals.bytes, heard.totals.dropped, budget.left], [1, 10, 17, 0])
})

test('a job whose budget is used up by earlier steps prints nothing more', async () => {
  const heard = await hear(['x'], { budget: { left: 0 } })
  assert.deepEqual([heard.recorded, heard.overflows, heard.totals.dropped], ['', 1, 1])
})

test('exactly the budget is no overflow', async () => {
  assert.equal((await hear(['12345', '67890'], { budget: { left: 10 } })).overflows, 0)
})

test('where commands are off, text that looks like one is text, and still masked', async () => {
  const { recorded, commands, refused } = await hear([`::set-output name=a::${SECRET}\n::set-env name=A::b\n`], { commands: false })
  assert.equal(recorded, '::set-output name=a::***\n::set-env name=A::b\n')
  assert.deepEqual([...commands, ...refused], [])
})

test('a note stands on a line of its own, and is masked', async () => {
  const notesAfter = (chunk: number): string[] => (chunk === 1 ? [`ours ${SECRET}`] : [])
  const { recorded, printed } = await hear(['one\n', 'tw', 'o\nthree\n', 'four\n'], { notesAfter })
  assert.equal(recorded, 'one\ntwo\nours ***\nthree\nfour\n')
  assert.equal(printed, recorded)
})

test('a note after the end of the output ends an open line first', async () => {
  const { recorded, totals } = await hear(['open'], { notesAfter: (chunk) => (chunk === 1 ? ['ours'] : []) })
  assert.equal(recorded, 'open\nours\n')
  assert.equal(totals.bytes, 4)
})

test('a secret whose halves a note comes between is masked as a whole', async () => {
  const notesAfter = (chunk: number): string[] => (chunk === 0 ? ['ours'] : [])
  assert.equal((await hear([`a\n${SECRET.slice(0, 9)}`, `${SECRET.slice(9)}\n`], { notesAfter })).recorded, 'a\nours\n***\n')
})

test('a flood of notes leaves twenty, and one that says so', async () => {
  const notesAfter = (chunk: number): string[] => (chunk === 1 ? Array.from({ length: 5000 }, (_, index) => `ours ${index}`) : [])
  const lines = (await hear(['x\n'], { notesAfter })).recorded.trimEnd().split('\n')
  assert.equal(lines.length, 22)
  assert.match(lines[21] ?? '', /record of the run/)
})

test('where output is only output, notes are recorded and not shown', async () => {
  const { recorded, printed } = await hear(['x\n'], { commands: false, notesAfter: (chunk) => (chunk === 1 ? ['ours'] : []) })
  assert.deepEqual([recorded, printed], ['x\nours\n', 'x\n'])
})

test('a note that cannot be recorded is the failure of whoever waits for it', async () => {
  const full = { write: () => Promise.reject(new Error('full')) } as unknown as StepOutputSinks['log']
  await assert.rejects(hear([], { log: full, notesAfter: () => ['ours'] }), /full/)
})

test('a log that is slow is waited for before too much waits', async () => {
  const waiting: (() => void)[] = []
  let most = 0
  const log = {
    write: () =>
      new Promise<void>((resolve) => {
        waiting.push(resolve)
        most = Math.max(most, waiting.length)
        setTimeout(() => {
          for (const done of waiting.splice(0)) done()
        })
      }),
  }
  await hear(
    Array.from({ length: 200 }, () => Buffer.alloc(64 * 1024, 'x')),
    { log },
  )
  assert.ok(most > 1 && most <= 17, `${most} writes of 64 KiB waited`)
})

test('what a log could not write fails the step, however much was printed after it', async () => {
  const log = { write: (bytes: Uint8Array) => (bytes.includes(0x2a) ? Promise.reject(new Error('the disk is full')) : Promise.resolve()) }
  await assert.rejects(hear(['a\n', '*\n', 'b\n'], { log }), /the disk is full/)
})
