// SPDX-License-Identifier: Apache-2.0
// The examples of C2SP tlog-tiles, and the cases of golang.org/x/mod/sumdb/tlog (v0.17.0), whose tiles have a height in their path.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { entriesPath, parseTilePath, type Tile, tilePath, tilesOf } from './tile.ts'

const list = (size: number, since = 0): Tile[] => [...tilesOf(size, since)]

describe('the path of a tile', () => {
  it('is as the specifications spell it', () => {
    const cases: readonly (readonly [string, Tile])[] = [
      ['tile/0/x001/x234/067', { level: 0, index: 1234067, width: 256 }],
      ['tile/0/001', { level: 0, index: 1, width: 256 }],
      ['tile/0/001.p/5', { level: 0, index: 1, width: 5 }],
      ['tile/5/x123/x456/078', { level: 5, index: 123456078, width: 256 }],
      ['tile/5/x123/x456/078.p/2', { level: 5, index: 123456078, width: 2 }],
      ['tile/63/000', { level: 63, index: 0, width: 256 }],
      ['tile/0/x001/000', { level: 0, index: 1000, width: 256 }],
      ['tile/0/999.p/255', { level: 0, index: 999, width: 255 }],
    ]
    for (const [path, tile] of cases) {
      assert.equal(tilePath(tile), path)
      assert.deepEqual(parseTilePath(path), tile)
    }
    assert.equal(entriesPath({ index: 3057500, width: 256 }), 'tile/entries/x003/x057/500')
    assert.deepEqual(parseTilePath('tile/entries/x003/x057/500.p/7'), { level: null, index: 3057500, width: 7 })
  })

  it('has one spelling', () => {
    for (const path of [
      ...['tile/5/123/456/078', 'tile/-1/123/456/078', 'tile/data/x003/x057/500', 'tile/64/000', 'tile/00/000', 'tile/01/000'],
      ...['tile/0/x000/001', 'tile/0/x001', 'tile/0/1', 'tile/0/0001', 'tile/0/001.p/0', 'tile/0/001.p/256', 'tile/0/001.p/01'],
      ...[
        'tile/0/001/',
        '/tile/0/001',
        'tile/0/../001',
        'tile/0/001.p',
        'tile/0/001.p/',
        'tile/0/X001/001',
        'tile//001',
        'tile/0/001\n',
        '',
      ],
      ...['tile/0/x999/x999/x999/x999/x999/999', 'tile/entries/x000/000', 'checkpoint'],
    ])
      assert.equal(parseTilePath(path), null, path)
  })

  it('is read as it was printed', () => {
    const tiles = fc.record({ level: fc.nat(63), index: fc.maxSafeNat(), width: fc.integer({ min: 1, max: 256 }) })
    fc.assert(
      fc.property(tiles, (tile) => assert.deepEqual(parseTilePath(tilePath(tile)), { ...tile })),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.string(), (path) => assert.doesNotThrow(() => parseTilePath(`tile/${path}`))),
      { numRuns: 2000 },
    )
  })
})

describe('the tiles of a tree', () => {
  it('of 70,000 entries are those of the specification', () => {
    const tiles = list(70_000)
    const of = (level: number): Tile[] => tiles.filter((tile) => tile.level === level)
    assert.deepEqual([of(0).length, of(1).length, of(2).length, tiles.length], [274, 2, 1, 277])
    assert.deepEqual(of(0).at(-1), { level: 0, index: 273, width: 112 })
    assert.deepEqual(of(1), [
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 17 },
    ])
    assert.deepEqual(of(2), [{ level: 2, index: 0, width: 1 }])
  })

  it('of 256 entries have a partial one of width 1 above', () => {
    assert.deepEqual(list(256), [
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ])
  })

  it('of no entries are none', () => {
    assert.deepEqual(list(0), [])
  })

  it('that are new are those that the smaller tree has not', () => {
    const sizes = fc.tuple(fc.nat(70_000), fc.nat(70_000))
    fc.assert(
      fc.property(sizes, ([a, b]) => {
        const [since, size] = [Math.min(a, b), Math.max(a, b)]
        const before = new Set(list(since).map(tilePath))
        assert.deepEqual(
          list(size, since).map(tilePath),
          list(size)
            .map(tilePath)
            .filter((path) => !before.has(path)),
        )
      }),
      { numRuns: 60 },
    )
  })
})
