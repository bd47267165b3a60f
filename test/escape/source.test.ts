// SPDX-License-Identifier: Apache-2.0
// A build process that changes a source file, or puts another one under its name, where the source is to stay as it is.
import { SANDBOX_PATHS, type Sandbox } from '@sallyport/sandbox'
import { runScript } from '@sallyport/testkit'
import { escape, type Finding, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const ONLY = 'the overlay and its place are the work of the keeper, not data that could be left out'
const PROJECT = `${SANDBOX_PATHS.work}/project`
const ROOT = `${PROJECT}/project`
const content = Buffer.from('clean\n')

async function checkOut(sandbox: Sandbox): Promise<void> {
  await runScript(sandbox, `mkdir -p ${ROOT}`)
  await sandbox.putFiles(ROOT, [{ type: 'file', path: 'a.c', mode: 0o644, size: content.length, content }])
}

escape({
  never: 'a step puts another tree in the place of a read-only source',
  probe: async (sandbox): Promise<Finding> => {
    await checkOut(sandbox)
    await sandbox.freezeSource(ROOT)
    const script = `for at in ${ROOT} ${PROJECT} ${SANDBOX_PATHS.work} ${SANDBOX_PATHS.home}; do mv $at /tmp/away && echo moved; done; true`
    const { output } = await runScript(sandbox, script)
    const refused = output.match(/Device or resource busy/g)?.length === 4 && !output.includes('moved\n')
    return { outcome: refused ? 'refused' : 'got', error: refused ? 'EBUSY' : null, detail: output }
  },
  error: 'EBUSY',
  without: [],
  only: ONLY,
  rows: [13],
})
escape({
  never: 'a step swaps a file of a read-only source and puts it back unseen',
  probe: async (sandbox): Promise<Finding> => {
    await checkOut(sandbox)
    await sandbox.freezeSource(ROOT)
    const { output } = await runScript(sandbox, `cd ${ROOT}; cp -p a.c /tmp/kept; echo evil > a.c; cat a.c; cp -p /tmp/kept a.c; cat a.c`)
    const { changes } = await sandbox.takeSourceChanges()
    const seen = output === 'evil\nclean\n' && changes.some(({ path, witness }) => path === 'a.c' && witness === 'event')
    return { outcome: seen ? 'refused' : 'got', error: null, detail: `${output} ${JSON.stringify(changes)}` }
  },
  error: null,
  without: [],
  only: ONLY,
  rows: [13],
})
escape({
  never: 'a process that an earlier step left writes into a read-only source',
  probe: async (sandbox): Promise<Finding> => {
    await checkOut(sandbox)
    await runScript(
      sandbox,
      `cd ${ROOT}; setsid sh -c 'exec 9>>a.c; : > /tmp/open; while sleep 0.01; do echo evil >&9; done' > /dev/null 2>&1 & while [ ! -e /tmp/open ]; do sleep 0.01; done`,
    )
    await sandbox.endLeftovers()
    await sandbox.putFiles(ROOT, [{ type: 'file', path: 'a.c', mode: 0o644, size: content.length, content }])
    await sandbox.freezeSource(ROOT)
    const { output } = await runScript(sandbox, `sleep 0.2; cat ${ROOT}/a.c`)
    return { outcome: output === 'clean\n' ? 'refused' : 'got', error: null, detail: output }
  },
  error: null,
  without: [],
  only: ONLY,
  rows: [13],
})
