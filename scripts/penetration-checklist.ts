// SPDX-License-Identifier: Apache-2.0
// scripts/penetration-checklist.ts: runs somebody else's checklist of container escapes in a default job, as root, and writes docs/penetration-checklist.md.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { judgeLines, linesOf } from './penetration/justified.ts'
import { enumerateInJob, judge } from './penetration/run-checklist.ts'
import { cepheusPackages, installCepheus } from './servers/cepheus.ts'

installCepheus()
const packages = cepheusPackages()
if (packages === null) throw new Error('the checklist is not there')
const posture = enumerateInJob(packages)
const verdict = judge(packages, posture)
const judged = judgeLines(linesOf(posture, verdict))
const groups = Map.groupBy(judged, ({ why }) => why ?? '**nobody has said why**')
const rows = [...groups].map(([why, lines]) => `| ${lines.map(({ line }) => `\`${line.replaceAll('|', '\\|')}\``).join('<br>')} | ${why} |`)

writeFileSync(
  join(import.meta.dirname, '..', 'docs', 'penetration-checklist.md'),
  `# A penetration checklist of somebody else's

\`scripts/penetration-checklist.ts\` writes this page. It runs the Python package cepheus-engine 1.1.1 (MIT), a checklist of container escapes: its enumerator as the command of a job with nothing asked for
(\`sallyport exec -- sh enumerate.sh\`), then its engine on what the enumerator said. \`test/servers/penetration-checklist.test.ts\` runs the same and fails on any line that has no reason in \`scripts/penetration/justified.ts\`, and shows
that the engine finds more where the posture is worse. Nothing of its code is in this repository.

Ways out that it knows and looked for: **${verdict.checked}**. Those that it thinks possible: **${verdict.matched.length}**.
Lines: ${judged.length}; without a reason: ${judged.filter(({ why }) => why === null).length}. Its question to 169.254.169.254 was refused by the gate (no rule), and stands in the run's record.

| what it says | why it remains |
| --- | --- |
${rows.join('\n')}

## By hand

Two more, from their repositories, on 29 November 2026, in the same kind of job. They cannot be had from a registry of packages, so no test repeats this.

- [amicontained](https://github.com/genuinetools/amicontained), commit 568b0d3: a user namespace (0 → 1879048192, 65,536 ids) and a pid namespace of its own; bounding capabilities chown, dac_override, fowner, fsetid, kill, setgid, setuid; seccomp filtering;
  no docker.sock. AppArmor "unconfined": the host has none. Of the calls that it names as blocked, those that the profile allows (msgrcv, setsid, utimensat, futimesat) fail for the arguments that it gives.
- [deepce](https://github.com/stealthcopter/deepce), commit a08648d: says "Inside Container: No", docker socket "Not Found", user in the docker group "No", CVE-2019-5736 and CVE-2019-13139 "No". It names the programs docker and kubectl, which lie below the host's \`/usr\` and reach nothing.
`,
)
