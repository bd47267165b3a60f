// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { runScript } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: "a step learns the host's name",
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'uname -n')
    return findingOf(output, output.trim() !== 'sallyport')
  },
  error: null,
  without: [['uts-namespace']],
  rows: [],
})
escape({
  never: 'a step sees a message queue of the host',
  probe: async (sandbox) => {
    const id = /\d+/.exec(execFileSync('ipcmk', ['-Q'], { encoding: 'utf8' }))?.[0] ?? ''
    const { output } = await runScript(sandbox, 'tail -n +2 /proc/sysvipc/msg')
    execFileSync('ipcrm', ['-q', id])
    return findingOf(output, output.trim() !== '')
  },
  error: null,
  without: [['ipc-namespace']],
  rows: [],
})
escape({
  never: 'a step writes into a directory of the host',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'echo written > /srv/file')
    const outside = '/var/lib/writable/file'
    const didGet = existsSync(outside)
    rmSync(outside, { force: true })
    return findingOf(output, didGet)
  },
  error: null,
  without: [['mount-namespace']],
  rows: [34],
})
escape({
  never: "a step reads what is root's alone in a directory that the host offers read-only",
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'cat /opt/offered/.ssh/id_ed25519 2>&1')
    return findingOf(output, output.includes('planted private key'))
  },
  error: 'EACCES',
  without: [['user-namespace']],
  spec: { readOnlyBinds: [{ source: '/root', target: '/opt/offered' }] },
  rows: [34],
})
escape({
  never: 'a step writes to a directory that the host offers read-only',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'exec 2>&1; echo written > /opt/offered/file')
    const outside = '/var/lib/writable/file'
    const didGet = existsSync(outside)
    rmSync(outside, { force: true })
    return findingOf(output, didGet)
  },
  error: 'EROFS',
  without: [['own-files-read-only']],
  spec: { readOnlyBinds: [{ source: '/var/lib/writable', target: '/opt/offered' }] },
  rows: [34, 35],
})
