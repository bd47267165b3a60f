// SPDX-License-Identifier: Apache-2.0
// What root on the log's host can do to it. Root has every file and the log's key, and can ask the witnesses whatever it wants.
import { cosignatureSigner, encodeEntries, encodeEntry, formatNote, type LogEntry, type NoteSigner, parseNote } from '@sallyport/audit-log'
import { MemoryLog, NOW_S, newPrivateKey, newSigner, ORIGIN } from '../../packages/audit-log/src/_memory-log.ts'
import { altered, EARLIER_S, HOUR_S, LAST_S, RECENTLY_S, runEntries, type Witnessing, type World } from './_world.ts'

/** Whether a newcomer finds it: with nothing but the log's keys, with one witness, with two of three. */
export type Found = Readonly<Record<Witnessing, boolean>>

export interface ManipulationCase {
  readonly what: string
  readonly found: Found
  /** Where its signer remembers, it is found even without witnesses. Left out: as elsewhere. */
  readonly foundOnHost?: true
  /** What was changed is beside the tree, and the log's own signer has noted what stood there: found elsewhere only, here it is written anew. */
  readonly ownHostHasKeys?: true
  /** What the check names, where it is found by the same sign whoever witnesses. */
  readonly named?: string
  /** Answers with the log that the newcomer is shown. */
  readonly perform: (world: World) => Promise<MemoryLog>
}

const ALWAYS: Found = { none: true, one: true, 'two-of-three': true }
const NEVER: Found = { none: false, one: false, 'two-of-three': false }
const WITNESSED: Found = { none: false, one: true, 'two-of-three': true }

const OLD = runEntries('1', 300, EARLIER_S)
const RECENT = [...OLD, ...runEntries('2', 200, RECENTLY_S)]
const ALL = [...RECENT, ...runEntries('3', 200, LAST_S)]
/** An entry that somebody would like to be another. */
const TARGET = 270

const bundleAt = (entries: readonly Uint8Array[], index: number): Uint8Array => encodeEntries(entries.slice(index * 256, index * 256 + 256))

/** The log as it really went: published three times, witnessed each time. */
async function honest(world: World): Promise<MemoryLog> {
  await world.publish(new MemoryLog(OLD), EARLIER_S)
  await world.publish(new MemoryLog(RECENT), RECENTLY_S)
  return world.publish(new MemoryLog(ALL), LAST_S)
}

/** Other files under the checkpoint that was signed. */
async function underSignedCheckpoint(world: World, entries: readonly Uint8Array[]): Promise<MemoryLog> {
  const checkpoint = (await honest(world)).files.get('checkpoint') ?? new Uint8Array(0)
  const log = new MemoryLog(entries)
  log.files.set('checkpoint', checkpoint)
  return log
}

/** The honest log with one file changed. */
async function withFile(world: World, path: string, change: (bytes: Uint8Array, log: MemoryLog) => Uint8Array | null): Promise<MemoryLog> {
  const log = await honest(world)
  const before = log.files.get(path)
  if (before === undefined) throw new TypeError(`${path} is not there`)
  const after = change(before, log)
  if (after === null) log.files.delete(path)
  else log.files.set(path, after)
  return log
}

/** Entries that root signs anew with the log's key, after the honest log was witnessed. */
async function signedAnew(world: World, entries: readonly Uint8Array[], forgetful = 0): Promise<MemoryLog> {
  await honest(world)
  for (const witness of world.witnesses.slice(0, forgetful)) witness.forget()
  return world.publish(new MemoryLog(entries), LAST_S)
}

function renumbered(entries: readonly Uint8Array[], at: number, change: (entry: LogEntry) => LogEntry): Uint8Array[] {
  return entries.map((bytes, index) => (index === at ? encodeEntry(change(JSON.parse(Buffer.from(bytes).toString()) as LogEntry)) : bytes))
}

interface Rotations {
  readonly log: MemoryLog
  /** The first is the key that a newcomer trusts, the last one signs now. */
  readonly signers: readonly [NoteSigner, NoteSigner, NoteSigner]
}

/** The honest log, whose key was changed at 300 and at 500 entries; root does not have the keys before the last one. */
async function rotatedTwice(world: World): Promise<Rotations> {
  const [first, second, third] = [world.signer, newSigner(), newSigner()]
  const [old, recent, all] = [OLD, RECENT, ALL].map((entries) => new MemoryLog(entries)) as [MemoryLog, MemoryLog, MemoryLog]
  world.rotate(await world.publish(old, EARLIER_S, first), first, second)
  world.rotate(await world.publish(recent, RECENTLY_S, second), second, third)
  return { log: await world.publish(all, LAST_S, third), signers: [first, second, third] }
}

interface PublishedKeys {
  readonly v: 1
  readonly rotations: readonly { readonly rotation: string; readonly seal: string }[]
}

/** The list of keys beside the honest log, changed. */
async function withKeys(world: World, change: (rotations: PublishedKeys['rotations']) => PublishedKeys['rotations']): Promise<MemoryLog> {
  const { log } = await rotatedTwice(world)
  const { v, rotations } = JSON.parse(Buffer.from(world.keys ?? []).toString()) as PublishedKeys
  world.keys = Buffer.from(JSON.stringify({ v, rotations: change(rotations) }))
  return log
}

/** The note that leads to the key of today, as somebody would have it who has that key alone. */
async function withNote(world: World, change: (text: string) => string): Promise<MemoryLog> {
  return withKeys(world, (rotations) => rotations.map((step, index) => (index === 1 ? { ...step, rotation: change(step.rotation) } : step)))
}

const edited = ALL.with(TARGET, altered(ALL[TARGET] ?? new Uint8Array(0)))
const forged = altered(ALL[TARGET + 1] ?? new Uint8Array(0))
const swapped = ALL.with(TARGET, ALL[TARGET + 5] ?? forged).with(TARGET + 5, ALL[TARGET] ?? forged)

export const MANIPULATIONS: readonly ManipulationCase[] = [
  {
    what: 'edit an entry in its bundle, keep the tiles',
    found: ALWAYS,
    named: 'entry-edited',
    perform: (world) => withFile(world, 'tile/entries/001', () => bundleAt(edited, 1)),
  },
  {
    what: 'insert an entry, keep the tiles',
    found: ALWAYS,
    named: 'entry-inserted',
    perform: (world) => withFile(world, 'tile/entries/001', () => bundleAt(ALL.toSpliced(TARGET, 0, forged), 1)),
  },
  {
    what: 'remove an entry, keep the tiles',
    found: ALWAYS,
    named: 'entry-removed',
    perform: (world) => withFile(world, 'tile/entries/001', () => bundleAt(ALL.toSpliced(TARGET, 1), 1)),
  },
  {
    what: 'change the order of entries, keep the tiles',
    found: ALWAYS,
    named: 'entries-reordered',
    perform: (world) => withFile(world, 'tile/entries/001', () => bundleAt(swapped, 1)),
  },
  {
    what: 'edit an entry and its tile, keep the tile above',
    found: ALWAYS,
    named: 'entry-edited',
    perform: async (world) => {
      const log = await underSignedCheckpoint(world, edited)
      log.files.set('tile/1/000.p/2', new MemoryLog(ALL).files.get('tile/1/000.p/2') ?? new Uint8Array(0))
      return log
    },
  },
  {
    what: 'edit an entry and every tile, keep the checkpoint',
    found: ALWAYS,
    named: 'rewritten',
    perform: (world) => underSignedCheckpoint(world, edited),
  },
  {
    what: 'edit a tile alone',
    found: ALWAYS,
    named: 'tile-edited',
    perform: (world) => withFile(world, 'tile/0/000', (bytes) => Buffer.concat([Buffer.alloc(32, 1), bytes.subarray(32)])),
  },
  {
    what: 'delete a bundle, keep the tiles',
    found: ALWAYS,
    named: 'entry-removed',
    perform: (world) => withFile(world, 'tile/entries/001', () => null),
  },
  {
    what: 'delete a tile, keep the bundles',
    found: ALWAYS,
    named: 'tile-edited',
    perform: (world) => withFile(world, 'tile/0/001', () => null),
  },
  {
    what: 'cut a bundle short',
    found: ALWAYS,
    named: 'entry-removed',
    perform: (world) => withFile(world, 'tile/entries/001', (bytes) => bytes.subarray(0, bytes.length - 9)),
  },
  {
    what: 'edit the checkpoint',
    found: ALWAYS,
    named: 'checkpoint-edited',
    perform: (world) => withFile(world, 'checkpoint', (bytes) => Buffer.from(Buffer.from(bytes).toString().replace('\n700\n', '\n699\n'))),
  },
  {
    what: 'rewrite everything and sign it with the log’s key',
    found: WITNESSED,
    foundOnHost: true,
    perform: (world) => signedAnew(world, edited),
  },
  {
    what: 'cut off the tail, keep the checkpoint',
    found: ALWAYS,
    named: 'truncated',
    perform: async (world) => {
      const log = await honest(world)
      for (const path of log.files.keys()) if (path.includes('/002')) log.files.delete(path)
      return log
    },
  },
  {
    what: 'cut off the tail and sign what is left',
    found: WITNESSED,
    foundOnHost: true,
    perform: (world) => signedAnew(world, RECENT.slice(0, 400)),
  },
  {
    what: 'cut off the tail, sign and go on',
    found: WITNESSED,
    foundOnHost: true,
    perform: (world) => signedAnew(world, [...RECENT.slice(0, 300), ...runEntries('9', 500, LAST_S)]),
  },
  {
    what: 'put the files of an earlier state under the last checkpoint',
    found: ALWAYS,
    named: 'truncated',
    perform: (world) => underSignedCheckpoint(world, RECENT),
  },
  {
    what: 'show an older checkpoint with its cosignatures, older than the freshness asked for',
    found: ALWAYS,
    named: 'log-stopped',
    perform: async (world) => {
      const older = await world.publish(new MemoryLog(OLD), EARLIER_S)
      await honest(world)
      return older
    },
  },
  {
    what: 'show an older checkpoint with its cosignatures that is still fresh (the loss window)',
    found: NEVER,
    foundOnHost: true,
    perform: async (world) => {
      await world.publish(new MemoryLog(OLD), EARLIER_S)
      const older = await world.publish(new MemoryLog(RECENT), RECENTLY_S)
      await world.publish(new MemoryLog(ALL), LAST_S)
      return older
    },
  },
  {
    what: 'put an older checkpoint that is still fresh in the place of the last, keep the files',
    found: NEVER,
    foundOnHost: true,
    perform: async (world) => {
      await world.publish(new MemoryLog(OLD), EARLIER_S)
      const older = await world.publish(new MemoryLog(RECENT), RECENTLY_S)
      const log = await world.publish(new MemoryLog(ALL), LAST_S)
      // Partial tiles stay, and so does all that the older one needs
      for (const [path, bytes] of older.files) if (path === 'checkpoint' || !log.files.has(path)) log.files.set(path, bytes)
      return log
    },
  },
  {
    what: 'show somebody else another end of the log',
    found: WITNESSED,
    foundOnHost: true,
    perform: (world) => signedAnew(world, [...RECENT, ...runEntries('9', 200, LAST_S)]),
  },
  {
    what: 'fork while one witness runs from an old disk',
    found: { none: false, one: false, 'two-of-three': true },
    foundOnHost: true,
    perform: (world) => signedAnew(world, edited, 1),
  },
  {
    what: 'fork while two witnesses run from old disks',
    found: NEVER,
    foundOnHost: true,
    perform: (world) => signedAnew(world, edited, 2),
  },
  {
    what: 'strip the log’s signature',
    found: ALWAYS,
    named: 'signature-stripped',
    perform: (world) =>
      withFile(world, 'checkpoint', (bytes) => {
        const { text, signatures } = parseNote(bytes)
        return signatures.length > 1 ? formatNote({ text, signatures: signatures.slice(1) }) : Buffer.from(`${text}\n`)
      }),
  },
  {
    what: 'strip the cosignatures',
    found: WITNESSED,
    perform: (world) =>
      withFile(world, 'checkpoint', (bytes) => {
        const { text, signatures } = parseNote(bytes)
        return formatNote({ text, signatures: signatures.slice(0, 1) })
      }),
  },
  {
    what: 'put cosignatures of root’s own making under the witnesses’ names',
    found: WITNESSED,
    named: 'witnesses-missing',
    perform: (world) =>
      withFile(world, 'checkpoint', (bytes) => {
        const { text, signatures } = parseNote(bytes)
        const forgers = world.witnesses.map(({ cosigner }) => cosignatureSigner(cosigner.key.name, newPrivateKey()))
        const cosignatures = forgers.map((forger) => forger.cosign(text, LAST_S))
        return formatNote({ text, signatures: [...signatures.slice(0, 1), ...cosignatures] })
      }),
  },
  {
    what: 'sign with another key under the log’s name',
    found: ALWAYS,
    named: 'key-swapped',
    perform: async (world) => {
      await honest(world)
      return world.publish(new MemoryLog(edited), LAST_S, newSigner())
    },
  },
  {
    what: 'seal an old epoch again with today’s key',
    found: ALWAYS,
    named: 'forked',
    perform: async (world) => {
      const today = newSigner()
      const sealed = await world.publish(new MemoryLog(RECENT), RECENTLY_S)
      world.epochs = [
        { key: world.signer.key, firstSize: 0, lastSize: RECENT.length, seal: sealed.files.get('checkpoint') ?? null },
        { key: today.key, firstSize: RECENT.length, lastSize: null, seal: null },
      ]
      for (const witness of world.witnesses) witness.forget()
      return world.publish(new MemoryLog(edited), LAST_S, today)
    },
  },
  {
    what: 'seal the old epochs again with today’s key, after its key was changed twice',
    found: ALWAYS,
    perform: async (world) => {
      const { signers } = await rotatedTwice(world)
      const today = signers[2]
      const { v, rotations } = JSON.parse(Buffer.from(world.keys ?? []).toString()) as PublishedKeys
      const seals = [OLD.length, RECENT.length].map((size) =>
        Buffer.from(new MemoryLog(edited.slice(0, size)).checkpoint(today)).toString(),
      )
      world.keys = Buffer.from(JSON.stringify({ v, rotations: rotations.map((step, at) => ({ ...step, seal: seals[at] })) }))
      return world.publish(new MemoryLog(edited), LAST_S, today)
    },
    foundOnHost: true,
  },
  {
    what: 'rewrite what old keys have sealed, and sign it with today’s',
    found: ALWAYS,
    perform: async (world) => {
      const { signers } = await rotatedTwice(world)
      for (const witness of world.witnesses) witness.forget()
      return world.publish(new MemoryLog(edited), LAST_S, signers[2])
    },
  },
  {
    what: 'keep an old key, and sign with it what is larger than it may',
    found: ALWAYS,
    named: 'epoch-resealed',
    perform: async (world) => {
      const { signers } = await rotatedTwice(world)
      return world.publish(new MemoryLog(ALL), LAST_S, signers[0])
    },
  },
  {
    what: 'keep the first key, hide that it was changed, and sign on with it',
    // Whoever trusts that key alone is told nothing that is not in the log.
    found: NEVER,
    foundOnHost: true,
    perform: async (world) => {
      const { signers } = await rotatedTwice(world)
      world.keys = null
      return world.publish(new MemoryLog(ALL), LAST_S, signers[0])
    },
  },
  {
    what: 'keep the first key, hide that it was changed, rewrite everything and sign it with that',
    found: WITNESSED,
    foundOnHost: true,
    perform: async (world) => {
      const { signers } = await rotatedTwice(world)
      world.keys = null
      return world.publish(new MemoryLog(edited), LAST_S, signers[0])
    },
  },
  {
    what: 'bring in a key that no old one vouches for',
    found: ALWAYS,
    named: 'key-swapped',
    perform: async (world) => {
      const { signers } = await rotatedTwice(world)
      const forger = newSigner()
      world.rotate(new MemoryLog(ALL), { ...signers[2], sign: forger.sign.bind(forger) }, forger)
      return world.publish(new MemoryLog(ALL), LAST_S, forger)
    },
    foundOnHost: true,
  },
  {
    what: 'remove the list of keys',
    found: ALWAYS,
    named: 'key-swapped',
    perform: async (world) => {
      const { log } = await rotatedTwice(world)
      world.keys = null
      return log
    },
    ownHostHasKeys: true,
  },
  {
    what: 'remove an epoch from the list of keys',
    found: ALWAYS,
    named: 'key-swapped',
    perform: (world) => withKeys(world, ([, last]) => (last === undefined ? [] : [last])),
    ownHostHasKeys: true,
  },
  {
    what: 'change the order of epochs in the list of keys',
    found: ALWAYS,
    named: 'key-swapped',
    perform: (world) => withKeys(world, (rotations) => rotations.toReversed()),
    ownHostHasKeys: true,
  },
  {
    what: 'give the note that leads to today’s key another size',
    found: ALWAYS,
    named: 'key-swapped',
    perform: (world) => withNote(world, (note) => note.replace(`\n${RECENT.length}\n`, `\n${OLD.length}\n`)),
    ownHostHasKeys: true,
  },
  {
    what: 'give the note that leads to today’s key another origin',
    found: ALWAYS,
    named: 'key-swapped',
    perform: (world) => withNote(world, (note) => note.replace(`\n${ORIGIN}\n`, '\nlog.example.test/other\n')),
    ownHostHasKeys: true,
  },
  {
    what: 'strip the old key’s signature from the note that leads to today’s',
    found: ALWAYS,
    named: 'key-swapped',
    perform: (world) => withNote(world, (note) => note.split('\n').toSpliced(6, 1).join('\n')),
    ownHostHasKeys: true,
  },
  {
    what: 'change the key, twice (no manipulation: it must not look like one)',
    found: NEVER,
    perform: async (world) => (await rotatedTwice(world)).log,
  },
  {
    what: 'delete the checkpoint',
    found: ALWAYS,
    named: 'log-deleted',
    perform: (world) => withFile(world, 'checkpoint', () => null),
  },
  {
    what: 'delete the log',
    found: ALWAYS,
    named: 'log-deleted',
    perform: async (world) => {
      const log = await honest(world)
      log.files.clear()
      return log
    },
  },
  {
    what: 'stop logging',
    found: ALWAYS,
    named: 'log-stopped',
    perform: (world) => world.publish(new MemoryLog(OLD), EARLIER_S),
  },
  {
    what: 'stop logging, but let empty runs go on',
    found: NEVER,
    perform: async (world) => {
      await world.publish(new MemoryLog(OLD), EARLIER_S)
      return world.publish(new MemoryLog([...OLD, ...runEntries('9', 3, LAST_S)]), LAST_S)
    },
  },
  {
    what: 'stop logging, but have the old end cosigned again',
    // Without a witness it is the silence of the entries that is asked about.
    found: { none: true, one: false, 'two-of-three': false },
    named: 'log-stopped',
    perform: async (world) => {
      await world.publish(new MemoryLog(OLD), EARLIER_S)
      return world.publish(new MemoryLog(OLD), LAST_S)
    },
  },
  {
    what: 'stop asking the witnesses, and give later entries any time',
    found: WITNESSED,
    named: 'log-stopped',
    perform: async (world) => world.publish(new MemoryLog([...OLD, ...runEntries('9', 3, LAST_S)]), EARLIER_S),
  },
  {
    what: 'keep a whole run from the log',
    found: NEVER,
    perform: (world) => world.publish(new MemoryLog([...OLD, ...runEntries('3', 200, LAST_S)])),
  },
  {
    what: 'log a run a second time',
    found: ALWAYS,
    named: 'events-suppressed',
    perform: (world) => world.publish(new MemoryLog([...ALL, ...runEntries('3', 200, LAST_S)])),
  },
  {
    what: 'drop an event after its source has counted it',
    found: ALWAYS,
    named: 'events-suppressed',
    perform: (world) => world.publish(new MemoryLog(ALL.toSpliced(TARGET, 1))),
  },
  {
    what: 'drop the last events of a source, and its end with them',
    found: NEVER,
    perform: (world) => world.publish(new MemoryLog([...RECENT, ...runEntries('3', 200, LAST_S).slice(0, 150)])),
  },
  {
    what: 'end a job with a wrong count',
    found: ALWAYS,
    named: 'events-suppressed',
    perform: (world) => world.publish(new MemoryLog(renumbered(ALL, 298, (entry) => ({ ...entry, data: { events: 7 } })))),
  },
  {
    what: 'suppress an event before anything counts it',
    found: NEVER,
    perform: (world) => world.publish(new MemoryLog([...RECENT, ...runEntries('3', 199, LAST_S)])),
  },
  {
    what: 'log what has not happened',
    found: NEVER,
    perform: async (world) => {
      await honest(world)
      return world.publish(new MemoryLog([...ALL, ...runEntries('9', 50, LAST_S)]))
    },
  },
  {
    what: 'set the clock back or forward (no manipulation: it must not look like one)',
    found: NEVER,
    perform: (world) =>
      world.publish(
        new MemoryLog([
          ...OLD,
          ...runEntries('2', 5, NOW_S - 90_000 * HOUR_S),
          ...runEntries('3', 5, LAST_S),
          ...runEntries('4', 5, NOW_S + 90_000),
        ]),
      ),
  },
]
