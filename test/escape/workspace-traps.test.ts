// SPDX-License-Identifier: Apache-2.0
// A job owns its workspace, and what it puts there waits for those who read and write it from outside: links, pipes, directories that
// change under way. The pump runs in the sandbox with the job's uid, so there is nothing of the host to win; it must also never hang.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import type { Sandbox } from '@sallyport/sandbox'
import { runScript, withSandbox } from '@sallyport/testkit'
import { behaviour, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const WORK = '/home/runner'
const TRAPS = `cd ${WORK}; mkdir -p real a; echo content > real/file; ln -s real link-dir; ln -s /var/lib/sallyport-canary link-host
  ln -s /proc/self/environ link-proc; ln -s real/file link-file; mkfifo pipe; ln -s pipe link-pipe; ln -s loop loop
  perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("socket"))'; ln -s / a/root; : > 'new
line'; mkdir -p deep/$(printf 'd/%.0s' $(seq 1 200)); truncate -s 100T sparse`

async function readAll(sandbox: Sandbox, paths: readonly string[]): Promise<Record<string, string | null>> {
  const found: Record<string, string | null> = {}
  await sandbox.readFiles(WORK, paths, async (path, content) => {
    let text = ''
    if (content !== null) for await (const part of content) if (text.length < 1000) text += Buffer.from(part).toString('latin1')
    found[path] = content === null ? null : text
  })
  return found
}

behaviour(
  { name: 'links, pipes, sockets and ways out of the workspace are read as nothing, and nothing waits for them', rows: [49] },
  async () => {
    await writeFile('/var/lib/sallyport-canary', 'planted canary\n')
    await withSandbox({}, async (sandbox) => {
      await runScript(sandbox, TRAPS)
      const paths = [
        'link-host',
        'link-proc',
        'link-file',
        'link-dir/file',
        'pipe',
        'link-pipe',
        'loop',
        'socket',
        'real',
        'a/root/etc/passwd',
        '../../../etc/passwd',
        '/etc/passwd',
        'real/../real/file',
        'none',
      ]
      const found = await readAll(sandbox, [...paths, 'real/file'])
      assert.deepEqual(found, { ...Object.fromEntries(paths.map((path) => [path, null])), 'real/file': 'content\n' })
    })
  },
)

behaviour({ name: 'a list of the workspace follows no link and says what is what', rows: [49] }, async () => {
  await withSandbox({}, async (sandbox) => {
    await runScript(sandbox, TRAPS)
    const types = new Map((await sandbox.listFiles(WORK, 10_000)).map(({ path, type }) => [path, type]))
    for (const [path, type] of [
      ['link-dir', 'symlink'],
      ['pipe', 'other'],
      ['socket', 'other'],
      ['a/root', 'symlink'],
      ['new\nline', 'file'],
    ] as const) {
      assert.equal(types.get(path), type, path)
    }
    assert.ok(![...types.keys()].some((path) => path.startsWith('link-dir/') || path.startsWith('a/root/')))
    await assert.rejects(sandbox.listFiles(WORK, 5), /More than 5 files/)
  })
})

behaviour({ name: 'a file is never written through a link that a job put in its way', rows: [49] }, async () => {
  await withSandbox({}, async (sandbox) => {
    await runScript(
      sandbox,
      `${TRAPS}; mkdir /tmp/target; echo old > /tmp/target/file; ln -s /tmp/target ${WORK}/out; ln -s /tmp/target/file ${WORK}/out-file`,
    )
    const put = (path: string): Promise<unknown> =>
      sandbox.putFiles(WORK, [{ type: 'file', path, mode: 0o644, size: 4, content: Buffer.from('new\n') }])
    await assert.rejects(put('out/file'))
    await put('out-file')
    await put('pipe')
    await assert.rejects(put('../up'))
    const { output } = await runScript(
      sandbox,
      `cat /tmp/target/file ${WORK}/out-file ${WORK}/pipe; ls -l ${WORK}/out-file ${WORK}/pipe; ls /home/up`,
    )
    assert.match(output, /^old\nnew\nnew\n-.*\n-/)
  })
})

/** Swaps a directory and a link to another one as fast as it can. */
const SWAP = `cd ${WORK}; mkdir dir other; echo inside > dir/file; ln -s /tmp/target link; mkdir /tmp/target; echo outside > /tmp/target/file
  setsid perl -e 'while (!-e "/tmp/stop") { rename "dir", "was"; rename "link", "dir"; rename "dir", "link"; rename "was", "dir" }' < /dev/null > /dev/null 2>&1 &`

behaviour({ name: 'a race of renames leads neither a write nor a read out of the workspace', rows: [49] }, async () => {
  await withSandbox({}, async (sandbox) => {
    await runScript(sandbox, SWAP)
    for (let i = 0; i < 60; i += 1) {
      const written = await sandbox
        .putFiles(WORK, [{ type: 'file', path: 'dir/written', mode: 0o644, size: 2, content: Buffer.from('x\n') }])
        .catch(() => null)
      const read = await readAll(sandbox, Array<string>(50).fill('dir/file'))
      assert.ok(written === null || written.files === 1)
      assert.ok(read['dir/file'] === null || read['dir/file'] === 'inside\n')
    }
    const { output } = await runScript(sandbox, 'touch /tmp/stop; ls /tmp/target')
    assert.equal(output.trim(), 'file')
  })
})

behaviour({ name: 'a job that keeps making the name that is written does not keep us', rows: [49] }, async () => {
  await withSandbox({}, async (sandbox) => {
    await runScript(
      sandbox,
      `cd ${WORK}; setsid perl -e 'while (!-e "/tmp/stop") { symlink "/etc/passwd", "file"; mkdir "file"; rmdir "file" }' < /dev/null > /dev/null 2>&1 &`,
    )
    const started = performance.now()
    for (let i = 0; i < 20; i += 1) {
      await sandbox.putFiles(WORK, [{ type: 'file', path: 'file', mode: 0o644, size: 2, content: Buffer.from('x\n') }]).catch(() => null)
    }
    assert.ok(performance.now() - started < 120_000)
    const { output } = await runScript(sandbox, 'touch /tmp/stop; head -c 4 /etc/passwd')
    assert.equal(output, 'root')
  })
})
